"""What `check` asks the target: the types of its columns, its limits, its verdict on a value.

If there is no target, or it has no tables, the types are those that Django would give its columns,
and questions that only a server can answer stay open.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.mysql.base import DatabaseWrapper as MySQLWrapper

from fixturepipe.check.columntest import Limits
from fixturepipe.check.columntrial import KNOWN, ColumnTrial, is_unusual
from fixturepipe.databases.catalog import Catalog, ColumnFacts
from fixturepipe.databases.endpoints import TARGET, connection_to
from fixturepipe.databases.expressions import UniqueExpressions
from fixturepipe.databases.fields import Field, Model, key_fields, root_field, stored_fields
from fixturepipe.databases.integrity import unique_sets
from fixturepipe.databases.migrations import RECORDED, MigrationKey
from fixturepipe.databases.mysql import round_trip
from fixturepipe.databases.packets import Rows, in_batches, outcomes
from fixturepipe.databases.queries import rows_of
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tablesql import CreateTable, parse_create, statements_if_writable

_BATCH = 200
# What the server says of itself, by the field of `ServerFacts` that has it. The session's variables
# have the database's defaults as they were when it began.
_SETTINGS = {
    "packet": "@@max_allowed_packet",
    "sql_modes": "@@GLOBAL.sql_mode",
    "buffer_pool": "@@GLOBAL.innodb_buffer_pool_size",
    "engine": "@@GLOBAL.default_storage_engine",
    "read_only": "CONCAT(@@GLOBAL.read_only /*!80000 , @@GLOBAL.super_read_only */)",
    "charset": "COALESCE(MIN(DEFAULT_CHARACTER_SET_NAME), @@character_set_database)",
    "collation": "COALESCE(MIN(DEFAULT_COLLATION_NAME), @@collation_database)",
    "database": "DATABASE()",
    "account": "CURRENT_USER()",
    "has_time_zone": "CONVERT_TZ('2000-01-01 00:00:00', 'UTC', '{zone}') IS NOT NULL",
    "connections": "@@max_user_connections",
}
_ASKED = (
    f"SELECT {', '.join(_SETTINGS.values())}"
    " FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()"
)
_GRANTS = "SHOW GRANTS"
_ACCOUNT = "SHOW CREATE USER CURRENT_USER()"
_LIMIT = re.compile(r"\b(MAX_\w+_PER_HOUR) (\d+)")
# The trial has the collation of new tables.
_TRIAL = "CREATE TEMPORARY TABLE fixturepipe_trial (trial VARCHAR(1) PRIMARY KEY)"
_IGNORES_CASE = "SELECT trial = 'A' FROM fixturepipe_trial"
_TRIALS = (
    _TRIAL,
    "INSERT INTO fixturepipe_trial VALUES ('a')",
    _IGNORES_CASE,
    "DROP TEMPORARY TABLE IF EXISTS fixturepipe_trial",
)
# A server compares only the first kilobyte of a TEXT where it sorts, so it gets a VARCHAR; this is
# the longest of which a row takes a few.
_LONGEST = 3_500
# The conditions of CHECK constraints that belong to types of columns.
_OF_A_TYPE = re.compile(r"\(*(`[^`]+` >= 0|json_valid\(`[^`]+`\))\)*", re.IGNORECASE)
_QUESTIONS = {"JSONField": "JSON_VALID(%s)", "UUIDField": "CAST(%s AS uuid) IS NOT NULL"}


def _planned_table(model: Model, connection: BaseDatabaseWrapper) -> CreateTable | None:
    """The table that Django would make for a model, if it has CHECK constraints."""
    if not any(isinstance(each, models.CheckConstraint) for each in model._meta.constraints):
        return None
    statements = statements_if_writable(model, connection)
    return statements.create if statements is not None else None


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
    """What a server says of itself, as far as it matters here: all that check asks in any case.

    `packet` and `buffer_pool` are in bytes, `sql_modes` are those of new sessions, `engine`,
    `charset` and `collation` those of new tables. `read_only` is "0" or "OFF" if all users may
    write; a second digit, on MySQL, is about users with privileges. `account` is a name and a host,
    `grants` are the lines of SHOW GRANTS. `has_time_zone` says whether the server knows the
    project's, `ignores_case` whether new tables do, False where the user may not make temporary
    ones. `connections` is how many the account may have at once, 0 if there is no limit;
    `hourly_limits` are its others, by the names of CREATE USER. `table_refusal` is the error for a
    temporary table, None if the user may make some. `migrations` are those recorded, `catalog` has
    the answers for a Catalog.
    """

    packet: int
    sql_modes: str
    buffer_pool: int
    engine: str
    read_only: str
    charset: str
    collation: str
    database: str
    account: str
    has_time_zone: bool
    connections: int
    hourly_limits: dict[str, int]
    grants: tuple[str, ...]
    table_refusal: DatabaseError | None
    ignores_case: bool
    migrations: tuple[MigrationKey, ...]
    catalog: dict[str, Rows]


def _facts_of(server: BaseDatabaseWrapper) -> ServerFacts:
    """Ask a server, in one round trip if it refuses nothing. Raises DatabaseError."""
    zone = str(settings.TIME_ZONE).replace("'", "''")
    # The last ones are refused for want of privileges, or where there are no tables.
    optional = (*_TRIALS, _ACCOUNT, RECORDED)
    statements = (_ASKED.format(zone=zone), _GRANTS, *Catalog.QUESTIONS, *optional)
    found = outcomes(server, statements)
    answers = {s: rows for s, rows in zip(statements, found, strict=True) if isinstance(rows, list)}
    for outcome in found[: -len(optional)]:
        if isinstance(outcome, DatabaseError):
            raise outcome
    trial = found[statements.index(_TRIAL)]
    return ServerFacts(
        **dict(zip(_SETTINGS, answers[statements[0]][0], strict=True)),
        hourly_limits={n: int(v) for n, v in _LIMIT.findall(str(answers.get(_ACCOUNT, "")))},
        grants=tuple(str(row[0]) for row in answers[_GRANTS]),
        table_refusal=trial if isinstance(trial, DatabaseError) else None,
        ignores_case=answers.get(_IGNORES_CASE) == [(1,)],
        migrations=tuple((app, name) for app, name in answers.get(RECORDED, ())),
        catalog={question: answers[question] for question in Catalog.QUESTIONS},
    )


class TargetServer:
    """The database that the rows will go to; `connection` is None if there is none yet.

    `known` is what the server has said of itself before, to another process for one.
    """

    def __init__(
        self, connection: BaseDatabaseWrapper | None, known: ServerFacts | None = None
    ) -> None:
        self.connection = connection
        self._known = known
        is_mysql = connection is not None and connection.vendor == "mysql"
        self._server = connection if is_mysql else None
        self.is_mariadb = bool(getattr(self._server, "mysql_is_mariadb", False))

    @classmethod
    def registered(cls, known: ServerFacts | None = None) -> TargetServer:
        """The target under the alias TARGET, or none if that alias is not registered."""
        return cls(connection_to(TARGET) if TARGET in connections.settings else None, known)

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
            packet=self.facts.packet,
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
        return self._known or _facts_of(self._server)

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement; none without a server."""
        return [] if self._server is None else rows_of(self._server, statement, parameters)

    @cached_property
    def catalog(self) -> Catalog:
        """The target's tables. Requires a server."""
        assert self._server is not None
        return Catalog(self._server, self.facts.catalog)

    def enforces(self, model: Model, constraint: models.CheckConstraint) -> bool:
        """Whether the target has the constraint, or will have it once it is migrated."""
        if self._server is None or not self.has_tables:
            return True
        names = self.catalog.enforced_checks.get(table_name(model, self._server).lower(), ())
        return constraint.name.lower() in names

    def checks(self, model: Model) -> tuple[CreateTable, dict[str, str]] | None:
        """The model's table as the target has it, or will have it, and the definitions of its CHECK
        constraints by name; None if it has none, or the target cannot be asked about them.
        """
        if self._server is None or not self.may_make_temporary_tables:
            return None
        if not self.has_tables:
            table = _planned_table(model, self._server)
            return (table, table.checks()) if table is not None else None
        names = self._check_names(model)
        if not names:
            return None
        quoted = self._server.ops.quote_name(table_name(model, self._server))
        table = parse_create(str(self.query(f"SHOW CREATE TABLE {quoted}")[0][1]))
        if table is None:
            return None
        return table, {n: each for n, each in table.checks().items() if n.lower() in names}

    def _check_names(self, model: Model) -> set[str]:
        """The CHECK constraints of the target's table, without those of column types."""
        assert self._server is not None
        table = table_name(model, self._server).lower()
        conditions = self.catalog.enforced_checks.get(table, {})
        return {name for name, each in conditions.items() if not _OF_A_TYPE.fullmatch(each)}

    def has_more_constraints(self, model: Model) -> bool:
        """Whether the target's table has a CHECK or a unique index that the model does not have.

        Requires a server.
        """
        known = {constraint.name.lower() for constraint in model._meta.constraints}
        expected = len([*unique_sets(model), key_fields(model)])
        return bool(self._check_names(model) - known) or len(self.unique_sets(model)) > expected

    def unique_sets(self, model: Model) -> list[tuple[Field, ...]]:
        """The sets of columns that are unique in every row: the model's, its key, and those of
        further indexes that the target has.
        """
        sets = [*unique_sets(model), key_fields(model)]
        if self._server is None:
            return sets
        known = {frozenset(field.column.lower() for field in fields) for fields in sets}
        columns = {field.column.lower(): field for field in stored_fields(model)}
        for index in self.catalog.unique_indexes.get(table_name(model, self._server).lower(), ()):
            names = frozenset(name.lower() for name in index.columns)
            if index.whole and names <= columns.keys() and names not in known:
                known.add(names)
                sets.append(tuple(field for name, field in columns.items() if name in names))
        return sets

    def keeps_unique(self, expressions: UniqueExpressions) -> bool:
        """Whether the target has the index, or will have it once it is migrated."""
        if self._server is None or not self._server.features.supports_expression_indexes:
            return False
        table = table_name(expressions.model, self._server).lower()
        indexes = self.catalog.unique_indexes.get(table, ())
        named = any(index.name.lower() == expressions.name.lower() for index in indexes)
        return named or not self.has_tables

    @property
    def may_make_temporary_tables(self) -> bool:
        """Whether the user may: SHOW GRANTS does not show what roles allow."""
        return self._server is not None and self.facts.table_refusal is None

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
            for batch in in_batches(self._server, values, _BATCH)
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
