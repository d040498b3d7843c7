"""The test of one column's values: a quick look at many, a verdict on each.

A column's values are first looked at together, at the speed of the interpreter's own loops; only
if that look is not satisfied, each is judged, as Django reads it. Where servers differ (JSON,
UUIDs), only the target knows (`ASK`).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fixturepipe.databases.fields import Field
from fixturepipe.fixes.values import Verdict

Values = Sequence[Any]
Look = Callable[[Values], bool]
Judge = Callable[[Any], Verdict]

FINE: Verdict = ()
# Only the target's server knows whether the value is fine.
ASK = "ask"


class Wrong:
    """The ids of the findings that a value can be a case of."""

    TOO_LONG, OUT_OF_RANGE, NEGATIVE, TOO_MANY_DIGITS = "FP101", "FP102", "FP103", "FP104"
    UNREADABLE, EARLY, OTHER_CLASS, NO_BOOLEAN = "FP105", "FP106", "FP107", "FP108"
    NO_JSON, NOT_FINITE, NOT_UTF8, REFUSED_UUID = "FP109", "FP110", "FP111", "FP112"
    NUL, TOO_LARGE, ZERO, ROUNDED = "FP113", "FP114", "FP115", "FP116"
    BIG_IN_JSON, REFUSED_JSON, NULL, SINGLE = "FP117", "FP118", "FP119", "FP120"
    ZONED, OTHER_ADDRESS, LOST_HOUR, REFUSED_VALUE = "FP121", "FP122", "FP123", "FP124"
    CHANGED, FLOAT_IN_JSON = "FP125", "FP126"


# What the target's refusal means, by the type of the field.
REFUSED: Mapping[str, str] = {"JSONField": Wrong.REFUSED_JSON, "UUIDField": Wrong.REFUSED_UUID}

# A statement holds more than the value; the rest fits into this many bytes.
STATEMENT = 4_096


@dataclass(frozen=True)
class Limits:
    """What the target's server takes.

    `packet` is max_allowed_packet in bytes. `json_doubles` says that JSON integers beyond 64 bits
    lose digits, `native_uuid` that UUIDs have a column type of their own.
    """

    packet: int = 16 << 20
    json_doubles: bool = False
    native_uuid: bool = False


@dataclass(frozen=True)
class TargetColumn:
    """A column of the target: its type in SQL, None if unknown, and its server's limits.

    `unusual` says that only the server knows what a column of this type takes.
    `zones` are the time zones in which the source's connection reads a datetime without one, and
    the target's stores it; None if they are the same.
    """

    type: str | None = None
    limits: Limits = Limits()
    zones: tuple[datetime.tzinfo, datetime.tzinfo] | None = None
    unusual: bool = False


@dataclass(frozen=True)
class ColumnTest:
    """How to judge the values of one column, none of them NULL.

    `fine` returns True only if nothing is wrong with any of the values, and may raise anything if
    something is. `judge` gives the ids of what is wrong with one value and raises nothing. `limit`
    describes the column in findings. `suspect` is a condition on {c} in SQLite's SQL that holds for
    every wrong value and few others; it names the storage class, since a comparison alone applies
    the column's affinity (https://www.sqlite.org/datatype3.html). `length` is the number of
    characters that a text column takes, None if it has no such limit.
    """

    fine: Look
    judge: Judge
    limit: str = ""
    suspect: str = ""
    length: int | None = None


def null_verdict(field: Field) -> Verdict:
    """What is wrong with NULL in the field's column."""
    return FINE if field.null else (Wrong.NULL,)


def suspects(*classes: str, or_if: Sequence[str] = ()) -> str:
    """The condition for `ColumnTest.suspect`: a value of another storage class than these, or for
    which one of the conditions holds.
    """
    known = ", ".join(f"'{name}'" for name in classes)
    conditions = " OR ".join([f"TYPEOF({{c}}) NOT IN ({known})", *or_if])
    return f"({{c}} IS NOT NULL AND ({conditions}))"
