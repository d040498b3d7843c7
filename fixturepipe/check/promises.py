"""Constraints and indexes of the models that the target does not create, though the source does.

Django skips them silently when it makes the tables (its checks models.W027 and W036 to W047 name
the model only): partial, deferrable and covering constraints and indexes, and those of expressions
on MariaDB.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.endpoints import SOURCE, Endpoints, connection_to
from fixturepipe.databases.fields import Model
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rules import RULES

# Named by `lost`, by FP401, and by the tables that the target is asked to make.
_NAMED_OTHERWISE = {
    *("models.W027", "models.W036", "models.W037", "models.W038", "models.W039", "models.W040"),
    *("models.W043", "models.W044", "models.W047", "mysql.W002", "mysql.W003"),
}

# What only some databases have: the attribute that asks for it, the feature, the reason.
_LIMITED = {
    "condition": ("supports_partial_indexes", "it has a condition"),
    "deferrable": ("supports_deferrable_unique_constraints", "it is deferrable"),
    "include": ("supports_covering_indexes", "it includes other columns"),
    "nulls_distinct": (
        "supports_nulls_distinct_unique_constraints",
        "it says whether NULLs are distinct",
    ),
    "contains_expressions": ("supports_expression_indexes", "it has expressions"),
}


def lost(covered: Iterable[Model], target: BaseDatabaseWrapper) -> Iterator[Finding]:
    """FP312 for each index and CHECK, FP326 for each unique constraint that is not created."""
    source = connection_to(SOURCE)
    for model in covered:
        label = model._meta.label_lower
        for each in (*model._meta.constraints, *model._meta.indexes):
            reason = _reason(each, target)
            if not reason or _reason(each, source):
                continue
            fields = ", ".join(getattr(each, "fields", ()))
            if isinstance(each, models.UniqueConstraint):
                yield RULES["FP326"].finding(label, fields, name=each.name, reason=reason)
                continue
            kind = "index" if isinstance(each, models.Index) else "constraint"
            yield RULES["FP312"].finding(
                label,
                fields,
                message=f"The target does not have the {kind} {each.name}: {reason}.",
                hint="Ignore this if no query needs it."
                if kind == "index"
                else "Enforce it in the project's own code.",
            )


def _reason(each: Any, connection: BaseDatabaseWrapper) -> str:
    """Why a database does not create a constraint or an index; empty if it does.

    These are the conditions of `Index.create_sql`, `BaseDatabaseSchemaEditor._unique_supported`
    and of the checks in `Model._check_indexes` and `Model._check_constraints`.
    """
    features: Any = connection.features
    if isinstance(each, models.CheckConstraint):
        return "" if features.supports_table_check_constraints else "it has no CHECK constraints"
    for name, (feature, reason) in _LIMITED.items():
        value = getattr(each, name, None)
        is_asked = value is not None if name == "nulls_distinct" else bool(value)
        if is_asked and not getattr(features, feature):
            return reason
    return ""


def django_checks(endpoints: Endpoints) -> Iterator[Finding]:
    """FP312: what else Django's own checks report for the target and not for the source."""
    with endpoints.bound_to_source() as alias:
        at_source = {_identity(message) for message in _messages(alias)}
    with endpoints.bound_to_target(apart=True) as alias:
        for message in _messages(alias):
            known = message.id in _NAMED_OTHERWISE or _identity(message) in at_source
            if not known:
                yield _finding(message)


def _messages(alias: str) -> list[CheckMessage]:
    found: list[CheckMessage] = [
        message
        for model in apps.get_models(include_auto_created=True)
        # A field called "check" hides the method, as in Django's own check of all models.
        if model._meta.managed and inspect.ismethod(model.check)
        for message in model.check(databases=[alias])
    ]
    return found + list(connection_to(alias).validation.check(databases=[alias]))


def _identity(message: CheckMessage) -> tuple[Any, ...]:
    return message.id, str(message.obj), message.msg


def _finding(message: CheckMessage) -> Finding:
    subject = message.obj
    model = subject.model if isinstance(subject, models.Field) else subject
    is_model = isinstance(model, type) and issubclass(model, models.Model)
    return RULES["FP312"].finding(
        model._meta.label_lower if is_model else "",
        subject.name if isinstance(subject, models.Field) else "",
        level="error" if message.is_serious() else "warning",
        message=f"{message.msg} ({message.id})",
        hint=message.hint or "Enforce it in the project's own code.",
    )
