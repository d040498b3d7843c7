"""What `check` asks the target: the types of its columns, its limits, its verdict on a value.

If there is no target, or it has no tables, the types are those that Django would give its columns,
and questions that only a server can answer stay open.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import DatabaseError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.mysql.base import DatabaseWrapper as MySQLWrapper

from fixturepipe.check.columntest import Limits
from fixturepipe.check.columntrial import KNOWN, ColumnTrial, is_unusual
from fixturepipe.databases.catalog import Catalog, ColumnFacts
from fixturepipe.databases.endpoints import TARGET, connection_to
from fixturepipe.databases.expressions import UniqueExpressions
from fixturepipe.databases.fields import Field, root_field
from fixturepipe.databases.mysql import max_allowed_packet, round_trip
from fixturepipe.databases.packets import insert_rows, outcomes, results
from fixturepipe.databases.tablenames import table_name

_BATCH = 200
_TRIAL = "fixturepipe_trial"
# A server compares only the first kilobyte of a TEXT where it sorts, so it gets a VARCHAR; this is
# the longest of which a row takes a few.
_LONGEST = 3_500
_QUESTIONS = {"JSONField": "JSON_VALID(%s)", "UUIDField": "CAST(%s AS uuid) IS NOT NULL"}


def _batches(values: Sequence[Any], length: int) -> Iterator[list[Any]]:
    """The values in batches for one statement each, of about `length` characters at most."""
    batch: list[Any] = []
    taken = 0
    for value in values:
        taken += len(str(value))
        if batch and (taken > length or len(batch) == _BATCH):
            yield batch
            batch, taken = [], len(str(value))
        batch.append(value)
    if batch:
        yield batch


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

    @property
    def takes_every_character(self) -> bool:
        """Whether the column takes any text (if not, FP309 names its table)."""
        return self.collation.startswith("utf8mb4_")


@dataclass(frozen=True)
class ServerFacts:
    """A server's settings, as far as they matter here.

    `sql_modes` are those of new sessions, `buffer_pool` is in bytes, `collation` that of new
    tables. `account` is a name and a host, `grants` are the lines of SHOW GRANTS.
    """

    sql_modes: str
    buffer_pool: int
    collation: str
    database: str
    account: str
    grants: tuple[str, ...]


class TargetServer:
    """The database that the rows will go to; `connection` is None if there is none yet."""

    def __init__(self, connection: BaseDatabaseWrapper | None) -> None:
        self.connection = connection
        is_mysql = connection is not None and connection.vendor == "mysql"
        self._server = connection if is_mysql else None
        self.is_mariadb = bool(getattr(self._server, "mysql_is_mariadb", False))

    @classmethod
    def registered(cls) -> TargetServer:
        """The target under the alias TARGET, or none if that alias is not registered."""
        return cls(connection_to(TARGET) if TARGET in connections.settings else None)

    @property
    def is_server(self) -> bool:
        """Whether there is a MySQL or MariaDB to ask."""
        return self._server is not None

    @property
    def distance(self) -> float:
        """How many seconds a round trip to the server takes; 0 without one."""
        return 0.0 if self._server is None else round_trip(self._server)

    @cached_property
    def limits(self) -> Limits:
        """What the server takes; without a server, the defaults of MySQL and MariaDB."""
        if self._server is None:
            return Limits()
        return Limits(
            packet=max_allowed_packet(self._server),
            json_doubles=not self.is_mariadb,
            native_uuid=bool(self._server.features.has_native_uuid_field),
        )

    def zones(self, source: BaseDatabaseWrapper) -> tuple[datetime.tzinfo, datetime.tzinfo] | None:
        """The time zones of both connections (TIME_ZONE in DATABASES); None if they are the same
        or USE_TZ is off.
        """
        if self.connection is None:
            return None
        ours, theirs = source.timezone, self.connection.timezone
        return None if ours is None or theirs is None or ours == theirs else (ours, theirs)

    @cached_property
    def facts(self) -> ServerFacts:
        """What the server says of itself. Requires a server."""
        assert self._server is not None
        named, grants = results(
            self._server,
            [
                "SELECT @@GLOBAL.sql_mode, @@GLOBAL.innodb_buffer_pool_size,"
                " @@collation_database, DATABASE(), CURRENT_USER()",
                "SHOW GRANTS",
            ],
        )
        modes, pool, collation, database, user = named[0]
        return ServerFacts(
            str(modes),
            int(pool),
            str(collation),
            str(database),
            str(user),
            tuple(str(row[0]) for row in grants),
        )

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement; none without a server."""
        if self._server is None:
            return []
        with self._server.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    def run(self, *statements: str) -> None:
        """Run statements that give no rows, in one round trip. Raises DatabaseError."""
        if self._server is not None:
            results(self._server, statements)

    @cached_property
    def catalog(self) -> Catalog:
        """The target's tables. Requires a server."""
        assert self._server is not None
        return Catalog(self._server)

    def enforces(self, model: type[models.Model], constraint: models.CheckConstraint) -> bool:
        """Whether the target has the constraint, or will have it once it is migrated."""
        if self._server is None or not self.has_tables:
            return True
        table = table_name(model, self._server).lower()
        return (table, constraint.name.lower()) in self.catalog.enforced_checks

    def keeps_unique(self, expressions: UniqueExpressions) -> bool:
        """Whether the target has the index, or will have it once it is migrated."""
        if self._server is None or not self._server.features.supports_expression_indexes:
            return False
        table = table_name(expressions.model, self._server).lower()
        indexes = self.catalog.unique_indexes.get(table, ())
        named = any(index.name.lower() == expressions.name.lower() for index in indexes)
        return named or not self.has_tables

    @cached_property
    def may_make_temporary_tables(self) -> bool:
        """Whether the user may: SHOW GRANTS does not show what roles allow."""
        if self._server is None:
            return False
        trial = f"CREATE TEMPORARY TABLE {_TRIAL} (trial INTEGER PRIMARY KEY)"
        made, _ = outcomes(self._server, [trial, f"DROP TEMPORARY TABLE IF EXISTS {_TRIAL}"])
        return isinstance(made, list)

    @property
    def has_tables(self) -> bool:
        """Whether the target has been migrated; other tables do not count."""
        return self._server is not None and "django_migrations" in self.catalog.columns

    def charsets(self, table: str, without: Container[str] = ()) -> set[str]:
        """The character sets of a table's text, some columns left out."""
        columns = self.catalog.columns[table.lower()]
        collations = {facts.collation for name, facts in columns.items() if name not in without}
        return {collation.partition("_")[0] for collation in collations if collation}

    @property
    def default_collation(self) -> str:
        """The collation that a new table's text columns get."""
        return self.facts.collation

    def column_type(self, field: Field) -> str | None:
        """The column's type, or the one that Django would give it; None if it has none."""
        if self.connection is not None:
            there = self._facts(field)
            return there.type if there is not None else field.db_type(self.connection)
        root = root_field(field)
        # A property of the instance since Django 5.0.
        types: dict[str, str] = getattr(MySQLWrapper, "_data_types", MySQLWrapper.data_types)
        pattern = types.get(root.get_internal_type())
        return None if pattern is None else pattern % vars(root)

    def text_column(self, field: Field) -> TextColumn | None:
        """How the field's text compares in the target; None for what is not text.

        A TEXT column can be unique on MariaDB only.
        """
        kinds = r"(?:var)?char\((\d+)\)|\w*text$" if self.is_mariadb else r"(?:var)?char\((\d+)\)"
        written = re.match(kinds, self.column_type(field) or "")
        is_other = root_field(field).get_internal_type() in _QUESTIONS
        if self._server is None or written is None or is_other:
            return None
        there = self._facts(field)
        asked = getattr(root_field(field), "db_collation", None) or self.default_collation
        collation = there.collation if there is not None and there.collation else asked
        return TextColumn(int(written[1] or _LONGEST), collation)

    def is_unusual(self, field: Field) -> bool:
        """Whether the field's column has a type whose values only the server can judge."""
        if self._server is None or not self.may_make_temporary_tables:
            return False
        kind = self.column_type(field)
        return kind is not None and is_unusual(field, kind, self._server)

    def trial(self, field: Field, source: BaseDatabaseWrapper) -> ColumnTrial:
        """The trial of an unusual column's values. Requires a server."""
        assert self._server is not None
        there, kind = self._facts(field), str(field.db_type(self._server))
        # MariaDB calls its json a longtext, and no server names a column's character set there.
        if there is not None and not KNOWN.fullmatch(there.type):
            kind = there.type
            if there.collation:
                charset = there.collation.partition("_")[0]
                kind = f"{kind} CHARACTER SET {charset} COLLATE {there.collation}"
        return ColumnTrial(field, kind, source, self._server)

    def _facts(self, field: Field) -> ColumnFacts | None:
        if self._server is None:
            return None
        columns = self.catalog.columns.get(table_name(field.model, self._server).lower(), {})
        return columns.get(field.column.lower())

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows into a (temporary) table."""
        if self._server is not None and rows:
            values = ", ".join(["%s"] * len(rows[0]))
            insert_rows(self._server, f"INSERT INTO {table} VALUES ({values})", rows)

    def takes(self, field: Field, values: Sequence[Any]) -> list[bool]:
        """Whether the server takes each value; True where it has no function to ask."""
        kind = root_field(field).get_internal_type()
        question = _QUESTIONS.get(kind)
        if self._server is None or question is None:
            return [True] * len(values)
        if kind == "UUIDField":
            values = [uuid.UUID(str(value)).hex for value in values]
        return [
            taken
            for batch in _batches(values, self.limits.packet // 4)
            for taken in self._asked(question, batch)
        ]

    def _asked(self, question: str, values: Sequence[Any]) -> list[bool]:
        try:
            (row,) = self.query(f"SELECT {', '.join([question] * len(values))}", values)
        except DatabaseError:
            # MySQL raises for JSON that is too deep, which says nothing of the other values.
            if len(values) == 1:
                return [False]
            return [self._asked(question, [value])[0] for value in values]
        return [bool(taken) for taken in row]
