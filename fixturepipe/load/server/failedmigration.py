"""Where a migration failed: the app, the migration, the operation and the statement.

`migrate` raises what the operation raised, so the place is read from the traceback, in which
`Migration.apply` runs the operation, and from the last statement that the server refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import migrations

_LONGEST = 300


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
        frame = traceback.tb_frame
        if frame.f_code is migrations.Migration.apply.__code__:
            migration, operation = frame.f_locals["self"], frame.f_locals.get("operation")
            described = operation.describe() if operation is not None else "its end"
            found = FailedOperation(migration.app_label, migration.name, described)
        traceback = traceback.tb_next
    return found


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
            text = " ".join(str(sql).split())
            self.failed = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
            raise
