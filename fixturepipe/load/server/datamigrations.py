"""Data migrations that fail on an empty target, passed over.

A migration of an old project may need rows that a fresh database lacks, read columns that later
migrations add, or update rows in SQL that only SQLite takes. The source has run it long ago: the
rows that it would make or change come from there, and those that migrations write into the target
are deleted before the load. So an operation that fails is passed over if all it does is about rows;
one that changes the schema must not fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, migrations, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.operations.base import Operation

from fixturepipe.databases.migrations import changes_only_rows, sql_statements
from fixturepipe.load.server.failedmigration import FailedOperation, running_operation
from fixturepipe.load.server.servererrors import NO_PRIVILEGE, code_of, is_transient, server_message

_KINDS: tuple[Any, ...] = (migrations.RunPython, migrations.RunSQL)


@dataclass(frozen=True)
class PassedOver:
    """An operation that failed, and why."""

    operation: FailedOperation
    reason: str

    def __str__(self) -> str:
        return f"{self.operation}: {self.reason}"


class DataMigrations:
    """Passes over operations of one connection that fail; `passed_over` grows.

    It is a wrapper of the connection's `execute` too, which sees what Python code does there.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._changes_schema = False
        self.passed_over: list[PassedOver] = []

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Run a statement; see `execute_wrapper`."""
        self._changes_schema |= not changes_only_rows(str(sql))
        return execute(sql, params, many, context)

    @contextmanager
    def passing_over(self) -> Iterator[None]:
        """While in the block, RunPython and RunSQL pass over what fails and is about rows alone."""
        originals = [kind.database_forwards for kind in _KINDS]
        try:
            for kind, original in zip(_KINDS, originals, strict=True):
                kind.database_forwards = self._wrapped(original)
            with self._connection.execute_wrapper(self):
                yield
        finally:
            for kind, original in zip(_KINDS, originals, strict=True):
                kind.database_forwards = original

    def _wrapped(self, original: Callable[..., None]) -> Callable[..., None]:
        def database_forwards(
            operation: Operation, app_label: str, schema_editor: Any, *states: Any
        ) -> None:
            self._changes_schema = any(
                not changes_only_rows(statement)
                for statement in sql_statements(operation, self._connection)
            )
            try:
                with self._savepoint(), self._watched(schema_editor):
                    original(operation, app_label, schema_editor, *states)
            # Data migrations may raise anything, and some end the process.
            except (Exception, SystemExit) as error:
                where = running_operation()
                if where is None or not self._may_pass_over(error):
                    raise
                self._connection.enable_constraint_checking()
                self.passed_over.append(PassedOver(where, _reason(error)))

        return database_forwards

    @contextmanager
    def _watched(self, schema_editor: Any) -> Iterator[None]:
        """Sees what the editor is asked for: in a transaction it refuses to change the schema."""
        execute = schema_editor.execute

        def watched(sql: Any, *parameters: Any, **named: Any) -> None:
            self._changes_schema |= not changes_only_rows(str(sql))
            execute(sql, *parameters, **named)

        schema_editor.execute = watched
        try:
            yield
        finally:
            del schema_editor.execute

    def _savepoint(self) -> Any:
        """Undoes what the operation wrote, unless it wants no transaction (`atomic=False`)."""
        if self._connection.in_atomic_block:
            return transaction.atomic(self._connection.alias)
        return nullcontext()

    def _may_pass_over(self, error: BaseException) -> bool:
        is_of_rows = not self._changes_schema and code_of(error) not in NO_PRIVILEGE
        return is_of_rows and not is_transient(error)


def _reason(error: BaseException) -> str:
    cause = server_message(error) if isinstance(error, DatabaseError) else repr(error)
    return cause.partition("\n")[0]
