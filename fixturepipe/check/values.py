"""What can be wrong with the values of one column: a quick look at many, a verdict on each.

A column's values are first looked at together, at the speed of the interpreter's own loops;
only where that look is not satisfied, each is judged, as Django reads it. Where servers differ
(JSON, UUIDs), the value is one to ask the target about (`ASK`).
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.mysql.operations import DatabaseOperations as MySQLOperations
from django.utils.dateparse import parse_date, parse_datetime, parse_time

from fixturepipe.artifacts.fixtures import is_too_deep
from fixturepipe.databases.fields import Field, root_field
from fixturepipe.databases.text import is_utf8
from fixturepipe.fixes.values import Verdict

Values = Sequence[Any]
Look = Callable[[Values], bool]
Judge = Callable[[Any], Verdict]

FINE: Verdict = ()
# The target's server has the last word on the value.
ASK = "ask"

_TOO_LONG, _OUT_OF_RANGE, _NEGATIVE, _TOO_MANY_DIGITS = "FP101", "FP102", "FP103", "FP104"
_UNREADABLE, _EARLY, _OTHER_CLASS, _NO_BOOLEAN, _NO_JSON = (
    "FP105",
    "FP106",
    "FP107",
    "FP108",
    "FP109",
)
_NOT_FINITE, _NOT_UTF8, _NUL, _TOO_LARGE, _ZERO = "FP110", "FP111", "FP113", "FP114", "FP115"
_ROUNDED, _BIG_IN_JSON, _NULL, _SINGLE, _ZONED = "FP116", "FP117", "FP119", "FP120", "FP121"
_OTHER_ADDRESS = "FP122"
# What the target's refusal means, by the type of field it was asked about.
_REFUSED_JSON = "FP118"
REFUSED: Mapping[str, str] = {"JSONField": _REFUSED_JSON, "UUIDField": "FP112"}

# A statement holds more than the value; the rest fits into this many bytes.
_STATEMENT = 4_096


@dataclass(frozen=True)
class Limits:
    """What the target's server takes.

    `packet` is max_allowed_packet in bytes. `json_doubles` says that JSON integers beyond 64
    bits lose digits; `native_uuid` that UUIDs are a column type with a mind of its own.
    """

    packet: int = 16 << 20
    json_doubles: bool = False
    native_uuid: bool = False


@dataclass(frozen=True)
class ColumnTest:
    """`fine` may say of a column's values, none of them NULL, that nothing is wrong with any;
    `judge` gives the ids of what is wrong with one. Both raise nothing but what `fine` may:
    any exception there means no. `limit` is what the findings tell of the column. `suspect` is
    a condition on {c} in SQLite's SQL that holds for every value in question and few others;
    it names the storage class, since a comparison alone goes by the column's affinity
    (https://www.sqlite.org/datatype3.html). `length` is the characters that a text column takes,
    None where it has no such limit.
    """

    fine: Look
    judge: Judge
    limit: str = ""
    suspect: str = ""
    length: int | None = None


def column_test(field: Field, limits: Limits, column_type: str | None) -> ColumnTest:
    """The test of a field's column, whose type in the target is `column_type`."""
    root = root_field(field)
    kind = root.get_internal_type()
    if kind in MySQLOperations.integer_field_ranges:
        return _integer(field, kind, column_type)
    make = _TESTS.get(kind)
    if make is not None:
        return make(root, limits)
    if kind == "FloatField":
        return _float(column_type)
    if kind == "GenericIPAddressField":
        return _address(root, _text(column_type, limits))
    return _text(column_type, limits)


def null_verdict(field: Field) -> Verdict:
    """What is wrong with NULL in the field's column."""
    return FINE if field.null else (_NULL,)


def _integer(field: Field, kind: str, column_type: str | None) -> ColumnTest:
    ranges = (MySQLOperations.integer_field_ranges[kind], _column_range(column_type))
    low, high = max(r[0] for r in ranges), min(r[1] for r in ranges)
    counts_up = "AutoField" in field.get_internal_type()

    def fine(raws: Values) -> bool:
        in_range = low <= min(raws) and max(raws) <= high
        return in_range and set(map(type, raws)) == {int} and not (counts_up and 0 in raws)

    def judge(raw: Any) -> Verdict:
        if type(raw) is not int:
            return (_OTHER_CLASS,)
        if not low <= raw <= high:
            return (_NEGATIVE if raw < 0 == low else _OUT_OF_RANGE,)
        return (_ZERO,) if counts_up and raw == 0 else FINE

    outside = f"{{c}} NOT BETWEEN {low} AND {min(high, 2**63 - 1)}"
    suspect = _not_stored_as("integer", f"{outside}{' OR {c} = 0' * counts_up}")
    return ColumnTest(fine, judge, f"{low} to {high}", suspect)


# https://dev.mysql.com/doc/refman/9.4/en/integer-types.html
_BYTES = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "integer": 4, "bigint": 8}


def _column_range(column_type: str | None) -> tuple[int, int]:
    """The least and the greatest number that an integer column takes; of others, of 64 bits."""
    written = (column_type or "").lower()
    values = 1 << 8 * _BYTES.get(written.partition("(")[0].partition(" ")[0], 8)
    return (0, values - 1) if "unsigned" in written else (-values // 2, values // 2 - 1)


def _not_stored_as(classes: str, otherwise: str = "0") -> str:
    return f"({{c}} IS NOT NULL AND (TYPEOF({{c}}) NOT IN ('{classes}') OR {otherwise}))"


def _boolean(_: Field, __: Limits) -> ColumnTest:
    def judge(raw: Any) -> Verdict:
        return FINE if type(raw) in (int, bool) and raw in (0, 1) else (_NO_BOOLEAN,)

    def fine(raws: Values) -> bool:
        return set(map(type, raws)) == {int} and set(raws) <= {0, 1}

    return ColumnTest(fine, judge, suspect=_not_stored_as("integer", "{c} NOT IN (0, 1)"))


def _decimal(root: Field, _: Limits) -> ColumnTest:
    assert isinstance(root, models.DecimalField)
    places, digits = root.decimal_places, root.max_digits
    # As Django reads a decimal from SQLite (DatabaseOperations.get_decimalfield_converter).
    read = decimal.Context(prec=15).create_decimal_from_float
    unit, context = decimal.Decimal(1).scaleb(-places), decimal.Context(prec=digits)
    # SQLite's numbers have 15 digits: beyond these, each is judged.
    most = 10 ** (min(digits, 15) - places)

    def fine(raws: Values) -> bool:
        if not set(map(type, raws)) <= {int, float}:
            return False
        return -most < min(raws) and max(raws) < most and [round(v, places) for v in raws] == raws

    def judge(raw: Any) -> Verdict:
        if isinstance(raw, decimal.Decimal):
            return FINE if raw.is_finite() else (_NOT_FINITE,)
        if type(raw) not in (int, float):
            return (_OTHER_CLASS,)
        if not math.isfinite(raw):
            return (_NOT_FINITE,)
        try:
            kept = read(raw).quantize(unit, context=context)
        except decimal.InvalidOperation:
            return (_TOO_MANY_DIGITS,)
        return FINE if kept == read(raw) else (_ROUNDED,)

    # ROUND is quick for whole numbers; what is lost in multiplying lies below the 15 digits.
    scaled = f"({{c}} * 1e{places})"
    more_places = f"ABS({scaled} - ROUND({scaled})) > ABS({scaled}) * 3e-15"
    # The columns' affinity is NUMERIC: whole numbers are kept as integers.
    # ABS fails for the least integer.
    outside = f"{{c}} <= -{most} OR {{c}} >= {most}"
    suspect = _not_stored_as("integer', 'real", f"{outside} OR {more_places}")
    limit = f"{digits} digits, {places} of them after the point"
    return ColumnTest(fine, judge, limit, suspect)


def _float(column_type: str | None) -> ColumnTest:
    single = (column_type or "").lower().startswith("float")

    def judge(raw: Any) -> Verdict:
        if type(raw) not in (int, float):
            return (_OTHER_CLASS,)
        if not math.isfinite(raw):
            return (_NOT_FINITE,)
        return (_SINGLE,) if single and float(f"{raw:.6g}") != raw else FINE

    def fine(raws: Values) -> bool:
        return set(map(type, raws)) <= {int, float} and all(map(math.isfinite, raws)) and not single

    infinite = "ABS({c} * 1.0) > 1.7976931348623157e308"
    suspect = "" if single else _not_stored_as("integer', 'real", infinite)
    return ColumnTest(fine, judge, suspect=suspect)


def _moment(kind: type, parse: Callable[[str], Any]) -> Callable[[Field, Limits], ColumnTest]:
    read: Callable[[Any], Any] = kind.fromisoformat  # type: ignore[attr-defined]
    dated, is_moment = issubclass(kind, datetime.date), kind is datetime.datetime
    # A moment of the last day may lie in the year 10000 in UTC.
    last = "9999-12-31" if is_moment else ":"

    def fine(raws: Values) -> bool:
        # What is not ISO 8601 raises; Django asks the same function first.
        moments = list(map(read, raws))
        zones_are_fine = kind is datetime.date or (is_moment and settings.USE_TZ)
        if not zones_are_fine and any(moment.tzinfo for moment in moments):
            return False
        return not dated or bool(min(raws) >= "1000" and max(raws) < last)

    def judge(raw: Any) -> Verdict:
        if not isinstance(raw, (str, kind)):
            return (_OTHER_CLASS,)
        # Django's parser of times drops the zone that it reads.
        value: Any = (_parsed(read, raw) or _parsed(parse, raw)) if isinstance(raw, str) else raw
        if value is None or (is_moment and not _is_in_utc(value)):
            return (_UNREADABLE,)
        if getattr(value, "tzinfo", None) is not None and not (is_moment and settings.USE_TZ):
            return (_ZONED,)
        return (_EARLY,) if dated and value.year < 1000 else FINE

    return lambda _, __: ColumnTest(fine, judge)


def _is_in_utc(moment: datetime.datetime) -> bool:
    """Whether UTC, in which the target keeps moments that have a zone, has a date for it."""
    try:
        return moment.tzinfo is None or bool(moment.astimezone(datetime.UTC))
    except OverflowError:
        return False


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        return None


def _duration(_: Field, __: Limits) -> ColumnTest:
    def judge(raw: Any) -> Verdict:
        if type(raw) is datetime.timedelta:
            return FINE if abs(raw) <= _LONGEST else (_OUT_OF_RANGE,)
        return FINE if type(raw) is int else (_OTHER_CLASS,)

    def fine(raws: Values) -> bool:
        return set(map(type, raws)) == {int}

    return ColumnTest(fine, judge, suspect=_not_stored_as("integer"))


# The target holds microseconds in 64 bits.
_LONGEST = datetime.timedelta(microseconds=2**63 - 1)

# IPv4 addresses are loaded as they are, whatever they look like but for white space around.
_PLAIN_ADDRESSES = re.compile(r"(?:[0-9.]+\n)*")


def _address(root: Field, as_text: ColumnTest) -> ColumnTest:
    """An IP address: what the field makes of text when it is loaded."""

    def fine(raws: Values) -> bool:
        if not as_text.fine(raws):
            return False
        # Those of version 6 take long, and come again and again.
        plain = _PLAIN_ADDRESSES.fullmatch("".join([f"{raw}\n" for raw in raws]))
        return bool(plain) or not any(map(judge, set(raws)))

    def judge(raw: Any) -> Verdict:
        verdict = as_text.judge(raw)
        if verdict or not isinstance(raw, str):
            return verdict
        try:
            loaded = root.get_prep_value(root.to_python(raw))
        except ValidationError:
            return (_UNREADABLE,)
        if not loaded:
            return (_UNREADABLE,)  # the column gets NULL
        return FINE if loaded == raw else (_OTHER_ADDRESS,)

    return replace(as_text, fine=fine, judge=judge)


# Random UUIDs and those of versions 1 to 5 are taken everywhere.
_PLAIN_UUIDS = re.compile("(?:[0-9a-f]{12}[1-5][0-9a-f]{3}[89ab][0-9a-f]{15},)*")


def _uuid(_: Field, limits: Limits) -> ColumnTest:
    def judge(raw: Any) -> Verdict:
        if not isinstance(raw, (str, uuid.UUID)):
            return (_OTHER_CLASS,)
        try:
            value = uuid.UUID(str(raw))
        except ValueError:
            return (_UNREADABLE,)
        known = value.variant == uuid.RFC_4122 and value.version in range(1, 6)
        return FINE if known or not limits.native_uuid else (ASK,)

    return ColumnTest(lambda raws: bool(_PLAIN_UUIDS.fullmatch(",".join(raws) + ",")), judge)


def _binary(_: Field, limits: Limits) -> ColumnTest:
    # A literal of binary is hexadecimal: two characters a byte.
    most = (limits.packet - _STATEMENT) // 2

    def judge(raw: Any) -> Verdict:
        if not isinstance(raw, (bytes, memoryview)):
            return (_OTHER_CLASS,)
        return (_TOO_LARGE,) if len(raw) > most else FINE

    def fine(raws: Values) -> bool:
        return set(map(type, raws)) == {bytes} and max(map(len, raws)) <= most

    return ColumnTest(fine, judge, f"{limits.packet} bytes")


# An integer of 64 bits or more has 19 digits at least. MariaDB nests 31 levels, MySQL 100.
_LONG_NUMBER = re.compile("[0-9]{19}")
_LEVELS = 31
# Python reads integers of so many characters (sys.get_int_max_str_digits); no site gets more.
_MOST_DIGITS = 4_300


def _json(_: Field, limits: Limits) -> ColumnTest:
    decode = msgspec.json.Decoder().decode

    def fine(raws: Values) -> bool:
        # The decoder raises for what is not JSON, NaN, infinity and half a surrogate pair.
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
        return (_OTHER_CLASS,)
    if not is_utf8(raw):
        return (_NOT_UTF8,)
    if is_too_deep(raw):
        return (_REFUSED_JSON,)
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
        return (_NO_JSON,)
    if constants:
        return (_NOT_FINITE,)
    if infinite or any(len(i) > _MOST_DIGITS for i in integers):
        return (_REFUSED_JSON,)
    if limits.json_doubles and not all(-(2**63) <= int(i) < 2**64 for i in integers):
        return (_BIG_IN_JSON,)
    return (_TOO_LARGE,) if _literal_size(raw) > limits.packet else (ASK,)


def _infinite(found: list[str]) -> Callable[[str], float]:
    """Keeps the numbers that are too large for a float, which Python reads as infinity."""

    def parse(number: str) -> float:
        value = float(number)
        if math.isinf(value):
            found.append(number)
        return value

    return parse


def _kept(integers: list[str]) -> Callable[[str], int]:
    """Keeps the integers that may be too long, as text: int() refuses very long ones."""

    def parse(digits: str) -> int:
        if len(digits) > 18:
            integers.append(digits[: _MOST_DIGITS + 1])
        return 0

    return parse


def _text(column_type: str | None, limits: Limits) -> ColumnTest:
    """Anything that is stored as text, custom fields included."""
    written = re.match(r"(?:var)?char\((\d+)\)(?!\[)", column_type or "", re.IGNORECASE)
    most = int(written[1]) if written else None
    is_text = written is not None or "text" in (column_type or "").lower()
    length = most if most is not None else (limits.packet - _STATEMENT) // 4

    def fine(raws: Values) -> bool:
        if set(map(type, raws)) != {str} or max(map(len, raws)) > length:
            return False
        joined = "".join(raws)
        return "\x00" not in joined and (joined.isascii() or bool(joined.encode()))

    def judge(raw: Any) -> Verdict:
        if not isinstance(raw, str):
            return (_OTHER_CLASS,) if is_text else FINE
        if not is_utf8(raw):
            return (_NOT_UTF8,)
        found = [_NUL] if "\x00" in raw else []
        if most is not None and len(raw) > most:
            found.append(_TOO_LONG)
        if most is None and _literal_size(raw) > limits.packet:
            found.append(_TOO_LARGE)
        return found

    limit = f"{most} characters" if most is not None else f"{limits.packet} bytes"
    return ColumnTest(fine, judge, limit, length=most)


def _literal_size(text: str) -> int:
    """The bytes of a statement that holds the text: quotes and backslashes are escaped."""
    return len(text.encode()) + text.count("'") + text.count("\\") + _STATEMENT


_TESTS: Mapping[str, Callable[[Field, Limits], ColumnTest]] = {
    "BinaryField": _binary,
    "BooleanField": _boolean,
    "DateField": _moment(datetime.date, parse_date),
    "DateTimeField": _moment(datetime.datetime, parse_datetime),
    "DecimalField": _decimal,
    "DurationField": _duration,
    "JSONField": _json,
    "TimeField": _moment(datetime.time, parse_time),
    "UUIDField": _uuid,
}
