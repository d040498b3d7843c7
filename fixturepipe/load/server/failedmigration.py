"""Where a migration failed: the app, the migration, the operation and the statement.

`migrate` raises what the operation raised, so the place is read from the traceback, in which
`Migration.apply` runs the operation, and from the last statement that the server refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from django.db import migrations

from fixturepipe.wording import cut

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
