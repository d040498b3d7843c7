"""Deleting rows of the target by key, and looking for references to what was deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import key_fields
from fixturepipe.databases.integrity import constrained_keys, orphan_rows
from fixturepipe.databases.packets import in_batches
from fixturepipe.databases.queries import executed, rows_of
from fixturepipe.databases.tablenames import table_name
from fixturepipe.errors import LoadError
from fixturepipe.sync.differences import DifferingRows, Key
from fixturepipe.wording import in_lines

Model = type[models.Model]
_NAMED = 20


def delete_removals(
    connection: BaseDatabaseWrapper, models_: Sequence[Model], found: DifferingRows
) -> None:
    """Delete the rows that are noted as removals. Foreign keys are off."""
    for model in models_:
        for keys in _removals(connection, model, found):
            condition, parameters = _among(model, connection, keys)
            table = connection.ops.quote_name(table_name(model, connection))
            executed(connection, f"DELETE FROM {table} WHERE {condition}", parameters)


def require_no_references(
    connection: BaseDatabaseWrapper, models_: Sequence[Model], found: DifferingRows
) -> None:
    """Raise LoadError if rows of the target refer to rows that were deleted for good."""
    removed = [m for m in models_ if next(found.removals(m._meta.label_lower), None)]
    bad = [each for model in removed for each in _references_to(connection, model, found)]
    if bad:
        shown = in_lines(bad, _NAMED)
        raise LoadError(
            "\n".join(["Rows refer to rows that the source no longer has:", *shown]),
            problems=bad,
        )


def _removals(
    connection: BaseDatabaseWrapper, model: Model, found: DifferingRows
) -> Iterator[list[Key]]:
    """The keys of a model's removals, in lists that a statement can name."""
    for keys in found.removals(model._meta.label_lower):
        yield from in_batches(connection, keys, len(keys))


def _references_to(
    connection: BaseDatabaseWrapper, model: Model, found: DifferingRows
) -> Iterator[str]:
    tables = set(connection.introspection.table_names())
    for other in apps.get_models(include_auto_created=True):
        if other._meta.proxy or table_name(other, connection) not in tables:
            continue
        for field in constrained_keys(other):
            if field.remote_field.model._meta.concrete_model is model:
                yield from _dangling(connection, model, field, found)


def _dangling(
    connection: BaseDatabaseWrapper, model: Model, field: Any, found: DifferingRows
) -> Iterator[str]:
    """The rows whose foreign key refers to a deleted row, in words."""
    if field.target_field is not model._meta.pk:
        rows = orphan_rows(field, connection)
    else:
        rows = []
        for keys in _removals(connection, model, found):
            rows += _orphans_among(connection, model, field, keys)
    label, remote = field.model._meta.label, model._meta.label
    for *key, value in rows:
        shown = key[0] if len(key) == 1 else tuple(key)
        yield f"{label} {shown!r}: {field.name} refers to {remote} {value!r}, which does not exist"


def _orphans_among(
    connection: BaseDatabaseWrapper, model: Model, field: Any, keys: Sequence[Key]
) -> list[tuple[Any, ...]]:
    quote = connection.ops.quote_name
    child, parent = (quote(table_name(each, connection)) for each in (field.model, model))
    column, there = quote(field.column), quote(field.target_field.column)
    key = ", ".join(f"child.{quote(part.column)}" for part in key_fields(field.model))
    listed = ", ".join(["%s"] * len(keys))
    return rows_of(
        connection,
        f"SELECT {key}, child.{column} FROM {child} child LEFT JOIN {parent} parent"
        f" ON child.{column} = parent.{there}"
        f" WHERE child.{column} IN ({listed}) AND parent.{there} IS NULL LIMIT {_NAMED}",
        [part for (part,) in keys],
    )


def _among(
    model: Model, connection: BaseDatabaseWrapper, keys: Sequence[Key]
) -> tuple[str, list[Any]]:
    """A condition that the rows with these raw keys meet, and its parameters."""
    columns = [connection.ops.quote_name(field.column) for field in key_fields(model)]
    one = ", ".join(["%s"] * len(columns))
    parameters = [part for key in keys for part in key]
    if len(columns) == 1:
        return f"{columns[0]} IN ({', '.join([one] * len(keys))})", parameters
    listed = ", ".join([f"({one})"] * len(keys))
    return f"({', '.join(columns)}) IN ({listed})", parameters
