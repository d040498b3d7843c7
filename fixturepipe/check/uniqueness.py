"""Rows that the target would take for duplicates, in the target's own judgement.

Collations differ in case, accents, trailing spaces and emoji, from server to server and from
version to version. So values are not compared here: they are put into a temporary table with
the real collation, and the server is asked which it holds twice. The source only chooses what
is worth asking, and chooses too much rather than too little: text of nothing but printable ASCII
can be the same only but for case and trailing spaces; any other text, the whole column is
asked about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count, groupby
from typing import Any

from django.db import DatabaseError, models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check.target import Target, TextColumn
from fixturepipe.databases.expressions import UniqueExpressions, unique_expressions
from fixturepipe.databases.fields import Field, key_fields, root_field
from fixturepipe.databases.integrity import UniqueIndexes, rows_of, unique_sets
from fixturepipe.databases.tables import Condition, Row, Table
from fixturepipe.databases.text import is_utf8
from fixturepipe.databases.values import shown
from fixturepipe.findings.finding import EXAMPLES, Example, Finding
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.fixes import NO_FIXES, Fixes

Model = type[models.Model]
_TEMPORARY = "fixturepipe_same"
_INSERTED = 1_000


@dataclass(frozen=True)
class UniqueSet:
    """Columns that are unique together, some rows of which the target would take for the same.

    `finding` is FP203 where the target takes them so, FP208 where they are so in the source.
    """

    finding: str
    fields: tuple[Field, ...]
    groups: Callable[[], Iterable[Sequence[Row]]]
    """The rows that are the same, group by group: raw keys, each followed by its values."""


def duplicate_values(
    model: Model, source: BaseDatabaseWrapper, target: Target, fixes: Fixes = NO_FIXES
) -> Iterator[Finding]:
    """FP203 for values that the target takes for the same, FP208 for values that are."""
    for fields, texts, is_enforced in _sets(model, source, target):
        keeps = is_enforced and not _are_spelt_otherwise(model, fields, source)
        if not keeps and (found := _exact_duplicates(model, fields, source, fixes)):
            yield found
        elif texts:
            yield from _Candidates(model, fields, texts, source, target).findings(fixes)
    for each in unique_expressions(model):
        if target.keeps_unique(each):
            try:
                yield from _of_expressions(each, source, target).findings(fixes)
            except DatabaseError as error:
                label, names = model._meta.label_lower, _names(each.fields)
                yield RULES["FP210"].finding(label, names, constraint=each.name, reason=error)


def same_rows(model: Model, source: BaseDatabaseWrapper, target: Target) -> Iterator[UniqueSet]:
    """The sets of columns in which rows are the same, as `duplicate_values` finds them."""
    for fields, texts, is_enforced in _sets(model, source, target):
        keeps = is_enforced and not _are_spelt_otherwise(model, fields, source)
        if not keeps and next(_exact_groups(model, fields, source), None):
            yield UniqueSet("FP208", fields, partial(_exact_groups, model, fields, source))
        elif texts:
            candidates = _Candidates(model, fields, texts, source, target)
            yield UniqueSet("FP203", fields, candidates.groups)
    for each in unique_expressions(model):
        if target.keeps_unique(each):
            yield UniqueSet("FP203", each.fields, _of_expressions(each, source, target).groups)


def _of_expressions(
    expressions: UniqueExpressions, source: BaseDatabaseWrapper, target: Target
) -> _Candidates:
    model, fields = expressions.model, expressions.fields
    return _Candidates(model, fields, _texts(fields, target), source, target, expressions)


def _sets(
    model: Model, source: BaseDatabaseWrapper, target: Target
) -> Iterator[tuple[tuple[Field, ...], dict[Field, TextColumn], bool]]:
    """Unique columns, those among them that the target compares as text, and whether the
    source itself keeps them unique."""
    enforced = UniqueIndexes(source).of(model)
    for fields in (*unique_sets(model), key_fields(model)):
        columns = frozenset(field.column for field in fields)
        yield tuple(fields), _texts(fields, target), columns in enforced


def _texts(fields: Iterable[Field], target: Target) -> dict[Field, TextColumn]:
    """The columns that the target compares as text."""
    return {
        field: column
        for field in fields
        if (column := target.text_column(field)) and column.takes_every_character
    }


def _exact_duplicates(
    model: Model, fields: Sequence[Field], source: BaseDatabaseWrapper, fixes: Fixes
) -> Finding | None:
    width, number = len(key_fields(model)), 0
    examples: list[Example] = []
    for group in _exact_groups(model, fields, source):
        number += len(group)
        for row in group[: EXAMPLES - len(examples)]:
            examples.append(Example(_shown(row[:width]), _shown(row[width:])))
    if not number:
        return None
    label, fix = model._meta.label_lower, fixes.of("FP208", model, fields)
    fixed_by = fix.name if fix is not None else ""
    return RULES["FP208"].finding(label, _names(fields), number, examples, fixed_by=fixed_by)


def _exact_groups(
    model: Model, fields: Sequence[Field], source: BaseDatabaseWrapper
) -> Iterator[list[Row]]:
    key = key_fields(model)
    table = Table(model, source, (*key, *fields))
    columns = [table.column(field) for field in table.fields]
    values = ", ".join(_value(field, table) for field in fields)
    present = " AND ".join(f"{column} IS NOT NULL" for column in columns[len(key) :])
    rows = rows_of(
        source,
        f"SELECT {', '.join(columns)}, {values} FROM {table.quoted}"
        f" WHERE {present} AND ({values}) IN"
        f" (SELECT {values} FROM {table.quoted} GROUP BY {values} HAVING COUNT(*) > 1)"
        f" ORDER BY {values}, {', '.join(columns[: len(key)])}",
    )
    for _, group in groupby(rows, lambda row: row[len(columns) :]):
        yield [row[: len(columns)] for row in group]


def _value(field: Field, table: Table) -> str:
    """SQL that is the same for the same value: a UUID as `uuid.UUID` reads it."""
    column = table.column(field)
    if not _is_spelt(field, table.connection):
        return column
    bare = f"REPLACE(REPLACE({column}, 'urn:', ''), 'uuid:', '')"
    return f"LOWER(REPLACE(TRIM({bare}, '{{}}'), '-', ''))"


def _are_spelt_otherwise(
    model: Model, fields: Sequence[Field], source: BaseDatabaseWrapper
) -> bool:
    """Whether a UUID is written in another way than Django's, so that SQLite, which compares
    the text, may hold it twice."""
    table = Table(model, source)
    spelt = [table.column(field) for field in fields if _is_spelt(field, source)]
    if not spelt:
        return False
    other = " OR ".join(f"LENGTH({c}) <> 32 OR {c} <> LOWER({c})" for c in spelt)
    return bool(rows_of(source, f"SELECT 1 FROM {table.quoted} WHERE {other} LIMIT 1"))


def _is_spelt(field: Field, source: BaseDatabaseWrapper) -> bool:
    return source.vendor == "sqlite" and root_field(field).get_internal_type() == "UUIDField"


class _Candidates:
    """The rows of one unique set, or of unique expressions, that the target is asked about."""

    def __init__(
        self,
        model: Model,
        fields: Sequence[Field],
        texts: dict[Field, TextColumn],
        source: BaseDatabaseWrapper,
        target: Target,
        expressions: UniqueExpressions | None = None,
    ) -> None:
        key = key_fields(model)
        self._model = model
        self._fields = fields
        self._texts = texts
        self._target = target
        self._width = len(key)
        self._table = Table(model, source, (*key, *fields))
        self._columns = {field: self._table.column(field) for field in fields}
        self._expressions = expressions
        # The temporary table, but for rows of which no two are the same.
        self._asked = _TEMPORARY
        if expressions is not None and target.connection is not None:
            self._asked += _present(expressions.compiled(target.connection))

    def groups(self) -> list[list[Row]]:
        """All rows that the target takes for the same: keys and values, in the keys' order."""
        condition = self._condition()
        if condition is None:
            return []
        with self._temporary_table() as columns:
            self._fill(condition, as_text=_whole)
            rows = self._target.query(
                f"SELECT n, shown__ FROM (SELECT shown__, COUNT(*) OVER (PARTITION BY {columns}) k,"
                f" DENSE_RANK() OVER (ORDER BY {columns}) n FROM {self._asked}) g"
                " WHERE k > 1 ORDER BY n"
            )
        groups = groupby(rows, lambda row: row[0])
        return [sorted(tuple(json.loads(text)) for _, text in group) for _, group in groups]

    def findings(self, fixes: Fixes) -> Iterator[Finding]:
        """Ask the target, if there is anything to ask."""
        condition = self._condition()
        # Without the privilege, FP402 has said so.
        if condition is None or not self._target.may_make_temporary_tables:
            return
        with self._temporary_table() as columns:
            self._fill(condition)
            groups = f"SELECT COUNT(*) k FROM {self._asked} GROUP BY {columns} HAVING COUNT(*) > 1"
            ((number,),) = self._target.query(f"SELECT COALESCE(SUM(k), 0) FROM ({groups}) g")
            examples = self._examples(condition, columns) if number else []
        if number:
            fix = fixes.of("FP203", self._model, self._fields)
            yield RULES["FP203"].finding(
                self._model._meta.label_lower,
                _names(self._fields),
                int(number),
                examples,
                collation=", ".join(sorted({text.collation for text in self._texts.values()}))
                or "by its expression",
                fixed_by=fix.name if fix is not None else "",
            )

    def _condition(self) -> Condition | None:
        """The rows to ask about; None where no two can be the same."""
        if self._expressions is not None:
            return self._condition_of(self._expressions)
        present = " AND ".join(f"{column} IS NOT NULL" for column in self._columns.values())
        if self._table.connection.vendor != "sqlite" or self._any(self._beyond_ascii()):
            return Condition(present)
        if not self._any(" OR ".join(self._folds(field) for field in self._texts)):
            return None
        folded = ", ".join(
            f"LOWER(RTRIM({column}))" if field in self._texts else column
            for field, column in self._columns.items()
        )
        return Condition(
            f"({folded}) IN (SELECT {folded} FROM {self._table.quoted} WHERE {present}"
            f" GROUP BY {folded} HAVING COUNT(*) > 1)"
        )

    def _condition_of(self, expressions: UniqueExpressions) -> Condition | None:
        source = self._table.connection
        parts = expressions.compiled(source)
        present = _present(parts)
        where = present.removeprefix(" WHERE ").replace("%", "%%")
        if source.vendor != "sqlite" or (self._texts and self._any(self._beyond_ascii())):
            return Condition(where)
        same = ", ".join(f"LOWER(RTRIM({part}))" if self._texts else part for part in parts)
        groups = f"SELECT {same} FROM {self._table.quoted}{present} GROUP BY {same}"
        condition = f"({same}) IN ({groups} HAVING COUNT(*) > 1)"
        return Condition(condition.replace("%", "%%")) if self._any(condition) else None

    def _beyond_ascii(self) -> str:
        """Some text has characters other than the printable ones of ASCII."""
        return " OR ".join(f"{self._columns[field]} GLOB '*[^ -~]*'" for field in self._texts)

    def _folds(self, field: Field) -> str:
        column = self._columns[field]
        return f"({column} <> LOWER({column}) OR {column} <> RTRIM({column}))"

    def _any(self, condition: str) -> bool:
        with self._table.connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {self._table.quoted} WHERE {condition} LIMIT 1")
            return cursor.fetchone() is not None

    @contextmanager
    def _temporary_table(self) -> Iterator[str]:
        """Make the table, drop it after; gives the columns to compare by."""
        names = [f"c{number}" for number in range(len(self._fields))]
        compared = names
        connection = self._target.connection
        if self._expressions is not None and connection is not None:
            names = [connection.ops.quote_name(field.column) for field in self._fields]
            compared = self._expressions.compiled(connection)
        types = [self._type(field) for field in self._fields]
        columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
        self._target.query(f"DROP TEMPORARY TABLE IF EXISTS {_TEMPORARY}")
        self._target.query(
            f"CREATE TEMPORARY TABLE {_TEMPORARY} (place__ BIGINT, shown__ LONGTEXT, {columns})"
        )
        try:
            yield ", ".join(compared)
        finally:
            self._target.query(f"DROP TEMPORARY TABLE {_TEMPORARY}")

    def _type(self, field: Field) -> str:
        if field in self._texts:
            return self._texts[field].definition
        kind = self._target.column_type(field) or ""
        # What can be long is no column of a unique index, but may be in an expression.
        if "text" in kind or "json" in kind:
            return "LONGTEXT CHARACTER SET utf8mb4"
        return "LONGBLOB" if "blob" in kind else "VARBINARY(512)"

    def _fill(
        self, condition: Condition, as_text: Callable[[Row, Row], str | None] | None = None
    ) -> None:
        """Put the rows in; with the text of key and values only where it will be asked for."""
        width, places = self._width, count()
        for page in self._table.pages(condition=condition):
            rows = []
            for row in page:
                key, values = row[:width], row[width:]
                if self._fits(values):
                    text = as_text(key, values) if as_text is not None else None
                    rows.append((next(places), text, *values))
            self._target.insert(_TEMPORARY, rows)

    def _fits(self, values: Row) -> bool:
        """Whether a row can be one of the temporary table's; if not, it is found elsewhere."""
        for field, value in zip(self._fields, values, strict=True):
            if isinstance(value, str) and not is_utf8(value):
                return False
            text = self._texts.get(field)
            if text is not None and (not isinstance(value, str) or len(value) > text.length):
                return False
        return True

    def _examples(self, condition: Condition, columns: str) -> list[Example]:
        """The first rows of the first groups."""
        self._target.query(f"DELETE FROM {_TEMPORARY}")
        self._fill(condition, as_text=_told)
        self._target.query("SET SESSION group_concat_max_len = 1000000")
        rows = self._target.query(
            f"SELECT GROUP_CONCAT(shown__ ORDER BY place__ SEPARATOR '\n') FROM {self._asked}"
            f" GROUP BY {columns} HAVING COUNT(*) > 1 ORDER BY MIN(place__) LIMIT {EXAMPLES}"
        )
        lines = [line for (joined,) in rows for line in str(joined).split("\n")]
        return [Example(pk, value) for pk, value in map(json.loads, lines)]


def _present(parts: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(f'{part} IS NOT NULL' for part in parts)}"


def _names(fields: Sequence[Field]) -> str:
    return ", ".join(field.name for field in fields)


def _told(key: Row, values: Row) -> str:
    return json.dumps([_shown(key), _shown(values)])


def _whole(key: Row, values: Row) -> str:
    return json.dumps([*key, *values])


def _shown(values: Row) -> Any:
    return shown(values[0]) if len(values) == 1 else [shown(value) for value in values]
