"""Rows that break a CHECK constraint of the target.

SQLite has such rows if the constraint was never added to the file, or was switched off (`PRAGMA
ignore_check_constraints`). The source answers, with the condition as Django compiles it for the
source; as in any CHECK, a condition that is NULL holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, NotSupportedError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import sql

from fixturepipe.check.target import TargetServer
from fixturepipe.databases.expressions import columns_in
from fixturepipe.databases.fields import key_fields
from fixturepipe.databases.integrity import rows_of
from fixturepipe.databases.tables import Table
from fixturepipe.databases.values import shown
from fixturepipe.findings.finding import EXAMPLES, Example, Finding
from fixturepipe.findings.rules import RULES

Model = type[models.Model]


def broken_checks(
    model: Model, source: BaseDatabaseWrapper, target: TargetServer
) -> Iterator[Finding]:
    """FP209 for rows that break a CHECK; FP210 if the source cannot evaluate the condition."""
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.CheckConstraint) and target.enforces(model, constraint):
            yield from _broken(model, constraint, source)


def _broken(
    model: Model, constraint: models.CheckConstraint, source: BaseDatabaseWrapper
) -> Iterator[Finding]:
    label, fields = model._meta.label_lower, ""
    try:
        checked: Any = constraint.condition
        where = sql.Query(model, alias_cols=False).build_where(checked)
        columns = tuple(dict.fromkeys(columns_in(where)))
        fields = ", ".join(field.name for field in columns)
        condition, parameters = where.as_sql(
            sql.Query(model).get_compiler(connection=source), source
        )
        count, examples = _rows(
            Table(model, source, (*key_fields(model), *columns)), condition, parameters
        )
    except (DatabaseError, NotSupportedError) as error:
        yield RULES["FP210"].finding(label, fields, constraint=constraint.name, reason=error)
        return
    if count:
        yield RULES["FP209"].finding(label, fields, count, examples, constraint=constraint.name)


def _rows(table: Table, condition: str, parameters: Any) -> tuple[int, list[Example]]:
    """The number of rows that break the condition, and the first of them in key order."""
    rest = f"FROM {table.quoted} WHERE NOT ({condition})"
    if not parameters:
        rest %= ()  # Django doubles % for statements with parameters
    ((count,),) = rows_of(table.connection, f"SELECT COUNT(*) {rest}", parameters)
    if not count:
        return 0, []
    width = len(table.key)
    columns = [table.column(field) for field in table.fields]
    rows = rows_of(
        table.connection,
        f"SELECT {', '.join(columns)} {rest} ORDER BY {', '.join(columns[:width])}"
        f" LIMIT {EXAMPLES}",
        parameters,
    )
    return int(count), [Example(_shown(row[:width]), _shown(row[width:])) for row in rows]


def _shown(values: tuple[Any, ...]) -> Any:
    return shown(values[0]) if len(values) == 1 else [shown(value) for value in values]
