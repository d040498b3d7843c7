"""Migrations that will fail on an empty target, or hinder the load, as far as that is certain.

A project's migrations may hold SQL of SQLite's own, columns that no server has, or triggers that
fire on load, even where its models are fine. Nothing is executed: the server parses the SQL
(PREPARE), and takes types of columns that no model has any more in a temporary table.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.apps import apps
from django.db import DatabaseError, migrations, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from fixturepipe.check import refusals
from fixturepipe.databases.fields import Field
from fixturepipe.databases.migrations import (
    changes_only_rows,
    database_operations,
    sql_statements,
)
from fixturepipe.databases.packets import outcomes
from fixturepipe.databases.tablenames import table_name
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rules import RULES
from fixturepipe.wording import cut

Model = type[models.Model]

_TABLE = "fixturepipe_type"
# The server parses a statement before it looks for tables, which are not there yet.
_SYNTAX = 1064
_TRIGGER = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:DEFINER\s*=\s*\S+\s+)?TRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"`?(\w+)`?\s+(BEFORE|AFTER)\s+(INSERT|UPDATE)\s+ON\s+`?(\w+)`?",
    re.IGNORECASE,
)
_FOR_MYSQL = re.compile(r"vendor\s*==\s*['\"]mysql['\"]")


@dataclass(frozen=True)
class _Planned:
    """An operation that `migrate` will run, and its migration as app.name."""

    migration: str
    operation: Operation


class PlannedMigrations:
    """The migrations that an empty target will get; `alias` is bound to it."""

    def __init__(self, alias: str, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._planned = [p for p in _planned() if _is_allowed(alias, p)]

    def findings(self, covered: Sequence[Model]) -> Iterator[Finding]:
        """FP329 for what the server refuses, FP332 for triggers on tables that are loaded."""
        yield from self._refused_statements()
        yield from self._refused_types()
        yield from self._triggers(covered)

    def _refused_statements(self) -> Iterator[Finding]:
        for planned in self._planned:
            for statement in _statements(planned.operation, self._connection):
                error = self._refusal(statement)
                if error is not None and error.args[0] == _SYNTAX:
                    shown = cut(" ".join(statement.split()), 80)
                    yield _refused(planned, f"SQL, {shown}", error)
                    break

    def _refused_types(self) -> Iterator[Finding]:
        known = {
            self._type(field)
            for model in apps.get_models(include_auto_created=True)
            for field in model._meta.local_concrete_fields
        }
        new: dict[str, tuple[_Planned, str]] = {}
        for planned in self._planned:
            for name, field in _fields(planned.operation):
                kind = self._type(field)
                if kind is not None and kind not in known:
                    new.setdefault(kind, (planned, name))
        trials = [
            statement
            for kind in new
            for statement in (
                f"CREATE TEMPORARY TABLE {_TABLE} (k INTEGER PRIMARY KEY, c {kind})",
                f"DROP TEMPORARY TABLE IF EXISTS {_TABLE}",
            )
        ]
        verdicts = outcomes(self._connection, trials)[::2]
        for (kind, (planned, name)), verdict in zip(new.items(), verdicts, strict=True):
            if isinstance(verdict, DatabaseError):
                yield _refused(planned, f"the column {name} {kind}", verdict)

    def _triggers(self, covered: Sequence[Model]) -> Iterator[Finding]:
        labels = {table_name(m, self._connection).lower(): m._meta.label_lower for m in covered}
        for planned in self._planned:
            # Python code often has it twice, for two kinds of server.
            for name, timing, event, table in set(_TRIGGER.findall(_text(planned.operation))):
                if label := labels.get(table.lower()):
                    yield RULES["FP332"].finding(
                        label,
                        "",
                        migration=planned.migration,
                        name=name,
                        timing=timing.upper(),
                        event=event.upper(),
                    )

    def _refusal(self, statement: str) -> DatabaseError | None:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("PREPARE fixturepipe_statement FROM %s", [statement])
        except DatabaseError as error:
            return error
        return None

    def _type(self, field: Field) -> str | None:
        """The column's type; None if only the model or the field's own code knows it."""
        with suppress(Exception):
            if field.remote_field is None and not isinstance(field, models.AutoField):
                return field.db_type(self._connection)
        return None


def _planned() -> Iterator[_Planned]:
    graph = MigrationLoader(None, ignore_no_migrations=True).graph
    seen = set()
    for leaf in graph.leaf_nodes():
        for key in graph.forwards_plan(leaf):
            if key not in seen:
                seen.add(key)
                for operation in database_operations(graph.nodes[key].operations):
                    yield _Planned(".".join(key), operation)


def _is_allowed(alias: str, planned: _Planned) -> bool:
    """Whether the project's routers let the operation run there."""
    operation, app = planned.operation, planned.migration.partition(".")[0]
    name = getattr(operation, "model_name", None) or getattr(operation, "name", None)
    given = {"model_name": name.lower()} if isinstance(name, str) else {}
    return bool(router.allow_migrate(alias, app, **given | getattr(operation, "hints", {})))


def _statements(operation: Operation, connection: BaseDatabaseWrapper) -> list[str]:
    """The statements of a RunSQL that must not fail; a class made from it may not run them.

    `run` passes over an operation that fails if all of it is about rows.
    """
    if type(operation) is not migrations.RunSQL:
        return []
    statements = sql_statements(operation, connection)
    return [] if all(map(changes_only_rows, statements)) else statements


def _fields(operation: Operation) -> Iterator[tuple[str, Field]]:
    """The fields whose columns an operation makes."""
    if isinstance(operation, migrations.CreateModel):
        if operation.options.get("managed", True) and not operation.options.get("proxy"):
            yield from operation.fields
    elif isinstance(operation, migrations.AddField):
        yield operation.name, operation.field


def _text(operation: Operation) -> str:
    """The SQL of an operation, or its Python code if that is for MySQL."""
    if type(operation) is migrations.RunSQL:
        return str(operation.sql)
    if isinstance(operation, migrations.RunPython):
        with suppress(OSError, TypeError):
            code = inspect.getsource(operation.code)
            return code if _FOR_MYSQL.search(code) else ""
    return ""


def _refused(planned: _Planned, what: str, error: DatabaseError) -> Finding:
    described = refusals.described(error)
    return RULES["FP329"].finding(
        "",
        "",
        migration=planned.migration,
        operation=planned.operation.describe(),
        what=what,
        reason=described["reason"],
        number=described["number"],
    )
