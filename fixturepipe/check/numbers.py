"""Judgement of numbers: integers, booleans, decimals, floats, durations."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

from django.db import models

from fixturepipe.check.columntest import FINE, ColumnTest, TargetColumn, Values, Wrong, suspects
from fixturepipe.databases.decimals import SQLiteDecimals
from fixturepipe.databases.fields import Field, root_field
from fixturepipe.fixes.values import Verdict


def integer(field: Field, column: TargetColumn) -> ColumnTest:
    """Whole numbers, in the range that the target's column has."""
    low, high = _column_range(column.type)
    counts_up = "AutoField" in field.get_internal_type()

    def fine(raws: Values) -> bool:
        in_range = low <= min(raws) and max(raws) <= high
        return in_range and set(map(type, raws)) == {int} and not (counts_up and 0 in raws)

    def judge(raw: Any) -> Verdict:
        if type(raw) is not int:
            return (Wrong.OTHER_CLASS,)
        if not low <= raw <= high:
            return (Wrong.NEGATIVE if raw < 0 == low else Wrong.OUT_OF_RANGE,)
        return (Wrong.ZERO,) if counts_up and raw == 0 else FINE

    outside = f"{{c}} NOT BETWEEN {low} AND {min(high, 2**63 - 1)}"
    suspect = suspects("integer", or_if=[outside, "{c} = 0"] if counts_up else [outside])
    return ColumnTest(fine, judge, f"{low} to {high}", suspect)


# https://dev.mysql.com/doc/refman/9.4/en/integer-types.html
_BYTES = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "integer": 4, "bigint": 8}


def _column_range(column_type: str | None) -> tuple[int, int]:
    """The range of an integer column; that of 64 bits for any other column."""
    written = (column_type or "").lower()
    values = 1 << 8 * _BYTES.get(written.partition("(")[0].partition(" ")[0], 8)
    return (0, values - 1) if "unsigned" in written else (-values // 2, values // 2 - 1)


def boolean(_: Field, __: TargetColumn) -> ColumnTest:
    """0 and 1."""

    def judge(raw: Any) -> Verdict:
        return FINE if type(raw) in (int, bool) and raw in (0, 1) else (Wrong.NO_BOOLEAN,)

    def fine(raws: Values) -> bool:
        return set(map(type, raws)) == {int} and set(raws) <= {0, 1}

    return ColumnTest(fine, judge, suspect=suspects("integer", or_if=["{c} NOT IN (0, 1)"]))


def decimal_numbers(field: Field, _: TargetColumn) -> ColumnTest:
    """Decimals with the field's digits."""
    root = root_field(field)
    assert isinstance(root, models.DecimalField)
    places, digits = root.decimal_places, root.max_digits
    decimals = SQLiteDecimals(field)
    # 15 digits of a float are certain: each larger number is judged.
    most = 10 ** (min(digits, 15) - places)

    def fine(raws: Values) -> bool:
        if not set(map(type, raws)) <= {int, float}:
            return False
        return -most < min(raws) and max(raws) < most and [round(v, places) for v in raws] == raws

    def judge(raw: Any) -> Verdict:
        if isinstance(raw, decimal.Decimal):
            return FINE if raw.is_finite() else (Wrong.NOT_FINITE,)
        if type(raw) not in (int, float):
            return (Wrong.OTHER_CLASS,)
        if not math.isfinite(raw):
            return (Wrong.NOT_FINITE,)
        try:
            kept = decimals.value(raw)
        except decimal.InvalidOperation:
            return (Wrong.TOO_MANY_DIGITS,)
        return FINE if kept == decimals.exact(raw) else (Wrong.ROUNDED,)

    # ROUND is quick for whole numbers; the multiplication loses nothing of the 15 digits.
    scaled = f"({{c}} * 1e{places})"
    more_places = f"ABS({scaled} - ROUND({scaled})) > ABS({scaled}) * 3e-15"
    # With the affinity NUMERIC whole numbers are stored as integers; ABS fails for the lowest one.
    outside = [f"{{c}} <= -{most}", f"{{c}} >= {most}"]
    suspect = suspects("integer", "real", or_if=[*outside, more_places])
    limit = f"{digits} digits, {places} of them decimal places"
    return ColumnTest(fine, judge, limit, suspect)


def floats(_: Field, column: TargetColumn) -> ColumnTest:
    """Finite floats; a column of single precision takes those of six digits."""
    single = (column.type or "").lower().startswith("float")

    def judge(raw: Any) -> Verdict:
        if type(raw) not in (int, float):
            return (Wrong.OTHER_CLASS,)
        if not math.isfinite(raw):
            return (Wrong.NOT_FINITE,)
        return (Wrong.SINGLE,) if single and float(f"{raw:.6g}") != raw else FINE

    def fine(raws: Values) -> bool:
        return set(map(type, raws)) <= {int, float} and all(map(math.isfinite, raws)) and not single

    infinite = "ABS({c} * 1.0) > 1.7976931348623157e308"
    suspect = "" if single else suspects("integer", "real", or_if=[infinite])
    return ColumnTest(fine, judge, suspect=suspect)


def duration(_: Field, __: TargetColumn) -> ColumnTest:
    """Durations, which SQLite stores as microseconds."""

    def judge(raw: Any) -> Verdict:
        if type(raw) is datetime.timedelta:
            return FINE if abs(raw) <= _LONGEST else (Wrong.OUT_OF_RANGE,)
        return FINE if type(raw) is int else (Wrong.OTHER_CLASS,)

    def fine(raws: Values) -> bool:
        return set(map(type, raws)) == {int}

    return ColumnTest(fine, judge, suspect=suspects("integer"))


# The target stores microseconds in 64 bits.
_LONGEST = datetime.timedelta(microseconds=2**63 - 1)
