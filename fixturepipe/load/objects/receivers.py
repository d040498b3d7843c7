"""The receivers of a model's `pre_save` and `post_save`."""

from __future__ import annotations

from itertools import chain
from typing import Any

from django.db.models.signals import post_save, pre_save

from fixturepipe.databases.fields import Model


def has_receivers(model: Model) -> bool:
    """Whether the project has receivers for saves of the model's objects."""
    return not model._meta.auto_created and _has_receivers(model)


def hear_every_model() -> bool:
    """Whether the project has receivers that were connected without a sender."""
    return _has_receivers(_NoModel)


class _NoModel:
    """A sender that none of the project's receivers names."""


def _has_receivers(sender: type[Any]) -> bool:
    """Those of Django itself, which clear caches of the process that saves, do not count."""
    signals: tuple[Any, ...] = (pre_save, post_save)
    live = [signal._live_receivers(sender) for signal in signals]
    # Since Django 5.0 those that are called and those that are awaited.
    lists = chain.from_iterable([each] if isinstance(each, list) else each for each in live)
    modules = (getattr(receiver, "__module__", "") for receiver in chain.from_iterable(lists))
    return not all(str(module).startswith("django.") for module in modules)
