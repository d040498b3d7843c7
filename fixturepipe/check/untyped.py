"""Columns of a repaired copy that lose their type, so that they hold a value as it is given.

SQLite converts what it stores to a column's affinity: 12 is 12.0 in a column of type REAL, and 1 is
'1' in one of type TEXT (https://www.sqlite.org/datatype3.html). A column of type BLOB converts
nothing; in a STRICT table that is one of type ANY (https://www.sqlite.org/stricttables.html).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db import IntegrityError, models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import Field, root_field
from fixturepipe.databases.integrity import unique_sets
from fixturepipe.databases.queries import rows_of
from fixturepipe.databases.tables import Table

# SQLite would rename the column in them too, and refuses to if one of them is broken: a view of
# what is gone, an index on "name" where no column has that name.
_VIEWS_AND_EXPRESSIONS = """
SELECT type, name, sql FROM sqlite_master
WHERE type = 'view' OR type = 'index'
    AND EXISTS (SELECT 1 FROM pragma_index_info(sqlite_master.name) WHERE cid = -2)
"""
_READ_FROM_ANY_NUMBER = (models.DecimalField, models.FloatField)


def is_kept(field: Field, given: Any, kept: Any) -> bool:
    """Whether a column that holds `kept` has stored what it was given."""
    either = isinstance(root_field(field), _READ_FROM_ANY_NUMBER)
    return bool(kept == given) and (either or type(kept) is type(given))


def untype(field: Field, copy: BaseDatabaseWrapper) -> None:
    """Give a column of a SQLite table no type and no constraint but those of its unique sets.

    The former column stays in the table under another name: SQLite can neither change a column
    nor remove one that has an index.
    """
    table = Table(field.model, copy)
    column, former = table.column(field), copy.ops.quote_name(f"fixturepipe {field.column}")
    taken_out = rows_of(copy, _VIEWS_AND_EXPRESSIONS)
    with copy.cursor() as cursor:
        for kind, name, _ in taken_out:
            cursor.execute(f"DROP {kind} {copy.ops.quote_name(name)}")
        cursor.execute(f"ALTER TABLE {table.quoted} RENAME COLUMN {column} TO {former}")
        any_type = "ANY" if _is_strict(table) else "BLOB"
        cursor.execute(f"ALTER TABLE {table.quoted} ADD COLUMN {column} {any_type}")
        cursor.execute(f"UPDATE {table.quoted} SET {column} = {former}")
        for *_, statement in taken_out:
            cursor.execute(statement)
    for fields in unique_sets(field.model):
        if field in fields:
            _keep_unique(table, fields)


def _is_strict(table: Table) -> bool:
    listed = rows_of(table.connection, f"PRAGMA table_list({table.quoted})")
    return any(schema == "main" and strict for schema, *_, strict in listed)


def _keep_unique(table: Table, fields: tuple[Field, ...]) -> None:
    columns = ", ".join(map(table.column, fields))
    name = "_".join(["fixturepipe", table.name, *(field.column for field in fields)])
    quoted = table.connection.ops.quote_name(name)
    # Rows that are equal already are reported as such.
    with suppress(IntegrityError), table.connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {quoted}")
        cursor.execute(f"CREATE UNIQUE INDEX {quoted} ON {table.quoted} ({columns})")
