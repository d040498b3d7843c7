"""The highest key that a table ever gave out, which may be higher than any that it holds.

A key must not be used again: links, logs and generic references may still name its first
owner. What the database remembers is written down, so that the target can go on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


def highest_keys(
    connection: BaseDatabaseWrapper, dumped: Iterable[type[models.Model]]
) -> dict[str, int]:
    """Tables and the highest key that each gave out, where the database remembers it."""
    tables = {model._meta.db_table: model._meta.pk.column for model in dumped}
    if connection.vendor == "sqlite":
        found = _autoincrement(connection)
    elif connection.vendor == "mysql":
        found = _auto_increment(connection)
    elif connection.vendor == "postgresql":
        found = _sequences(connection, tables)
    else:
        found = {}
    return {table: key for table, key in sorted(found.items()) if table in tables}


def _autoincrement(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """https://www.sqlite.org/autoinc.html: sqlite_sequence is there once a table uses it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")
        if cursor.fetchone() is None:
            return {}
        cursor.execute("SELECT name, seq FROM sqlite_sequence WHERE typeof(seq) = 'integer'")
        return dict(cursor.fetchall())


def _auto_increment(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """AUTO_INCREMENT is the next key."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, auto_increment FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND auto_increment > 1"
        )
        return {table: following - 1 for table, following in cursor.fetchall()}


def _sequences(connection: BaseDatabaseWrapper, keys: Mapping[str, str]) -> dict[str, int]:
    """What the sequences of the key columns gave out last; NULL where that is nothing yet.

    https://www.postgresql.org/docs/current/catalog-pg-depend.html: "a" is that of a serial
    column, "i" that of an identity column.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT owner.relname, attribute.attname, pg_sequence_last_value(sequence.oid)"
            " FROM pg_class sequence JOIN pg_depend ON objid = sequence.oid"
            " AND classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass"
            " AND deptype IN ('a', 'i')"
            " JOIN pg_class owner ON owner.oid = refobjid"
            " JOIN pg_attribute attribute ON attrelid = owner.oid AND attnum = refobjsubid"
            " WHERE sequence.relkind = 'S' AND pg_table_is_visible(owner.oid)"
        )
        return {
            table: last
            for table, column, last in cursor.fetchall()
            if last is not None and keys.get(table) == column
        }
