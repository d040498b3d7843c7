"""Rows that break a CHECK constraint of the target.

SQLite has such rows if the constraint was never added to the file, or was switched off (`PRAGMA
ignore_check_constraints`), if the target evaluates it by other rules, or if the target has a
constraint of its own. The source answers where all databases agree, the target everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from django.db import DatabaseError, NotSupportedError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import lookups, sql
from django.db.models.expressions import Col, Value
from django.db.models.sql.where import WhereNode

from fixturepipe.check.rowtrial import Altered, DefinitionTrial
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
from fixturepipe.databases.integrity import example_of
from fixturepipe.databases.queries import each_row
from fixturepipe.databases.tables import Row, Table
from fixturepipe.findings.finding import Finding, collected
from fixturepipe.findings.rules import RULES

# What these compare, they compare in the same way on every database.
_COMPARING = (
    *(lookups.Exact, lookups.GreaterThan, lookups.GreaterThanOrEqual, lookups.LessThan),
    *(lookups.LessThanOrEqual, lookups.In, lookups.Range, lookups.IsNull),
)
Broken = Callable[[], Iterator[Row]]
_NUMBERS = {*INTEGERS, "BooleanField", "DecimalField", "FloatField"}


def broken_checks(
    model: Model,
    source: BaseDatabaseWrapper,
    target: TargetServer,
    altered: Altered | None = None,
) -> Iterator[Finding]:
    """FP209 for rows that break a CHECK; FP210 if it cannot be evaluated.

    `altered` gives what the declared fixes and the transform make of a row.
    """
    trials = dict(_trials(model, source, target))
    asked = set()
    for constraint in model._meta.constraints:
        if not isinstance(constraint, models.CheckConstraint):
            continue
        trial = trials.get(constraint.name)
        if (trial is None or _agree(model, constraint)) and target.enforces(model, constraint):
            asked.add(constraint.name)
            yield from _broken(model, constraint, source, _left(trial, altered))
    for name, trial in trials.items():
        if name not in asked:
            left = _left(trial, altered)
            yield from _found(model, name, trial.fields, trial.refused, left)


def _left(trial: DefinitionTrial | None, altered: Altered | None) -> Broken | None:
    """What gives the rows that are broken after fixes and transform; None if nobody can tell."""
    return None if trial is None or altered is None else partial(trial.refused, altered)


def _trials(
    model: Model, source: BaseDatabaseWrapper, target: TargetServer
) -> Iterator[tuple[str, DefinitionTrial]]:
    """The constraints that the target can be asked about, by name."""
    table, definitions = target.checks(model) or (None, {})
    for name, definition in definitions.items():
        assert table is not None
        assert target.connection is not None
        yield name, DefinitionTrial(model, source, target.connection, table, definition)


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
    model: Model,
    constraint: models.CheckConstraint,
    source: BaseDatabaseWrapper,
    left: Broken | None,
) -> Iterator[Finding]:
    """The source's answer; as in any CHECK, a condition that is NULL holds."""
    where = sql.Query(model, alias_cols=False).build_where(condition_of(constraint))
    columns = tuple(dict.fromkeys(columns_in(where)))
    table = Table(model, source, (*key_fields(model), *columns))
    broken = partial(_broken_rows, table, where)
    yield from _found(model, constraint.name, columns, broken, left)


def _found(
    model: Model, name: str, columns: Sequence[Field], broken: Broken, left: Broken | None
) -> Iterator[Finding]:
    """FP209 for the rows that break a constraint: their keys, then the values of the columns."""
    label, fields, width = model._meta.label_lower, names_of(columns), len(key_fields(model))
    try:
        rows = collected(example_of(row, width) for row in broken())
    except (DatabaseError, NotSupportedError) as error:
        yield RULES["FP210"].finding(label, fields, constraint=name, reason=error)
        return
    if rows:
        is_fixed = left is not None and next(left(), None) is None
        by = "the declared fixes and the transform" if is_fixed else ""
        yield RULES["FP209"].finding(label, fields, len(rows), rows, fixed_by=by, constraint=name)


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
