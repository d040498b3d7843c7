"""What `check` asks the target: the types of its columns, its limits, its verdict on a value.

The target may be missing, or be a database without tables: then the types are those that
Django would give them there, and questions that only a server can answer stay open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.mysql.base import DatabaseWrapper as MySQLWrapper

from fixturepipe.databases.checks.values import Limits
from fixturepipe.databases.ends import table_name
from fixturepipe.databases.tables import Field, root_field

_BATCH = 200
_QUESTIONS = {"JSONField": "JSON_VALID(%s)", "UUIDField": "CAST(%s AS uuid) IS NOT NULL"}


@dataclass(frozen=True)
class TextColumn:
    """A text column of the target: its length in characters and how it compares."""

    length: int
    collation: str

    @property
    def definition(self) -> str:
        """The column's type as CREATE TABLE takes it."""
        charset = self.collation.partition("_")[0]
        return f"VARCHAR({self.length}) CHARACTER SET {charset} COLLATE {self.collation}"


class Target:
    """The database that rows will go to; `connection` is None where there is none yet."""

    def __init__(self, connection: BaseDatabaseWrapper | None) -> None:
        self.connection = connection
        is_mysql = connection is not None and connection.vendor == "mysql"
        self._server = connection if is_mysql else None
        self.is_mariadb = bool(getattr(self._server, "mysql_is_mariadb", False))

    @cached_property
    def limits(self) -> Limits:
        """What the server takes; the defaults of MySQL and MariaDB where there is none."""
        if self._server is None:
            return Limits()
        return Limits(
            packet=int(self.variable("max_allowed_packet")),
            json_doubles=not self.is_mariadb,
            native_uuid=bool(self._server.features.has_native_uuid_field),
        )

    def variable(self, name: str) -> str:
        """A global variable of the server, as text; empty where it does not know it."""
        rows = self.query("SHOW VARIABLES LIKE %s", [name])
        return str(rows[0][1]) if rows else ""

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement. Without a server: none."""
        if self._server is None:
            return []
        with self._server.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    @cached_property
    def column_types(self) -> dict[tuple[str, str], str]:
        """The types of all columns that are there, by table and column."""
        return {
            (table, column): str(kind)
            for table, column, kind in self.query(
                "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS"
                " WHERE TABLE_SCHEMA = DATABASE()"
            )
        }

    @cached_property
    def has_tables(self) -> bool:
        """Whether any table is there."""
        return bool(self.column_types) if self._server is not None else False

    def column_type(self, field: Field) -> str | None:
        """The column's type, or the one that Django would give it; None where it has none."""
        if self.connection is not None:
            there = self.column_types.get((table_name(field.model, self.connection), field.column))
            return there or field.db_type(self.connection)
        root = root_field(field)
        types: dict[str, str] = MySQLWrapper._data_types  # type: ignore[attr-defined]
        pattern = types.get(root.get_internal_type())
        return None if pattern is None else pattern % vars(root)

    @cached_property
    def collations(self) -> dict[tuple[str, str], str]:
        """The collations of all text columns that are there, by table and column."""
        return {
            (table, column): str(collation)
            for table, column, collation in self.query(
                "SELECT TABLE_NAME, COLUMN_NAME, COLLATION_NAME FROM information_schema.COLUMNS"
                " WHERE TABLE_SCHEMA = DATABASE() AND COLLATION_NAME IS NOT NULL"
            )
        }

    @cached_property
    def default_collation(self) -> str:
        """The collation that a new table's text columns get."""
        return str(self.query("SELECT @@collation_database")[0][0])

    def text_column(self, field: Field) -> TextColumn | None:
        """How the field's text compares in the target; None for what is not text."""
        written = re.match(r"(?:var)?char\((\d+)\)", self.column_type(field) or "")
        is_uuid = root_field(field).get_internal_type() == "UUIDField"
        if self._server is None or written is None or is_uuid:
            return None
        place = (table_name(field.model, self._server), field.column)
        given = getattr(root_field(field), "db_collation", None)
        collation = self.collations.get(place) or given or self.default_collation
        return TextColumn(int(written[1]), collation)

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Put rows into a (temporary) table."""
        if self._server is not None and rows:
            places = ", ".join(["%s"] * len(rows[0]))
            with self._server.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({places})", rows)

    def takes(self, field: Field, values: Sequence[Any]) -> list[bool]:
        """The server's verdict on each value; True where it has none to give."""
        question = _QUESTIONS.get(root_field(field).get_internal_type())
        if self._server is None or question is None:
            return [True] * len(values)
        return [
            taken
            for start in range(0, len(values), _BATCH)
            for taken in self._asked(question, values[start : start + _BATCH])
        ]

    def _asked(self, question: str, values: Sequence[Any]) -> list[bool]:
        try:
            (row,) = self.query(f"SELECT {', '.join([question] * len(values))}", values)
        except DatabaseError:
            # MySQL raises for what it finds too deep, so each must be asked on its own.
            if len(values) == 1:
                return [False]
            return [self._asked(question, [value])[0] for value in values]
        return [bool(taken) for taken in row]
