"""Rows that share values which must be unique in the target.

The source itself finds values that it has twice; `candidates` finds those that only the target
takes as equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check.candidates import Candidates, names_of
from fixturepipe.check.target import TargetServer, TextColumn
from fixturepipe.databases.expressions import UniqueExpressions, unique_expressions
from fixturepipe.databases.fields import Field, Model, key_fields, root_field
from fixturepipe.databases.integrity import UniqueIndexes
from fixturepipe.databases.queries import each_row, rows_of
from fixturepipe.databases.tables import Row, Table
from fixturepipe.databases.values import shown_row
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rows import Example, collected
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.fixes import NO_FIXES, Fixes


@dataclass(frozen=True)
class UniqueSet:
    """Columns that are unique together, and the rows that are equal in them.

    `finding` is FP203 if only the target takes them as equal, FP208 if they are equal already.
    """

    finding: str
    fields: tuple[Field, ...]
    groups: Callable[[], Iterable[Sequence[Row]]]
    """The equal rows, group by group: raw keys, each followed by its values."""


def duplicate_values(
    model: Model, source: BaseDatabaseWrapper, target: TargetServer, fixes: Fixes = NO_FIXES
) -> Iterator[Finding]:
    """FP203 for values that only the target takes as equal, FP208 for equal values."""
    for fields, texts, is_enforced in _sets(model, source, target):
        keeps = is_enforced and not _have_other_spellings(model, fields, source)
        if not keeps and (found := _exact_duplicates(model, fields, source, fixes)):
            yield found
        elif texts:
            yield from Candidates(model, fields, texts, source, target).findings(fixes)
    for each in unique_expressions(model):
        if target.keeps_unique(each):
            try:
                yield from _of_expressions(each, source, target).findings(fixes)
            except DatabaseError as error:
                label, names = model._meta.label_lower, names_of(each.fields)
                yield RULES["FP210"].finding(label, names, constraint=each.name, reason=error)


def same_rows(
    model: Model, source: BaseDatabaseWrapper, target: TargetServer
) -> Iterator[UniqueSet]:
    """The sets of columns in which rows are equal, as `duplicate_values` finds them."""
    for fields, texts, is_enforced in _sets(model, source, target):
        keeps = is_enforced and not _have_other_spellings(model, fields, source)
        if not keeps and next(_exact_groups(model, fields, source), None):
            yield UniqueSet("FP208", fields, partial(_exact_groups, model, fields, source))
        elif texts:
            candidates = Candidates(model, fields, texts, source, target)
            yield UniqueSet("FP203", fields, candidates.groups)
    for each in unique_expressions(model):
        if target.keeps_unique(each):
            yield UniqueSet("FP203", each.fields, _of_expressions(each, source, target).groups)


def _of_expressions(
    expressions: UniqueExpressions, source: BaseDatabaseWrapper, target: TargetServer
) -> Candidates:
    model, fields = expressions.model, expressions.fields
    return Candidates(model, fields, _texts(fields, target), source, target, expressions)


def _sets(
    model: Model, source: BaseDatabaseWrapper, target: TargetServer
) -> Iterator[tuple[tuple[Field, ...], dict[Field, TextColumn], bool]]:
    """Unique columns, those among them that the target compares as text, and whether the
    source itself keeps them unique."""
    enforced = UniqueIndexes(source).of(model)
    for fields in target.unique_sets(model):
        columns = frozenset(field.column for field in fields)
        yield fields, _texts(fields, target), columns in enforced


def _texts(fields: Iterable[Field], target: TargetServer) -> dict[Field, TextColumn]:
    """The columns that the target compares as text."""
    return {
        field: column
        for field in fields
        if (column := target.text_column(field)) and column.takes_every_character
    }


def _exact_duplicates(
    model: Model, fields: Sequence[Field], source: BaseDatabaseWrapper, fixes: Fixes
) -> Finding | None:
    width = len(key_fields(model))
    rows = collected(
        Example(shown_row(row[:width]), shown_row(row[width:]))
        for group in _exact_groups(model, fields, source)
        for row in group
    )
    if not rows:
        return None
    label, fix = model._meta.label_lower, fixes.of("FP208", model, fields)
    fixed_by = fix.name if fix is not None else ""
    return RULES["FP208"].finding(label, names_of(fields), len(rows), rows, fixed_by=fixed_by)


def _exact_groups(
    model: Model, fields: Sequence[Field], source: BaseDatabaseWrapper
) -> Iterator[list[Row]]:
    key = key_fields(model)
    table = Table(model, source, (*key, *fields))
    columns = [table.column(field) for field in table.fields]
    values = ", ".join(_value(field, table) for field in fields)
    present = " AND ".join(f"{column} IS NOT NULL" for column in columns[len(key) :])
    rows = each_row(
        source,
        f"SELECT {', '.join(columns)}, {values} FROM {table.quoted}"
        f" WHERE {present} AND ({values}) IN"
        f" (SELECT {values} FROM {table.quoted} GROUP BY {values} HAVING COUNT(*) > 1)"
        f" ORDER BY {values}, {', '.join(columns[: len(key)])}",
    )
    for _, group in groupby(rows, lambda row: row[len(columns) :]):
        yield [row[: len(columns)] for row in group]


def _value(field: Field, table: Table) -> str:
    """SQL that gives equal text for equal values: a UUID as `uuid.UUID` reads it."""
    column = table.column(field)
    if not _has_several_forms(field, table.connection):
        return column
    bare = f"REPLACE(REPLACE({column}, 'urn:', ''), 'uuid:', '')"
    return f"LOWER(REPLACE(TRIM({bare}, '{{}}'), '-', ''))"


def _have_other_spellings(
    model: Model, fields: Sequence[Field], source: BaseDatabaseWrapper
) -> bool:
    """Whether a UUID is written in another way than Django's: SQLite compares the text, so it
    may have the value twice."""
    table = Table(model, source)
    varied = [table.column(field) for field in fields if _has_several_forms(field, source)]
    if not varied:
        return False
    other = " OR ".join(f"LENGTH({c}) <> 32 OR {c} <> LOWER({c})" for c in varied)
    return bool(rows_of(source, f"SELECT 1 FROM {table.quoted} WHERE {other} LIMIT 1"))


def _has_several_forms(field: Field, source: BaseDatabaseWrapper) -> bool:
    return source.vendor == "sqlite" and root_field(field).get_internal_type() == "UUIDField"
