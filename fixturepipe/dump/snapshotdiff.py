"""The rows in which a snapshot differs from an earlier one of the same source, by SQLite's own SQL.

Both are files: one connection has the earlier one attached, and each table is joined with itself
by its key. Values are compared as they are stored, byte by byte. So a row that is not found has
the very values that it had.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import Model, key_fields, stored_fields
from fixturepipe.databases.queries import undecodable_text
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tables import Key

_BATCH = 2_000


class SnapshotDiff:
    """What has changed from the earlier snapshot to the one that `connection` reads."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def changed(self, model: Model) -> Iterator[list[Key]]:
        """Yield the raw keys of the rows that are new or have other values."""
        columns = [self._column(field) for field in stored_fields(model)]
        # The plus keeps a column's affinity out: a fix may take it from one of the two.
        differ = [f"+a.{name} IS NOT +b.{name} COLLATE BINARY" for name in columns]
        first = self._column(key_fields(model)[0])
        yield from self._keys(
            model, "main", "earlier", " OR ".join([f"b.{first} IS NULL", *differ])
        )

    def gone(self, model: Model) -> Iterator[list[Key]]:
        """Yield the raw keys of the rows that the earlier snapshot had."""
        first = self._column(key_fields(model)[0])
        yield from self._keys(model, "earlier", "main", f"b.{first} IS NULL")

    def _keys(self, model: Model, one: str, other: str, condition: str) -> Iterator[list[Key]]:
        """The keys of rows of one file, by their own and the other file's row of the same key."""
        table = self._connection.ops.quote_name(table_name(model, self._connection))
        key = [self._column(field) for field in key_fields(model)]
        shown = ", ".join(f"a.{name}" for name in key)
        same = " AND ".join(f"a.{name} = b.{name} COLLATE BINARY" for name in key)
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {shown} FROM {one}.{table} a LEFT JOIN {other}.{table} b ON {same}"
                f" WHERE {condition}"
            )
            while True:
                with undecodable_text(self._connection):
                    keys = cursor.fetchmany(_BATCH)
                if not keys:
                    return
                yield list(keys)

    def _column(self, field: Any) -> str:
        return str(self._connection.ops.quote_name(field.column))


@contextmanager
def snapshot_diff(connection: BaseDatabaseWrapper, earlier: Path) -> Iterator[SnapshotDiff]:
    """Compare what a connection reads with an earlier snapshot. Raises DatabaseError for a file
    that is damaged."""
    with connection.cursor() as cursor:
        cursor.execute("ATTACH DATABASE %s AS earlier", [f"{earlier.absolute().as_uri()}?mode=ro"])
    try:
        yield SnapshotDiff(connection)
    finally:
        # Statements that were not read to their end keep a file attached.
        connection.close()
