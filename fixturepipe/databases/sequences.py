"""Sequences: no primary key that the source ever allocated is allocated again.

A database may have allocated higher keys than any that its tables still hold: links, logs and
generic references may name the rows that are gone. That high-water mark is written down at the
source, and the target's sequences are raised above it. MySQL and MariaDB raise AUTO_INCREMENT
themselves as rows come in, but only to the highest key that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.core.management.color import no_style
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import strip_quotes

from fixturepipe.databases.fields import Model
from fixturepipe.databases.packets import results
from fixturepipe.databases.queries import rows_of
from fixturepipe.databases.tablenames import folded


@dataclass(frozen=True)
class SequenceReset:
    """A table whose next key was raised: from `before` to `after`."""

    table: str
    before: int
    after: int


def highest_keys(connection: BaseDatabaseWrapper, tables: Iterable[Model]) -> dict[str, int]:
    """The highest key that each model's table has allocated, where the database remembers it."""
    columns = {model._meta.db_table: model._meta.pk.column for model in tables}
    if connection.vendor == "postgresql":
        found = _postgresql_sequences(connection, columns)
    else:
        found = {table: key - 1 for table, key in next_keys(connection).items() if key > 1}
    by_key = {folded(table, connection): key for table, key in found.items()}
    highest = {}
    for table in sorted(columns):
        # SQLite and PostgreSQL take a name that is in quotes already.
        for spelling in (table, strip_quotes(table)):
            if (key := by_key.get(folded(spelling, connection))) is not None:
                highest[table] = key
    return highest


def next_keys(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """The next key of each table that counts its keys, by the table's folded name."""
    if connection.vendor == "sqlite":
        return {table: key + 1 for table, key in _sqlite_sequence(connection).items()}
    if connection.vendor != "mysql":
        return {}
    # MySQL says NULL of a table that never had a row.
    found = rows_of(
        connection,
        "SELECT t.TABLE_NAME, COALESCE(t.AUTO_INCREMENT, 1) FROM information_schema.TABLES t"
        " JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA"
        " AND c.TABLE_NAME = t.TABLE_NAME AND c.EXTRA LIKE '%auto_increment%'"
        " WHERE t.TABLE_SCHEMA = DATABASE()",
    )
    return {folded(table, connection): int(key) for table, key in found}


def reset_sequences(
    connection: BaseDatabaseWrapper,
    tables: Sequence[Model],
    highest: Mapping[str, int],
) -> list[SequenceReset]:
    """Raise the next key of each table above every key that its source allocated.

    `highest` maps a model's label to the highest key that was ever allocated for its table.
    """
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(tables)):
            cursor.execute(statement)
    if connection.vendor != "mysql":
        return []
    wanted = {
        folded(m._meta.db_table, connection): highest.get(m._meta.label_lower, 0) + 1
        for m in tables
    }
    resets = [
        SequenceReset(table, before, wanted[table])
        for table, before in next_keys(connection).items()
        if wanted.get(table, 0) > before
    ]
    quote = connection.ops.quote_name
    results(
        connection,
        [f"ALTER TABLE {quote(each.table)} AUTO_INCREMENT = {each.after}" for each in resets],
    )
    return resets


def _sqlite_sequence(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """https://www.sqlite.org/autoinc.html: sqlite_sequence is there once a table uses it."""
    if not rows_of(connection, "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
        return {}
    counters = "SELECT name, seq FROM sqlite_sequence WHERE typeof(seq) = 'integer'"
    return dict(rows_of(connection, counters))


def _postgresql_sequences(
    connection: BaseDatabaseWrapper, columns: Mapping[str, str]
) -> dict[str, int]:
    """What the sequences of the key columns allocated last; NULL where that is nothing yet.

    https://www.postgresql.org/docs/current/catalog-pg-depend.html: "a" is that of a serial
    column, "i" that of an identity column.
    """
    found = rows_of(
        connection,
        "SELECT owner.relname, attribute.attname, pg_sequence_last_value(sequence.oid)"
        " FROM pg_class sequence JOIN pg_depend ON objid = sequence.oid"
        " AND classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass"
        " AND deptype IN ('a', 'i')"
        " JOIN pg_class owner ON owner.oid = refobjid"
        " JOIN pg_attribute attribute ON attrelid = owner.oid AND attnum = refobjsubid"
        " WHERE sequence.relkind = 'S' AND pg_table_is_visible(owner.oid)",
    )
    return {
        table: last
        for table, column, last in found
        if last is not None and columns.get(table) == column
    }
