"""Foreign keys that the server did not check because they were off, checked with its own joins.

The constraints are those that the tables really have, not those that the models wish for:
a reference without one may point at nothing on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.fields import key_fields
from fixturepipe.databases.threads import connected_threads
from fixturepipe.errors import LoadError

# Rows of one constraint in the message.
_NAMED = 20


@dataclass(frozen=True)
class Constraint:
    """A foreign key of a table: `column` points at `to` of table `remote`."""

    table: str
    column: str
    remote: str
    to: str


@dataclass(frozen=True)
class DanglingRow:
    """A row whose reference points at nothing. `key` is its primary key, as the database has it."""

    constraint: Constraint
    key: tuple[Any, ...]
    value: Any

    def __str__(self) -> str:
        c = self.constraint
        key = self.key[0] if len(self.key) == 1 else self.key
        return f"{c.table} {key}: {c.column} is {self.value}, which is not in {c.remote}.{c.to}"


def constraints_of(connection: BaseDatabaseWrapper, table: str) -> list[Constraint]:
    """The foreign keys that a table has in this database."""
    with connection.cursor() as cursor:
        relations = connection.introspection.get_relations(cursor, table)
    return [Constraint(table, column, to[1], to[0]) for column, to in relations.items()]


def dangling_rows(
    connection: BaseDatabaseWrapper,
    model: type[models.Model],
    constraints: Sequence[Constraint],
    limit: int | None = None,
) -> Iterator[DanglingRow]:
    """The rows of the model's whole table that point at nothing."""
    quote = connection.ops.quote_name
    keys = [f"child.{quote(field.column or '')}" for field in key_fields(model)]
    for each in constraints:
        column = f"child.{quote(each.column)}"
        sql = (
            f"SELECT {column}, {', '.join(keys)} FROM {quote(each.table)} child"
            f" LEFT JOIN {quote(each.remote)} parent ON {column} = parent.{quote(each.to)}"
            f" WHERE {column} IS NOT NULL AND parent.{quote(each.to)} IS NULL"
        )
        if limit is not None:
            sql += f" LIMIT {limit}"
        with connection.cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall()
        for value, *key in rows:
            yield DanglingRow(each, tuple(key), value)


def require_no_dangling_rows(
    alias: str, covered: Iterable[type[models.Model]], connections: int = 1
) -> None:
    """Check whole tables, automatic many-to-many tables too. Raises LoadError with the rows.

    More than one of `connections` are new ones, which see what is committed.
    """

    def described(model: type[models.Model]) -> list[str]:
        connection = connection_to(alias)
        constraints = constraints_of(connection, model._meta.db_table)
        return list(map(str, dangling_rows(connection, model, constraints, _NAMED)))

    if connections == 1:
        bad = [each for model in covered for each in described(model)]
    else:
        with connected_threads(connections) as pool:
            bad = [each for found in pool.map(described, covered) for each in found]
    if bad:
        raise LoadError(
            "\n".join(["Rows of the target refer to rows that do not exist:", *bad]),
            hint="Correct or delete these rows; then check again with `fixturepipe load`.",
        )
