"""Judgement of JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from fixturepipe.artifacts.jsonguard import is_too_deep
from fixturepipe.check.columntest import (
    ASK,
    BIG_IN_JSON,
    NO_JSON,
    NOT_FINITE,
    NOT_UTF8,
    OTHER_CLASS,
    REFUSED_JSON,
    TOO_LARGE,
    ColumnTest,
    Limits,
    TargetColumn,
    Values,
)
from fixturepipe.check.texts import literal_size
from fixturepipe.databases.fields import Field
from fixturepipe.databases.text import is_utf8
from fixturepipe.fixes.values import Verdict

# An integer of 64 bits or more has 19 digits at least. MariaDB nests 31 levels, MySQL 100.
_LONG_NUMBER = re.compile("[0-9]{19}")
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
        if limits.json_doubles and _LONG_NUMBER.search(joined):
            return False
        return len(joined) < limits.packet // 4

    return ColumnTest(fine, lambda raw: _json_verdict(raw, limits), f"{limits.packet} bytes")


def _json_verdict(raw: Any, limits: Limits) -> Verdict:
    if not isinstance(raw, str):
        return (OTHER_CLASS,)
    if not is_utf8(raw):
        return (NOT_UTF8,)
    if is_too_deep(raw):
        return (REFUSED_JSON,)
    constants: list[str] = []
    infinite: list[str] = []
    integers: list[str] = []
    try:
        json.loads(
            raw,
            parse_constant=constants.append,
            parse_float=_infinite(infinite),
            parse_int=_kept(integers),
        )
    except (ValueError, RecursionError):
        return (NO_JSON,)
    if constants:
        return (NOT_FINITE,)
    if infinite or any(len(i) > _MOST_DIGITS for i in integers):
        return (REFUSED_JSON,)
    if limits.json_doubles and not all(-(2**63) <= int(i) < 2**64 for i in integers):
        return (BIG_IN_JSON,)
    return (TOO_LARGE,) if literal_size(raw) > limits.packet else (ASK,)


def _infinite(found: list[str]) -> Callable[[str], float]:
    """Collects the numbers that are too large for a float, which Python reads as infinity."""

    def parse(number: str) -> float:
        value = float(number)
        if math.isinf(value):
            found.append(number)
        return value

    return parse


def _kept(integers: list[str]) -> Callable[[str], int]:
    """Collects the integers that may be too large, as text: int() refuses very long ones."""

    def parse(digits: str) -> int:
        if len(digits) > 18:
            integers.append(digits[: _MOST_DIGITS + 1])
        return 0

    return parse
