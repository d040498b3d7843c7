"""The project's code that fails on an empty target: where, and whether it is passed over.

A migration of an old project may need rows that a fresh database lacks, read columns that later
migrations add, or update rows in SQL that only SQLite takes. A receiver of `post_migrate` may need
rows too. The source has run them long ago: the rows that they would make or change come from there,
and those that they write into the target are deleted before the load. So code that fails is passed
over if all it does is about rows; what changes the schema must not fail.

`migrate` raises what an operation raised, so the place is read from the traceback, in which
`Migration.apply` runs the operation, and from the last statement that the server refused.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from django.db import DatabaseError, migrations, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.operations.base import Operation
from django.db.models.signals import post_migrate, pre_migrate
from django.dispatch import Signal

from fixturepipe.databases.migrations import changes_only_rows, sql_statements
from fixturepipe.load.server.servererrors import NO_PRIVILEGE, code_of, is_transient, server_message
from fixturepipe.wording import cut

_KINDS: tuple[Any, ...] = (migrations.RunPython, migrations.RunSQL)
_LONGEST = 300
_SIGNALS: tuple[Any, ...] = (pre_migrate, post_migrate)


class DataMigrations:
    """Passes over operations of one connection that fail; `passed_over` says which, and why.

    It is a wrapper of the connection's `execute` too, which sees what Python code does there.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._changes_schema = False
        self.passed_over: list[str] = []

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Run a statement; see `execute_wrapper`."""
        self._changes_schema |= not changes_only_rows(str(sql))
        return execute(sql, params, many, context)

    @contextmanager
    def passing_over(self) -> Iterator[None]:
        """While in the block, code of the project that fails and is about rows is passed over."""
        originals = [kind.database_forwards for kind in _KINDS]
        try:
            for kind, original in zip(_KINDS, originals, strict=True):
                kind.database_forwards = self._wrapped(original)
            for signal in _SIGNALS:
                signal.send = self._sender(signal)
            with self._connection.execute_wrapper(self):
                yield
        finally:
            for kind, original in zip(_KINDS, originals, strict=True):
                kind.database_forwards = original
            for signal in _SIGNALS:
                del signal.send

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
                if not self._passes_over(str(running_operation()), error):
                    raise

        return database_forwards

    def _sender(self, signal: Signal) -> Callable[..., Any]:
        def send(sender: Any, **named: Any) -> list[tuple[Any, Any]]:
            self._changes_schema = False
            with _unlogged():
                responses = signal.send_robust(sender, **named)
            for receiver, response in responses:
                if isinstance(response, Exception):
                    name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
                    what = f"the receiver {receiver.__module__}.{name}"
                    is_djangos = receiver.__module__.startswith("django.")
                    if is_djangos or not self._passes_over(what, response):
                        raise response
            return responses

        return send

    def _passes_over(self, what: str, error: BaseException) -> bool:
        """Whether a failure is of rows alone; it is noted then."""
        is_of_rows = not self._changes_schema and code_of(error) not in NO_PRIVILEGE
        if not is_of_rows or is_transient(error):
            return False
        self._connection.enable_constraint_checking()
        passed = f"{what}: {_reason(error)}"
        # A receiver may be called for each app.
        if passed not in self.passed_over:
            self.passed_over.append(passed)
        return True

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

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        """Undoes what a failed operation wrote, unless it wants no transaction (`atomic=False`).

        A statement that changes the schema commits, and leaves no savepoint
        (https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html).
        """
        alias = self._connection.alias
        savepoint = transaction.savepoint(alias) if self._connection.in_atomic_block else None
        try:
            yield
        except BaseException:
            if savepoint is not None and not self._changes_schema:
                transaction.savepoint_rollback(savepoint, alias)
                transaction.set_rollback(False, alias)
            raise


@dataclass(frozen=True)
class FailedOperation:
    """The operation that failed, in Django's own words ("Add field slug to page")."""

    app: str
    migration: str
    operation: str

    def __str__(self) -> str:
        return f"{self.app}.{self.migration}, {self.operation}"


def failed_operation(error: BaseException) -> FailedOperation | None:
    """The operation whose code raised the error; None if it was raised outside of a migration."""
    found, traceback = None, error.__traceback__
    while traceback is not None:
        found = _operation_of(traceback.tb_frame) or found
        traceback = traceback.tb_next
    return found


def running_operation() -> FailedOperation | None:
    """The operation whose code calls this function, directly or not."""
    found, frame = None, inspect.currentframe()
    while frame is not None and found is None:
        found, frame = _operation_of(frame), frame.f_back
    return found


def _operation_of(frame: FrameType) -> FailedOperation | None:
    if frame.f_code is not migrations.Migration.apply.__code__:
        return None
    migration, operation = frame.f_locals["self"], frame.f_locals.get("operation")
    described = operation.describe() if operation is not None else "its end"
    return FailedOperation(migration.app_label, migration.name, described)


class StatementLog:
    """Keeps the last statement that failed; for `connection.execute_wrapper`."""

    def __init__(self) -> None:
        self.failed = ""

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Run the statement; remember it if it raises."""
        try:
            return execute(sql, params, many, context)
        except Exception:
            self.failed = cut(" ".join(str(sql).split()), _LONGEST)
            raise


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep `send_robust` from logging the errors that it returns, which are named in a warning."""
    logger = logging.getLogger("django.dispatch")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _reason(error: BaseException) -> str:
    cause = server_message(error) if isinstance(error, DatabaseError) else repr(error)
    return cause.partition("\n")[0]
