"""The receivers of a model's `pre_save` and `post_save`."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.signals import post_save, pre_save


def has_receivers(model: type[models.Model]) -> bool:
    """Whether the project has receivers for saves of the model's objects."""
    if model._meta.auto_created:
        return False
    return any(
        _is_the_projects(each) for s in (pre_save, post_save) for each in _receivers(s, model)
    )


def hear_every_model() -> bool:
    """Whether the project has receivers that were connected without a sender."""
    return any(
        _is_the_projects(each) for s in (pre_save, post_save) for each in _receivers(s, _NoModel)
    )


class _NoModel:
    """A sender that none of the project's receivers names."""


def _receivers(signal: Any, model: type[Any]) -> list[Any]:
    live = signal._live_receivers(model)
    # Since Django 5.0 those that are called and those that are awaited.
    return list(live) if isinstance(live, list) else [each for part in live for each in part]


def _is_the_projects(receiver: Any) -> bool:
    """Django's own receivers clear caches of the process that saves, and no more."""
    return not str(getattr(receiver, "__module__", "")).startswith("django.")
