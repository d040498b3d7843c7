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

from fixturepipe.check.candidates import shown_row
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.expressions import columns_in
from fixturepipe.databases.fields import condition_of, key_fields
from fixturepipe.databases.queries import each_row
from fixturepipe.databases.tables import Table
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rows import Example, collected
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
        checked = condition_of(constraint)
        where = sql.Query(model, alias_cols=False).build_where(checked)
        columns = tuple(dict.fromkeys(columns_in(where)))
        fields = ", ".join(field.name for field in columns)
        condition, parameters = where.as_sql(
            sql.Query(model).get_compiler(connection=source), source
        )
        table = Table(model, source, (*key_fields(model), *columns))
        rows = collected(_broken_rows(table, condition, parameters))
    except (DatabaseError, NotSupportedError) as error:
        yield RULES["FP210"].finding(label, fields, constraint=constraint.name, reason=error)
        return
    if rows:
        yield RULES["FP209"].finding(label, fields, len(rows), rows, constraint=constraint.name)


def _broken_rows(table: Table, condition: str, parameters: Any) -> Iterator[Example]:
    """The rows that break the condition, in the order of their keys."""
    width = len(table.key)
    columns = [table.column(field) for field in table.fields]
    rest = f"FROM {table.quoted} WHERE NOT ({condition}) ORDER BY {', '.join(columns[:width])}"
    if not parameters:
        rest %= ()  # Django doubles % for statements with parameters
    statement = f"SELECT {', '.join(columns)} {rest}"
    for row in each_row(table.connection, statement, parameters):
        yield Example(shown_row(row[:width]), shown_row(row[width:]))
