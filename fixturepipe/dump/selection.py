"""Which models a dump takes: those that apps and models on the command line name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.management.base import CommandError
from django.core.management.utils import parse_apps_and_model_labels
from django.db import models

from fixturepipe.artifacts.manifest import NotCovered
from fixturepipe.databases.coverage import Coverage
from fixturepipe.errors import UsageError

Model = type[models.Model]


@dataclass(frozen=True)
class Selection:
    """The models to dump, all models that the source covers, and what is left out, with reasons."""

    models: list[Model]
    covered: list[Model]
    not_covered: list[NotCovered]


def select(covered: Coverage, labels: Sequence[str], exclude: Sequence[str]) -> Selection:
    """Choose by apps ("shop") and models ("shop.order"), as dumpdata does.

    Raises UsageError for a label that names neither.
    """
    wanted, unwanted = _named(labels), _named(exclude)
    chosen: list[Model] = []
    left_out = list(covered.not_covered)
    for model in covered.models:
        meta = model._meta
        if {meta.app_label, meta.label_lower} & unwanted:
            left_out.append(NotCovered(meta.label_lower, "excluded by name"))
        elif labels and not {meta.app_label, meta.label_lower} & wanted:
            left_out.append(NotCovered(meta.label_lower, "not among the apps and models named"))
        else:
            chosen.append(model)
    return Selection(chosen, covered.models, left_out)


def _named(labels: Sequence[str]) -> set[str]:
    try:
        named, apps = parse_apps_and_model_labels(labels)
    except (CommandError, LookupError, ValueError) as error:
        raise UsageError(
            str(error), hint="Name an app by its label (shop), or a model (shop.order)."
        ) from None
    concrete = {model._meta.concrete_model or model for model in named}
    return {model._meta.label_lower for model in concrete} | {config.label for config in apps}
