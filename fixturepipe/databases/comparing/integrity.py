"""Whether a database keeps what its models promise: references, uniqueness, next keys.

Each question is one statement over whole tables, asked of the server; automatic
many-to-many tables are asked about like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.ends import table_name
from fixturepipe.databases.findings import EXAMPLES, Example, Finding, Level
from fixturepipe.databases.tables import Field, Row, any_text, key_fields
from fixturepipe.databases.values import shown

ForeignKey: TypeAlias = "models.ForeignKey[Any, Any]"


def constrained_keys(model: type[models.Model]) -> list[ForeignKey]:
    """The model's foreign keys whose values must exist; `db_constraint=False` may dangle."""
    return [
        field
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.ForeignKey) and getattr(field, "db_constraint", True)
    ]


def orphans(field: ForeignKey, connection: BaseDatabaseWrapper) -> tuple[int, list[Example]]:
    """How many rows point at nothing through a foreign key, and the first of them."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) {_dangling(field, connection)}")
        count = int(cursor.fetchone()[0])
    first = orphan_rows(field, connection, EXAMPLES) if count else []
    return count, [_example(row[:-1], row[-1]) for row in first]


def orphan_rows(
    field: ForeignKey, connection: BaseDatabaseWrapper, at_most: int | None = None
) -> list[Row]:
    """The raw keys of the rows that point at nothing, each followed by what it points at."""
    quote = connection.ops.quote_name
    key = ", ".join(f"a.{quote(part.column)}" for part in key_fields(field.model))
    limit = "" if at_most is None else f" LIMIT {at_most}"
    return rows_of(
        connection,
        f"SELECT {key}, a.{quote(field.column)} {_dangling(field, connection)}"
        f" ORDER BY {key}{limit}",
    )


def rows_of(
    connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any] = ()
) -> list[Row]:
    """The rows of a statement, whatever bytes their text holds."""

    def ask() -> list[Row]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    return any_text(connection, ask)


def _dangling(field: ForeignKey, connection: BaseDatabaseWrapper) -> str:
    """FROM and WHERE of the rows that point at nothing, as `a`."""
    quote = connection.ops.quote_name
    remote = quote(table_name(field.remote_field.model, connection))
    column, there = quote(field.column), quote(field.target_field.column)
    return (
        f"FROM {quote(table_name(field.model, connection))} a"
        f" LEFT JOIN {remote} b ON a.{column} = b.{there}"
        f" WHERE a.{column} IS NOT NULL AND b.{there} IS NULL"
    )


def unique_sets(model: type[models.Model]) -> Iterator[tuple[Field, ...]]:
    """The sets of columns that are unique in every row, but for the primary key."""
    fields = {field.name: field for field in model._meta.local_concrete_fields}
    sets: list[tuple[str, ...]] = [
        (field.name,) for field in fields.values() if field.unique and not field.primary_key
    ]
    sets += [tuple(names) for names in model._meta.unique_together]
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint) and _is_plain(constraint):
            sets.append(tuple(constraint.fields))
    for names in dict.fromkeys(sets):
        if all(name in fields for name in names):
            yield tuple(fields[name] for name in names)


class UniqueIndexes:
    """The sets of columns that a database itself keeps unique, in whole and in every row."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        # One question for all tables: Django's introspection takes two for each.
        self._of_all = _unique_indexes(connection) if connection.vendor == "mysql" else None

    def of(self, model: type[models.Model]) -> set[frozenset[str]]:
        """The sets of column names of a model's table."""
        table = table_name(model, self._connection)
        if self._of_all is not None:
            return self._of_all.get(table.lower(), set())
        if self._connection.vendor == "sqlite":
            return _unique_indexes_of(table, self._connection)
        with self._connection.cursor() as cursor:
            constraints = self._connection.introspection.get_constraints(cursor, table)
        return {frozenset(each["columns"]) for each in constraints.values() if each["unique"]}


def _unique_indexes(connection: BaseDatabaseWrapper) -> dict[str, set[frozenset[str]]]:
    """The unique indexes of MySQL or MariaDB, by table in lower case."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART"
            " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0"
        )
        rows = cursor.fetchall()
    indexes: dict[tuple[str, str], set[str]] = {}
    # An index of a column's beginning, or of an expression, keeps other things unique.
    partial = {(table, index) for table, index, column, part in rows if part or column is None}
    for table, index, column, _ in rows:
        if (table, index) not in partial:
            indexes.setdefault((table, index), set()).add(column)
    found: dict[str, set[frozenset[str]]] = {}
    for (table, _), columns in indexes.items():
        found.setdefault(table.lower(), set()).add(frozenset(columns))
    return found


def _unique_indexes_of(table: str, connection: BaseDatabaseWrapper) -> set[frozenset[str]]:
    """The unique indexes of one table of SQLite, partial ones left out, and its key.

    By pragma (https://www.sqlite.org/pragma.html#pragma_index_list): Django parses the table's
    SQL besides, which takes longer than to check a small table.
    """
    quoted = connection.ops.quote_name(table)
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA table_info({quoted})")
        found = {frozenset(row[1] for row in cursor.fetchall() if row[5])}
        cursor.execute(f"PRAGMA index_list({quoted})")
        for _, index, is_unique, _, is_partial in cursor.fetchall():
            if is_unique and not is_partial:
                cursor.execute(f"PRAGMA index_info({connection.ops.quote_name(index)})")
                found.add(frozenset(row[2] for row in cursor.fetchall()))
    return found


def duplicates(
    fields: tuple[Field, ...], connection: BaseDatabaseWrapper
) -> tuple[int, list[Example]]:
    """How many values (or sets of values) are there more than once, and the first of them.

    An example's key is the number of rows that share the value.
    """
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    present = " AND ".join(f"{quote(field.column)} IS NOT NULL" for field in fields)
    groups = (
        f"SELECT {columns}, COUNT(*) FROM {quote(table_name(fields[0].model, connection))}"
        f" WHERE {present} GROUP BY {columns} HAVING COUNT(*) > 1"
    )
    ((count,),) = rows_of(connection, f"SELECT COUNT(*) FROM ({groups}) g")
    if not count:
        return 0, []
    rows = rows_of(connection, f"{groups} LIMIT {EXAMPLES}")
    return int(count), [Example(f"{row[-1]} rows", _shown(row[:-1])) for row in rows]


def next_key(model: type[models.Model], connection: BaseDatabaseWrapper) -> int | None:
    """The key that the database would give the next row; None where it keeps no such number."""
    table = table_name(model, connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            return sequence_marks(connection).get(table, 0) + 1
        if connection.vendor != "mysql":
            return None
        if not getattr(connection, "mysql_is_mariadb", False):
            # MySQL answers from statistics that are up to a day old unless told otherwise.
            cursor.execute("SET SESSION information_schema_stats_expiry = 0")
        cursor.execute(
            "SELECT AUTO_INCREMENT FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
            [table],
        )
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] is not None else 1


def sequence_marks(connection: BaseDatabaseWrapper) -> Mapping[str, int]:
    """The highest key that SQLite ever gave out, by table; nothing for other databases."""
    if connection.vendor != "sqlite":
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")
        if cursor.fetchone() is None:
            return {}
        cursor.execute("SELECT name, seq FROM sqlite_sequence")
        return {name: int(seq or 0) for name, seq in cursor.fetchall()}


def broken_references(
    model: type[models.Model], connection: BaseDatabaseWrapper
) -> Iterator[Finding]:
    """FP501 for each foreign key of the target with rows that point at nothing."""
    for field in constrained_keys(model):
        count, examples = orphans(field, connection)
        if count:
            yield Finding(
                "FP501",
                "error",
                model._meta.label_lower,
                field.name,
                count,
                tuple(examples),
                f"These rows point at rows of {field.remote_field.model._meta.label} that do not"
                " exist; the database was told not to look when they were written.",
                "Load again with foreign keys checked, or mend the rows at the source.",
            )


def missing_foreign_keys(
    covered: Iterable[type[models.Model]], connection: BaseDatabaseWrapper
) -> Iterator[Finding]:
    """FP505 for each foreign key that the model promises and the target's tables lack."""
    if connection.vendor != "mysql":
        return
    there = {
        (table.lower(), column.lower())
        for table, column in rows_of(
            connection,
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE"
            " WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL",
        )
    }
    for model in covered:
        table = table_name(model, connection).lower()
        for field in constrained_keys(model):
            is_ours = model._meta.managed and field.remote_field.model._meta.managed
            if is_ours and (table, field.column.lower()) not in there:
                yield Finding(
                    "FP505",
                    "error",
                    model._meta.label_lower,
                    field.name,
                    1,
                    (),
                    "The target's table has no foreign key on this column: it will take rows that"
                    " point at nothing.",
                    "Migrate the target with the project's own migrations.",
                )


def broken_uniqueness(
    model: type[models.Model], connection: BaseDatabaseWrapper, indexes: UniqueIndexes
) -> Iterator[Finding]:
    """FP502 for each unique constraint that the target lacks, FP503 where rows break it.

    Where the constraint is there, the index itself holds no value twice.
    """
    enforced = indexes.of(model)
    for fields in unique_sets(model):
        if frozenset(field.column for field in fields) in enforced:
            continue
        names = ", ".join(field.name for field in fields)
        label = model._meta.label_lower
        count, examples = duplicates(fields, connection)
        yield Finding(
            "FP502",
            "error",
            label,
            names,
            1,
            (),
            "The target's table has no unique index on these columns: it will take duplicates.",
            "Migrate the target with the project's own migrations.",
        )
        if count:
            yield Finding(
                "FP503",
                "error",
                label,
                names,
                count,
                tuple(examples),
                "The target holds rows that share values which the model keeps unique.",
                "Remove the duplicates, then add the unique index.",
            )


def reused_keys(
    model: type[models.Model], connection: BaseDatabaseWrapper, mark: int, level: Level
) -> Iterator[Finding]:
    """FP504 where the target would give a new row a key that the source gave out before."""
    coming = next_key(model, connection)
    if coming is not None and coming <= mark:
        table = connection.ops.quote_name(table_name(model, connection))
        yield Finding(
            "FP504",
            level,
            model._meta.label_lower,
            key_fields(model)[0].name,
            1,
            (Example(coming, mark),),
            f"The next row gets key {coming}, but the source has given out keys up to {mark}:"
            " links and logs that name an old row would find a new one.",
            f"ALTER TABLE {table} AUTO_INCREMENT = {mark + 1}",
        )


def _is_plain(constraint: models.UniqueConstraint) -> bool:
    """Whether a constraint covers every row and its columns as they are, so that MySQL has it."""
    included = getattr(constraint, "include", ())
    special = (constraint.condition, constraint.deferrable, included)
    return bool(constraint.fields) and not any(special) and constraint.nulls_distinct is not False


def _example(key: tuple[Any, ...], value: Any) -> Example:
    return Example(_shown(key), shown(value))


def _shown(values: tuple[Any, ...]) -> Any:
    return shown(values[0]) if len(values) == 1 else [shown(value) for value in values]
