"""Sequences: no key that the source ever gave out is given out again.

MySQL and MariaDB raise AUTO_INCREMENT themselves as rows come in, but only to the highest key
that is there; the source may have given out higher ones to rows that are deleted since. Other
databases need the statements that Django has for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.core.management.color import no_style
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True)
class SequenceReset:
    """A table whose next key was raised: from `before` (None where unknown) to `after`."""

    table: str
    before: int | None
    after: int


def reset_sequences(
    connection: BaseDatabaseWrapper,
    tables: Sequence[type[models.Model]],
    highest: Mapping[str, int],
) -> list[SequenceReset]:
    """Let the next key of each table be above every key that its source gave out.

    `highest` maps a model's label to the highest key that was ever given out for its table.
    """
    statements = connection.ops.sequence_reset_sql(no_style(), list(tables))
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    if connection.vendor != "mysql":
        return []
    wanted = {m._meta.db_table: highest.get(m._meta.label_lower, 0) + 1 for m in tables}
    resets = []
    for table, before in next_keys(connection).items():
        after = wanted.get(table, 0)
        if after > before:
            _raise(connection, table, after)
            resets.append(SequenceReset(table, before, after))
    return resets


def next_keys(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """The next key of each table that gives out keys."""
    with connection.cursor() as cursor:
        if not getattr(connection, "mysql_is_mariadb", True):
            # MySQL answers with what it remembers for a day; 0 has it look.
            cursor.execute("SET SESSION information_schema_stats_expiry = 0")
        # MySQL says NULL of a table that never had a row.
        cursor.execute(
            "SELECT t.TABLE_NAME, COALESCE(t.AUTO_INCREMENT, 1) FROM information_schema.TABLES t"
            " JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA"
            " AND c.TABLE_NAME = t.TABLE_NAME AND c.EXTRA LIKE '%auto_increment%'"
            " WHERE t.TABLE_SCHEMA = DATABASE()"
        )
        return {table: int(key) for table, key in cursor.fetchall()}


def _raise(connection: BaseDatabaseWrapper, table: str, key: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {connection.ops.quote_name(table)} AUTO_INCREMENT = {key}")
