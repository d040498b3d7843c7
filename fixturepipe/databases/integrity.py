"""Integrity of whole tables: rows that are orphans, values that should be unique and are not.

Each check is one statement for the database; automatic many-to-many tables are checked like any
other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.catalog import Catalog
from fixturepipe.databases.fields import Field, Model, key_fields
from fixturepipe.databases.packets import results
from fixturepipe.databases.queries import each_row, rows_of
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tables import Row
from fixturepipe.databases.values import shown_row
from fixturepipe.findings.finding import EXAMPLES, Example

ForeignKey: TypeAlias = "models.ForeignKey[Any, Any]"


def constrained_keys(model: Model) -> list[ForeignKey]:
    """The foreign keys whose values must exist: all but those with `db_constraint=False`."""
    return [
        field
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.ForeignKey) and getattr(field, "db_constraint", True)
    ]


def orphans(
    fields: Sequence[ForeignKey], connection: BaseDatabaseWrapper
) -> Iterator[tuple[ForeignKey, int, list[Example]]]:
    """The foreign keys by which rows are orphans, how many, and the first of them."""
    statements = [f"SELECT COUNT(*) {_from_orphans(field, connection)}" for field in fields]
    for field, ((count,),) in zip(fields, results(connection, statements), strict=True):
        if count:
            yield field, int(count), list(islice(orphan_examples(field, connection), EXAMPLES))


def orphan_examples(field: ForeignKey, connection: BaseDatabaseWrapper) -> Iterator[Example]:
    """The orphans, each with its dangling reference, in the order of their keys."""
    for row in each_row(connection, _select_orphans(field, connection)):
        yield example_of(row, len(row) - 1)


def orphan_rows(
    field: ForeignKey,
    connection: BaseDatabaseWrapper,
    among: Sequence[Any] = (),
    limit: int | None = None,
) -> list[Row]:
    """The raw keys of the orphans, each followed by its dangling reference.

    Only those of which the reference is one of `among`, if that is given.
    """
    return rows_of(connection, _select_orphans(field, connection, among, limit), among)


def _select_orphans(
    field: ForeignKey,
    connection: BaseDatabaseWrapper,
    among: Sequence[Any] = (),
    limit: int | None = None,
) -> str:
    quote = connection.ops.quote_name
    key = ", ".join(f"a.{quote(part.column)}" for part in key_fields(field.model))
    rest = _from_orphans(field, connection)
    if among:
        rest += f" AND a.{quote(field.column)} IN ({', '.join(['%s'] * len(among))})"
    most = f" LIMIT {limit}" if limit is not None else ""
    return f"SELECT {key}, a.{quote(field.column)} {rest} ORDER BY {key}{most}"


def _from_orphans(field: ForeignKey, connection: BaseDatabaseWrapper) -> str:
    table, remote = (table_name(m, connection) for m in (field.model, field.remote_field.model))
    return from_orphans(connection, table, field.column, remote, field.target_field.column)


def from_orphans(
    connection: BaseDatabaseWrapper, table: str, column: str, remote: str, to: str
) -> str:
    """FROM and WHERE of the rows `a` of a table whose `column` is in no row's column `to`."""
    names = map(connection.ops.quote_name, (table, column, remote, to))
    table, column, remote, to = names
    return (
        f"FROM {table} a LEFT JOIN {remote} b ON a.{column} = b.{to}"
        f" WHERE a.{column} IS NOT NULL AND b.{to} IS NULL"
    )


def unique_sets(model: Model) -> Iterator[tuple[Field, ...]]:
    """The sets of columns that are unique in every row, the primary key excepted."""
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
        # One query for all tables: Django's introspection takes two for each.
        self._catalog = Catalog(connection) if connection.vendor == "mysql" else None

    def of(self, model: Model) -> set[frozenset[str]]:
        """The sets of column names of a model's table."""
        table = table_name(model, self._connection)
        if self._catalog is not None:
            indexes = self._catalog.unique_indexes.get(table.lower(), ())
            return {index.columns for index in indexes if index.whole}
        if self._connection.vendor == "sqlite":
            return _unique_indexes_of(table, self._connection)
        with self._connection.cursor() as cursor:
            constraints = self._connection.introspection.get_constraints(cursor, table)
        return {frozenset(each["columns"]) for each in constraints.values() if each["unique"]}


def _unique_indexes_of(table: str, connection: BaseDatabaseWrapper) -> set[frozenset[str]]:
    """The unique indexes of one table of SQLite, partial ones left out, and its key.

    By pragma (https://www.sqlite.org/pragma.html#pragma_index_list): Django also parses the
    table's SQL, which takes longer than a check of a small table.
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
    """How many values (or sets of values) occur more than once, and the first of them.

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
    return int(count), [Example(f"{row[-1]} rows", shown_row(row[:-1])) for row in rows]


def _is_plain(constraint: models.UniqueConstraint) -> bool:
    """Whether a constraint covers every row, by plain columns, so that MySQL creates it."""
    included = getattr(constraint, "include", ())
    special = (constraint.condition, constraint.deferrable, included)
    # NULLs that count as equal came with Django 5.0.
    nulls_equal = getattr(constraint, "nulls_distinct", None) is False
    return bool(constraint.fields) and not any(special) and not nulls_equal


def example_of(row: Sequence[Any], width: int) -> Example:
    """A row as a finding names it: its first `width` values are its key."""
    return Example(shown_row(row[:width]), shown_row(row[width:]))
