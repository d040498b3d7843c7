"""Rows that share values which must be unique in the target.

The source itself finds values that it has twice; `candidates` finds those that only the target
takes as equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check.candidates import Candidates
from fixturepipe.check.target import TargetServer, TextColumn
from fixturepipe.databases.expressions import UniqueExpressions, unique_expressions
from fixturepipe.databases.fields import Field, Model, key_fields, names_of, root_field
from fixturepipe.databases.integrity import UniqueIndexes, example_of
from fixturepipe.databases.queries import each_row, rows_of
from fixturepipe.databases.tables import Row, Table
from fixturepipe.findings.finding import Finding, collected
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.fixes import Fixes


@dataclass(frozen=True)
class UniqueSet:
    """Columns that are unique together, and the rows that are equal in them.

    `finding` is FP203 if only the target takes them as equal, FP208 if they are equal already.
    `groups` gives the equal rows, group by group: raw keys, each followed by its values; it raises
    DatabaseError if the target cannot be asked about the `expressions`. `collation` says how the
    target compares.
    """

    finding: str
    fields: tuple[Field, ...]
    groups: Callable[[], Iterable[Sequence[Row]]]
    collation: str = ""
    expressions: UniqueExpressions | None = None


def duplicate_values(
    model: Model, source: BaseDatabaseWrapper, target: TargetServer, fixes: Fixes
) -> Iterator[Finding]:
    """FP203 for values that only the target takes as equal, FP208 for equal values."""
    label, width = model._meta.label_lower, len(key_fields(model))
    for same in same_rows(model, source, target):
        # Without the privilege, FP322 says so.
        if same.finding == "FP203" and not target.may_make_temporary_tables:
            continue
        names = names_of(same.fields)
        try:
            equal = chain.from_iterable(same.groups())
            rows = collected(example_of(row, width) for row in equal)
        except DatabaseError as error:
            if same.expressions is None:
                raise
            constraint = same.expressions.name
            yield RULES["FP210"].finding(label, names, constraint=constraint, reason=error)
            continue
        if rows:
            yield RULES[same.finding].finding(
                label,
                names,
                len(rows),
                rows,
                collation=same.collation,
                fixed_by=fixes.name_of(same.finding, model, same.fields),
            )


def same_rows(
    model: Model, source: BaseDatabaseWrapper, target: TargetServer
) -> Iterator[UniqueSet]:
    """The sets of columns in which rows may be equal."""
    enforced = UniqueIndexes(source).of(model)
    for fields in target.unique_sets(model):
        is_enforced = frozenset(field.column for field in fields) in enforced
        keeps = is_enforced and not _have_other_spellings(model, fields, source)
        if not keeps and next(_exact_groups(model, fields, source), None):
            yield UniqueSet("FP208", fields, partial(_exact_groups, model, fields, source))
        elif _texts(fields, target):
            yield _equal_in_target(model, fields, source, target)
    for each in unique_expressions(model):
        if target.keeps_unique(each):
            yield _equal_in_target(model, each.fields, source, target, each)


def _equal_in_target(
    model: Model,
    fields: tuple[Field, ...],
    source: BaseDatabaseWrapper,
    target: TargetServer,
    expressions: UniqueExpressions | None = None,
) -> UniqueSet:
    texts = _texts(fields, target)
    collations = sorted({text.collation for text in texts.values()})

    def groups() -> Iterator[list[Row]]:
        return Candidates(model, fields, texts, source, target, expressions).groups()

    collation = ", ".join(collations) or "by its expression"
    return UniqueSet("FP203", fields, groups, collation, expressions)


def _texts(fields: Iterable[Field], target: TargetServer) -> dict[Field, TextColumn]:
    """The columns that the target compares as text."""
    return {
        field: column
        for field in fields
        if (column := target.text_column(field)) and column.takes_every_character
    }


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
