"""Foreign keys that the server did not check because they were off, checked with its own joins.

The constraints are those that the tables really have, not those that the models wish for:
a reference without one may point at nothing on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.fields import key_fields
from fixturepipe.databases.packets import results
from fixturepipe.databases.queries import rows_of
from fixturepipe.databases.threads import connected_threads
from fixturepipe.errors import LoadError

# Rows of one constraint in the message.
_NAMED = 20
# So many constraints share a round trip where each connection has enough to do.
_TOGETHER = 6


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


ConstraintsByTable: TypeAlias = "Mapping[str, Sequence[Constraint]]"


def constraints_of(connection: BaseDatabaseWrapper) -> ConstraintsByTable:
    """The foreign keys of this database, by table in lower case.

    https://dev.mysql.com/doc/refman/9.4/en/information-schema-key-column-usage-table.html
    """
    found: dict[str, list[Constraint]] = {}
    for table, *rest in rows_of(
        connection,
        "SELECT TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME"
        " FROM information_schema.KEY_COLUMN_USAGE"
        " WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_SCHEMA = DATABASE()"
        " AND REFERENCED_COLUMN_NAME IS NOT NULL ORDER BY TABLE_NAME, COLUMN_NAME",
    ):
        found.setdefault(table.lower(), []).append(Constraint(table, *rest))
    return found


def dangling_rows(
    connection: BaseDatabaseWrapper,
    constraints: Sequence[tuple[type[models.Model], Constraint]],
    limit: int,
) -> Iterator[DanglingRow]:
    """The first rows of whole tables that refer to no row, for each constraint of a model."""
    quote = connection.ops.quote_name
    dangling = [
        f" FROM {quote(each.table)} child LEFT JOIN {quote(each.remote)} parent"
        f" ON child.{quote(each.column)} = parent.{quote(each.to)}"
        f" WHERE child.{quote(each.column)} IS NOT NULL AND parent.{quote(each.to)} IS NULL"
        for _, each in constraints
    ]
    exist = results(connection, [f"SELECT EXISTS (SELECT 1{rows})" for rows in dangling])
    for (model, each), rows, ((there_are,),) in zip(constraints, dangling, exist, strict=True):
        if there_are:
            keys = [f"child.{quote(field.column or '')}" for field in key_fields(model)]
            columns = ", ".join([f"child.{quote(each.column)}", *keys])
            (found,) = results(connection, [f"SELECT {columns}{rows} LIMIT {limit}"])
            yield from (DanglingRow(each, tuple(key), value) for value, *key in found)


def require_no_dangling_rows(
    alias: str, covered: Iterable[type[models.Model]], connections: int = 1
) -> None:
    """Check whole tables, automatic many-to-many tables too. Raises LoadError with the rows.

    More than one of `connections` are new ones, which see what is committed.
    """

    def described(some: Sequence[tuple[type[models.Model], Constraint]]) -> list[str]:
        return list(map(str, dangling_rows(connection_to(alias), some, _NAMED)))

    def constraints() -> list[tuple[type[models.Model], Constraint]]:
        found = constraints_of(connection_to(alias))
        return [(m, each) for m in covered for each in found.get(m._meta.db_table.lower(), ())]

    if connections == 1:
        bad = described(constraints())
    else:
        with connected_threads(connections, alias) as pool:
            every = constraints()
            count = max(connections, len(every) // _TOGETHER)
            # Large tables are often neighbours.
            parts = [every[number::count] for number in range(count)]
            bad = sorted(each for found in pool.map(described, parts) for each in found)
    if bad:
        raise LoadError(
            "\n".join(["Rows of the target refer to rows that do not exist:", *bad]),
            hint="Correct or delete these rows; then check again with `fixturepipe load`.",
        )
