"""The tables of a MySQL or MariaDB database, as its information_schema describes them.

https://dev.mysql.com/doc/refman/9.4/en/information-schema.html, with which MariaDB agrees in all
columns that are read here. Names of tables and columns are keys in lower case: whether case counts
depends on the server (lower_case_table_names).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.queries import rows_of


@dataclass(frozen=True)
class ColumnFacts:
    """A column; `collation` is empty for what is not text."""

    name: str
    type: str
    null: bool
    has_default: bool
    collation: str

    @property
    def may_be_left_out(self) -> bool:
        """Whether a row can be inserted without it."""
        return self.null or self.has_default


@dataclass(frozen=True)
class TableFacts:
    """A table; `transactional` says whether its engine has transactions."""

    name: str
    engine: str
    row_format: str
    transactional: bool


@dataclass(frozen=True)
class UniqueIndex:
    """A unique index, the primary key included.

    `whole` says that it covers entire columns: an index may also cover the first characters of a
    column, or an expression, and then keeps something else unique.
    """

    name: str
    columns: frozenset[str]
    whole: bool


@dataclass(frozen=True)
class Constraint:
    """A foreign key: `column` of `table` refers to `to` of `remote`."""

    table: str
    column: str
    remote: str
    to: str


@dataclass(frozen=True)
class Trigger:
    """A trigger: `event` is INSERT, UPDATE or DELETE, `timing` BEFORE or AFTER."""

    name: str
    event: str
    timing: str
    table: str


_COLUMNS = (
    "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA,"
    " COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
)
_TABLES = (
    "SELECT t.TABLE_NAME, t.ENGINE, t.ROW_FORMAT, e.TRANSACTIONS FROM information_schema.TABLES t"
    " LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE"
    " WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE'"
)
# MariaDB enforces every constraint; its names are unique in a table, those of MySQL in a database.
_CHECKS = (
    "SELECT t.TABLE_NAME, t.CONSTRAINT_NAME, c.CHECK_CLAUSE"
    " FROM information_schema.TABLE_CONSTRAINTS t JOIN information_schema.CHECK_CONSTRAINTS c"
    " ON c.CONSTRAINT_SCHEMA = t.CONSTRAINT_SCHEMA AND c.CONSTRAINT_NAME = t.CONSTRAINT_NAME"
    " /*!80016 AND t.ENFORCED = 'YES' */ /*M! AND c.TABLE_NAME = t.TABLE_NAME */"
    " WHERE t.TABLE_SCHEMA = DATABASE() AND t.CONSTRAINT_TYPE = 'CHECK'"
)
_UNIQUE_INDEXES = (
    "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART"
    " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0"
)
_FOREIGN_KEYS = (
    "SELECT TABLE_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME"
    " FROM information_schema.KEY_COLUMN_USAGE"
    " WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_SCHEMA = DATABASE()"
    " AND REFERENCED_COLUMN_NAME IS NOT NULL ORDER BY TABLE_NAME, COLUMN_NAME"
)
_TRIGGERS = (
    "SELECT TRIGGER_NAME, EVENT_MANIPULATION, ACTION_TIMING, EVENT_OBJECT_TABLE"
    " FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
    " ORDER BY EVENT_OBJECT_TABLE, TRIGGER_NAME"
)


class Catalog:
    """The tables of one database. Each question is asked once, when its answer is first needed.

    `answers` are the rows of those of `QUESTIONS`, a part of them, that have been asked before.
    """

    QUESTIONS = (_COLUMNS, _TABLES, _CHECKS, _UNIQUE_INDEXES, _TRIGGERS)

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        answers: Mapping[str, Sequence[tuple[Any, ...]]] = MappingProxyType({}),
    ) -> None:
        self._connection = connection
        self._answers = answers

    @cached_property
    def columns(self) -> dict[str, dict[str, ColumnFacts]]:
        """The columns of every table and view, by table and column."""
        found: dict[str, dict[str, ColumnFacts]] = {}
        for table, column, kind, nullable, default, extra, collation in self._query(_COLUMNS):
            has_default = default is not None or bool(extra)
            facts = ColumnFacts(column, str(kind), nullable == "YES", has_default, collation or "")
            found.setdefault(table.lower(), {})[column.lower()] = facts
        return found

    @cached_property
    def tables(self) -> dict[str, TableFacts]:
        """The tables, without views."""
        return {
            name.lower(): TableFacts(name, str(engine), str(row_format), transactions == "YES")
            for name, engine, row_format, transactions in self._query(_TABLES)
        }

    @cached_property
    def enforced_checks(self) -> dict[str, dict[str, str]]:
        """The conditions of the CHECK constraints that are enforced, by table and name, both in
        lower case.
        """
        found: dict[str, dict[str, str]] = {}
        for table, name, clause in self._query(_CHECKS):
            found.setdefault(table.lower(), {})[name.lower()] = str(clause)
        return found

    @cached_property
    def unique_indexes(self) -> dict[str, list[UniqueIndex]]:
        """The unique indexes of each table."""
        parts: dict[tuple[str, str], list[tuple[str | None, int | None]]] = {}
        for table, index, column, length in self._query(_UNIQUE_INDEXES):
            parts.setdefault((table, index), []).append((column, length))
        found: dict[str, list[UniqueIndex]] = {}
        for (table, index), each in parts.items():
            columns = frozenset(column for column, _ in each if column is not None)
            whole = all(column is not None and not length for column, length in each)
            found.setdefault(table.lower(), []).append(UniqueIndex(index, columns, whole))
        return found

    @cached_property
    def foreign_keys(self) -> dict[str, list[Constraint]]:
        """The foreign keys of each table within this database."""
        found: dict[str, list[Constraint]] = {}
        for row in self._query(_FOREIGN_KEYS):
            found.setdefault(row[0].lower(), []).append(Constraint(*row))
        return found

    @cached_property
    def triggers(self) -> list[Trigger]:
        """The triggers, by their tables and names."""
        return [Trigger(*row) for row in self._query(_TRIGGERS)]

    def _query(self, statement: str) -> Sequence[tuple[Any, ...]]:
        if statement in self._answers:
            return self._answers[statement]
        return rows_of(self._connection, statement)
