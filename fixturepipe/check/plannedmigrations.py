"""Migrations that will fail on an empty target, or hinder the load, as far as that is certain.

A project's migrations may hold SQL of SQLite's own, columns that no server has, or triggers that
fire on load, even where its models are fine. Nothing is executed: the server parses the SQL
(PREPARE), and takes columns and indexes that no model has any more in a temporary table.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import DatabaseError, Error, migrations, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from fixturepipe.check import refusals
from fixturepipe.check.plannedtables import Shape, Shapes
from fixturepipe.check.pythonsql import schema_statements
from fixturepipe.databases.fields import Field, Model
from fixturepipe.databases.leftout import does_nothing
from fixturepipe.databases.migrations import changes_only_rows, database_operations, sql_statements
from fixturepipe.databases.packets import outcomes
from fixturepipe.databases.queries import executed
from fixturepipe.databases.tablenames import table_name
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.schemafixes import is_refusal
from fixturepipe.wording import cut

# The server parses a statement before it looks for tables, which are not there yet.
_SYNTAX = 1064
_TRIGGER = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:DEFINER\s*=\s*\S+\s+)?TRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"`?(\w+)`?\s+(BEFORE|AFTER)\s+(INSERT|UPDATE)\s+ON\s+`?(\w+)`?",
    re.IGNORECASE,
)
# What a schema editor does, or a statement of which it makes the first word.
_CHANGES = (
    r"\b{editor}\.(?:(?:create|delete|add|alter|remove|rename)_\w+\("
    r"|execute\(\s*[a-z]?['\"]+\s*(?:CREATE|ALTER|DROP|RENAME)\b)"
)
_KEYS = {"INDEX": "index", "UNIQUE": "unique index", "PRIMARY KEY": "primary key"}
_FOR_MYSQL = re.compile(r"vendor\s*==\s*['\"]mysql['\"]")


@dataclass(frozen=True)
class _Planned:
    """An operation that `migrate` will run, its migration as app.name, and the fields of the
    operation's model after it. `atomic` says whether it runs in a transaction.
    """

    migration: str
    operation: Operation
    fields: Mapping[str, Field]
    atomic: bool


class PlannedMigrations:
    """The migrations that an empty target will get; `alias` is bound to it."""

    def __init__(self, alias: str, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._planned = [
            planned
            for planned in _planned()
            if _is_allowed(alias, planned) and not does_nothing(planned.operation, connection)
        ]

    def findings(self, covered: Sequence[Model]) -> Iterator[Finding]:
        """FP329 for what the server refuses, FP332 for triggers on tables that are loaded."""
        yield from self._refused_statements()
        yield from self._refused_shapes()
        yield from self._refused_as_such()
        yield from self._triggers(covered)

    def _refused_statements(self) -> Iterator[Finding]:
        for planned in self._planned:
            for statement in _statements(planned.operation, self._connection):
                error = self._refusal(statement)
                if error is not None and error.args[0] == _SYNTAX:
                    shown = cut(" ".join(statement.split()), 80)
                    yield _refused(planned, f"SQL, {shown}", error)
                    break

    def _refused_shapes(self) -> Iterator[Finding]:
        """FP329 for columns and indexes that no model has any more.

        Raises DatabaseError where an error is not about them.
        """
        shapes = Shapes(self._connection)
        known = {s for m in apps.get_models(include_auto_created=True) for s in shapes.of_model(m)}
        made: dict[Shape, tuple[_Planned, tuple[str, ...]]] = {}
        for planned in self._planned:
            for shape, names in shapes.of_operation(planned.operation, planned.fields):
                if shape not in known:
                    made.setdefault(shape, (planned, names))
        statements = [statement for shape in made for statement in shape.statements]
        verdicts = outcomes(self._connection, statements)[::2]
        refused: set[str] = set()
        for (shape, (planned, names)), error in zip(made.items(), verdicts, strict=True):
            if isinstance(error, list) or not refused.isdisjoint(shape.kinds):
                continue
            if not is_refusal(error):
                raise error
            if not shape.key:
                refused.update(shape.kinds)
            yield _refused(planned, _described(shape, names), error)

    def _refused_as_such(self) -> Iterator[Finding]:
        """FP329 for what every server of this kind refuses."""
        for planned in self._planned:
            if _changes_schema_in_transaction(planned):
                reason = "Django refuses that on servers that cannot roll it back: atomic=False"
                yield _finding(planned, "the schema editor in a transaction", reason)
            elif _adds_second_key(planned):
                yield _finding(planned, "a second primary key", "a table can have only one")

    def _triggers(self, covered: Sequence[Model]) -> Iterator[Finding]:
        labels = {table_name(m, self._connection).lower(): m._meta.label_lower for m in covered}
        for planned in self._planned:
            # Python code often has it twice, for two kinds of server.
            for name, timing, event, table in set(_TRIGGER.findall(_text(planned.operation))):
                if label := labels.get(table.lower()):
                    yield RULES["FP332"].finding(
                        label,
                        migration=planned.migration,
                        name=name,
                        timing=timing.upper(),
                        event=event.upper(),
                    )

    def _refusal(self, statement: str) -> DatabaseError | None:
        try:
            executed(self._connection, "PREPARE fixturepipe_statement FROM %s", [statement])
        except DatabaseError as error:
            return error
        return None


def _planned() -> Iterator[_Planned]:
    """The operations in the order of `migrate`, but for apps that do not depend on each other."""
    graph = MigrationLoader(None, ignore_no_migrations=True).graph
    state, seen = ProjectState(), set()
    for leaf in graph.leaf_nodes():
        for key in graph.forwards_plan(leaf):
            if key in seen:
                continue
            seen.add(key)
            migration = graph.nodes[key]
            for operation in migration.operations:
                operation.state_forwards(key[0], state)
                for each in database_operations([operation]):
                    atomic = each.atomic or (migration.atomic and each.atomic is not False)
                    yield _Planned(".".join(key), each, _fields(state, key[0], each), atomic)


def _fields(state: ProjectState, app: str, operation: Operation) -> Mapping[str, Field]:
    name = getattr(operation, "model_name", None) or getattr(operation, "name", None)
    found = state.models.get((app, name.lower())) if isinstance(name, str) else None
    return dict(found.fields) if found is not None else {}


def _is_allowed(alias: str, planned: _Planned) -> bool:
    """Whether the project's routers let the operation run there."""
    operation, app = planned.operation, planned.migration.partition(".")[0]
    name = getattr(operation, "model_name", None) or getattr(operation, "name", None)
    given = {"model_name": name.lower()} if isinstance(name, str) else {}
    return bool(router.allow_migrate(alias, app, **given | getattr(operation, "hints", {})))


def _statements(operation: Operation, connection: BaseDatabaseWrapper) -> list[str]:
    """The statements of SQL and of Python code that must not fail.

    A class made from RunSQL may not run them, and `run` passes over an operation that fails if all
    of it is about rows.
    """
    if isinstance(operation, migrations.RunPython):
        return schema_statements(operation.code, connection.vendor)
    if type(operation) is not migrations.RunSQL:
        return []
    statements = sql_statements(operation, connection)
    return [] if all(map(changes_only_rows, statements)) else statements


def _text(operation: Operation) -> str:
    """The SQL of an operation, or its Python code if that is for MySQL."""
    if type(operation) is migrations.RunSQL:
        return str(operation.sql)
    if isinstance(operation, migrations.RunPython):
        with suppress(OSError, TypeError):
            code = inspect.getsource(operation.code)
            return code if _FOR_MYSQL.search(code) else ""
    return ""


def _changes_schema_in_transaction(planned: _Planned) -> bool:
    """Whether Python code certainly asks the schema editor for what it refuses in a transaction."""
    if not planned.atomic or not isinstance(planned.operation, migrations.RunPython):
        return False
    with suppress(OSError, TypeError, IndexError):
        code: Any = planned.operation.code
        editor = code.__code__.co_varnames[1]
        source = inspect.getsource(code)
        asked = re.search(_CHANGES.format(editor=editor), source, re.IGNORECASE)
        # What depends on the kind of the server is fine, as far as the text shows.
        return asked is not None and "vendor" not in source
    return False


def _adds_second_key(planned: _Planned) -> bool:
    """Whether the table has another primary key, which a later operation is to remove.

    SQLite's tables are made again for each change, and need no order of the changes.
    """
    adds = (
        isinstance(planned.operation, migrations.AddField) and planned.operation.field.primary_key
    )
    return adds and sum(field.primary_key for field in planned.fields.values()) > 1


def _refused(planned: _Planned, what: str, error: Error) -> Finding:
    described = refusals.described(error)
    return _finding(planned, what, f"{described['reason']} ({described['number']})")


def _finding(planned: _Planned, what: str, reason: str) -> Finding:
    return RULES["FP329"].finding(
        migration=planned.migration,
        operation=planned.operation.describe(),
        what=what,
        reason=reason,
    )


def _described(shape: Shape, names: Sequence[str]) -> str:
    kinds = ", ".join(shape.kinds)
    if not shape.key:
        return f"the column {', '.join(names)} {kinds}"
    return f"the {_KEYS[shape.key]} on {', '.join(names)}, {kinds}"
