"""Rows that break a CHECK constraint of the target.

SQLite has such rows if the constraint was never added to the file, or was switched off (`PRAGMA
ignore_check_constraints`), if the target evaluates it by other rules, or if the target has a
constraint of its own. The source answers where all databases agree, the target everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import DatabaseError, NotSupportedError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import lookups, sql
from django.db.models.expressions import Col, Value
from django.db.models.sql.where import WhereNode

from fixturepipe.check.rowtrial import DefinitionTrial
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.expressions import columns_in
from fixturepipe.databases.fields import (
    INTEGERS,
    Field,
    Model,
    condition_of,
    key_fields,
    names_of,
    root_field,
)
from fixturepipe.databases.queries import each_row
from fixturepipe.databases.tables import Row, Table
from fixturepipe.databases.values import shown_row
from fixturepipe.findings.finding import Example, Finding, collected
from fixturepipe.findings.rules import RULES

# What these compare, they compare in the same way on every database.
_COMPARING = (
    *(lookups.Exact, lookups.GreaterThan, lookups.GreaterThanOrEqual, lookups.LessThan),
    *(lookups.LessThanOrEqual, lookups.In, lookups.Range, lookups.IsNull),
)
_NUMBERS = {*INTEGERS, "BooleanField", "DecimalField", "FloatField"}


def broken_checks(
    model: Model, source: BaseDatabaseWrapper, target: TargetServer
) -> Iterator[Finding]:
    """FP209 for rows that break a CHECK; FP210 if it cannot be evaluated."""
    table, tried = target.checks(model) or (None, {})
    for constraint in model._meta.constraints:
        if not isinstance(constraint, models.CheckConstraint):
            continue
        if constraint.name in tried and _agree(model, constraint):
            del tried[constraint.name]
        if constraint.name not in tried and target.enforces(model, constraint):
            yield from _broken(model, constraint, source)
    for name, definition in tried.items():
        assert table is not None
        assert target.connection is not None
        trial = DefinitionTrial(model, source, target.connection, table, definition)
        yield from _found(model, name, trial.fields, trial.refused)


def _agree(model: Model, constraint: models.CheckConstraint) -> bool:
    """Whether all databases evaluate the condition in the same way."""
    where = sql.Query(model, alias_cols=False).build_where(condition_of(constraint))
    return _compares_numbers(where)


def _compares_numbers(part: Any) -> bool:
    """Whether a condition, or a side of a comparison, only compares numbers as they are stored."""
    if isinstance(part, WhereNode):
        return all(map(_compares_numbers, part.children))
    if isinstance(part, Col):
        return root_field(part.target).get_internal_type() in _NUMBERS
    if isinstance(part, _COMPARING):
        return all(map(_compares_numbers, part.get_source_expressions()))
    return isinstance(part, Value)


def _broken(
    model: Model, constraint: models.CheckConstraint, source: BaseDatabaseWrapper
) -> Iterator[Finding]:
    """The source's answer; as in any CHECK, a condition that is NULL holds."""
    where = sql.Query(model, alias_cols=False).build_where(condition_of(constraint))
    columns = tuple(dict.fromkeys(columns_in(where)))
    table = Table(model, source, (*key_fields(model), *columns))
    yield from _found(model, constraint.name, columns, lambda: _broken_rows(table, where))


def _found(
    model: Model, name: str, columns: Sequence[Field], broken: Callable[[], Iterator[Row]]
) -> Iterator[Finding]:
    """FP209 for the rows that break a constraint: their keys, then the values of the columns."""
    label, fields, width = model._meta.label_lower, names_of(columns), len(key_fields(model))
    try:
        rows = collected(
            Example(shown_row(row[:width]), shown_row(row[width:])) for row in broken()
        )
    except (DatabaseError, NotSupportedError) as error:
        yield RULES["FP210"].finding(label, fields, constraint=name, reason=error)
        return
    if rows:
        yield RULES["FP209"].finding(label, fields, len(rows), rows, constraint=name)


def _broken_rows(table: Table, where: WhereNode) -> Iterator[Row]:
    """The rows that break the condition, in the order of their keys."""
    source, width = table.connection, len(table.key)
    condition, parameters = where.as_sql(
        sql.Query(table.model).get_compiler(connection=source), source
    )
    columns = [table.column(field) for field in table.fields]
    rest = f"FROM {table.quoted} WHERE NOT ({condition}) ORDER BY {', '.join(columns[:width])}"
    if not parameters:
        rest %= ()  # Django doubles % for statements with parameters
    yield from each_row(source, f"SELECT {', '.join(columns)} {rest}", parameters)
