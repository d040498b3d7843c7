"""Deleting rows of the target by key, and looking for references to what was deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import Model
from fixturepipe.databases.integrity import ForeignKey, constrained_keys, orphan_rows
from fixturepipe.databases.packets import in_batches
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tables import Table
from fixturepipe.errors import LoadError
from fixturepipe.sync.differences import DifferingRows
from fixturepipe.wording import in_lines

_NAMED = 20


def delete_removals(
    connection: BaseDatabaseWrapper, covered: Sequence[Model], found: DifferingRows
) -> None:
    """Delete the rows that are noted as removals. Foreign keys are off."""
    for model in covered:
        table = Table(model, connection)
        for keys in found.removals(model._meta.label_lower):
            table.delete(keys)


def require_no_references(
    connection: BaseDatabaseWrapper, covered: Sequence[Model], found: DifferingRows
) -> None:
    """Raise LoadError if rows of the target refer to rows that were deleted for good."""
    removed = {m for m in covered if next(found.removals(m._meta.label_lower), None)}
    tables = set(connection.introspection.table_names()) if removed else set()
    bad = [
        text
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy and table_name(model, connection) in tables
        for field in constrained_keys(model)
        if field.remote_field.model._meta.concrete_model in removed
        for text in _dangling(connection, field, found)
    ]
    if bad:
        shown = in_lines(bad, _NAMED)
        raise LoadError(
            "\n".join(["Rows refer to rows that the source no longer has:", *shown]),
            problems=bad,
        )


def _dangling(
    connection: BaseDatabaseWrapper, field: ForeignKey, found: DifferingRows
) -> Iterator[str]:
    """The rows whose foreign key refers to a deleted row, in words."""
    remote = field.remote_field.model._meta.concrete_model
    assert remote is not None
    if field.target_field is remote._meta.pk:
        rows = [
            row
            for removed in found.removals(remote._meta.label_lower)
            for keys in in_batches(connection, removed, len(removed))
            for row in orphan_rows(field, connection, [key for (key,) in keys], _NAMED)
        ]
    else:
        rows = orphan_rows(field, connection)
    for *key, value in rows:
        shown = key[0] if len(key) == 1 else tuple(key)
        yield (
            f"{field.model._meta.label} {shown!r}: {field.name} refers to"
            f" {remote._meta.label} {value!r}, which does not exist"
        )
