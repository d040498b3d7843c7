"""Which test the values of a field's column get."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fixturepipe.check import jsonvalues, numbers, texts, times
from fixturepipe.check.columntest import ColumnTest, TargetColumn
from fixturepipe.databases.fields import INTEGERS, Field, root_field

_TESTS: Mapping[str, Callable[[Field, TargetColumn], ColumnTest]] = {
    **dict.fromkeys(INTEGERS, numbers.integer),
    "BinaryField": texts.binary,
    "BooleanField": numbers.boolean,
    "DateField": times.date,
    "DateTimeField": times.date_time,
    "DecimalField": numbers.decimals,
    "DurationField": numbers.duration,
    "FloatField": numbers.floats,
    "GenericIPAddressField": texts.address,
    "JSONField": jsonvalues.json_text,
    "TimeField": times.time,
    "UUIDField": texts.uuids,
}


def column_test(field: Field, column: TargetColumn) -> ColumnTest:
    """The test of a field's column; what is of no kind above is stored as text."""
    return _TESTS.get(root_field(field).get_internal_type(), texts.text)(field, column)
