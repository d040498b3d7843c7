"""Judgement of JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from fixturepipe.artifacts.jsonguard import is_too_deep
from fixturepipe.check.columntest import ASK, ColumnTest, Limits, TargetColumn, Values, Wrong
from fixturepipe.check.texts import literal_size
from fixturepipe.databases.fields import Field
from fixturepipe.databases.text import is_utf8
from fixturepipe.fixes.values import Verdict

# An integer of 64 bits or more has 19 digits at least, a float as Python writes it 17 at most.
# MariaDB nests 31 levels, MySQL 100.
_LONG_NUMBER = re.compile("[1-9][0-9.]{18}")
_LEVELS = 31
# Python reads integers of so many characters (sys.get_int_max_str_digits).
_MOST_DIGITS = 4_300


def json_text(_: Field, column: TargetColumn) -> ColumnTest:
    """JSON that Python, a fixture and the target's server can read."""
    limits = column.limits
    decode = msgspec.json.Decoder().decode

    def fine(raws: Values) -> bool:
        # The decoder raises for what is not JSON, NaN, infinity and lone surrogates.
        for raw in raws:
            decode(raw)
            if len(raw) > 2 * _LEVELS and raw.count("[") + raw.count("{") > _LEVELS:
                return False
        joined = ",".join(raws)
        return len(joined) < limits.packet // 4 and not _LONG_NUMBER.search(joined)

    return ColumnTest(fine, lambda raw: _json_verdict(raw, limits), f"{limits.packet} bytes")


def _json_verdict(raw: Any, limits: Limits) -> Verdict:
    if not isinstance(raw, str):
        return (Wrong.OTHER_CLASS,)
    if not is_utf8(raw):
        return (Wrong.NOT_UTF8,)
    if is_too_deep(raw):
        return (Wrong.REFUSED_JSON,)
    constants: list[str] = []
    floats: list[str] = []
    integers: list[str] = []
    try:
        json.loads(
            raw,
            parse_constant=constants.append,
            parse_float=_kept(floats, lambda number: len(number) > 17 or "e" in number.lower()),
            parse_int=_kept(integers, lambda digits: len(digits) > 18),
        )
    except (ValueError, RecursionError):
        return (Wrong.NO_JSON,)
    if constants:
        return (Wrong.NOT_FINITE,)
    if any(math.isinf(float(f)) for f in floats) or any(len(i) > _MOST_DIGITS for i in integers):
        return (Wrong.REFUSED_JSON,)
    if limits.json_doubles and not all(-(2**63) <= int(i) < 2**64 for i in integers):
        return (Wrong.BIG_IN_JSON,)
    if literal_size(raw) > limits.packet:
        return (Wrong.TOO_LARGE,)
    return (Wrong.FLOAT_IN_JSON, ASK) if any(map(_is_rounded, floats)) else (ASK,)


def _is_rounded(number: str) -> bool:
    """Whether Python's float of the number is another one in decimal notation."""
    try:
        return Decimal(number) != Decimal(repr(float(number)))
    except InvalidOperation:
        return True  # an exponent that is too small for either


def _kept(numbers: list[str], is_extreme: Callable[[str], bool]) -> Callable[[str], int]:
    """Collects the numbers that may be too large or too precise, as text: int() refuses some."""

    def parse(number: str) -> int:
        if is_extreme(number):
            numbers.append(number)
        return 0

    return parse
