"""Which test the values of a field's column get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fixturepipe.check import jsonvalues, numbers, texts, times
from fixturepipe.check.columntest import ASK, ColumnTest, TargetColumn, Wrong
from fixturepipe.databases.fields import INTEGERS, Field, root_field
from fixturepipe.fixes.values import Verdict

_TESTS: Mapping[str, Callable[[Field, TargetColumn], ColumnTest]] = {
    **dict.fromkeys(INTEGERS, numbers.integer),
    "BinaryField": texts.binary,
    "BooleanField": numbers.boolean,
    "DateField": times.date,
    "DateTimeField": times.date_time,
    "DecimalField": numbers.decimal_numbers,
    "DurationField": numbers.duration,
    "FloatField": numbers.floats,
    "GenericIPAddressField": texts.address,
    "JSONField": jsonvalues.json_text,
    "TimeField": times.time,
    "UUIDField": texts.uuids,
}


def _any_column(kind: str) -> ColumnTest:
    """The test of a column that is of no kind above; bytes and text are not the same there."""
    is_binary = "blob" in kind.lower() or "binary" in kind.lower()

    def judge(raw: Any) -> Verdict:
        return (Wrong.OTHER_CLASS,) if is_binary and isinstance(raw, str) else (ASK,)

    return ColumnTest(lambda _: False, judge, limit=kind)


def column_test(field: Field, column: TargetColumn) -> ColumnTest:
    """The test of a field's column; what is of no kind above is stored as text."""
    kind = root_field(field).get_internal_type()
    if not column.unusual:
        return _TESTS.get(kind, texts.text)(field, column)
    if kind not in _TESTS:
        return _any_column(column.type or "")
    test = _TESTS[kind](field, replace(column, type=None))
    return replace(
        test,
        fine=lambda _: False,
        judge=lambda raw: test.judge(raw) or (ASK,),
        limit=column.type or "",
        suspect="",
    )
