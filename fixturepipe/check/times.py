"""Judgement of dates, times and datetimes."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime, parse_time

from fixturepipe.check.columntest import FINE, ColumnTest, TargetColumn, Values, Wrong
from fixturepipe.databases.fields import Field
from fixturepipe.fixes.values import Verdict

_MORE_DIGITS = re.compile(r"\.\d{6}0*[1-9]")


def date(_: Field, __: TargetColumn) -> ColumnTest:
    """Dates."""
    return _test(datetime.date, parse_date)


def time(_: Field, __: TargetColumn) -> ColumnTest:
    """Times of day, which have no time zone."""
    return _test(datetime.time, parse_time)


def date_time(_: Field, column: TargetColumn) -> ColumnTest:
    """Datetimes, which have a time zone only while USE_TZ is on."""
    test = _test(datetime.datetime, parse_datetime)
    if column.zones is None:
        return test
    ours, theirs = column.zones

    def is_kept(raw: Any) -> bool:
        """Whether the target's local time names the same instant as the source's."""
        value: Any = parse_datetime(raw) if isinstance(raw, str) else raw
        instant = (value if value.tzinfo else value.replace(tzinfo=ours)).astimezone(datetime.UTC)
        local = instant.astimezone(theirs).replace(tzinfo=None, fold=0)
        return bool(local.replace(tzinfo=theirs).astimezone(datetime.UTC) == instant)

    def fine(raws: Values) -> bool:
        return test.fine(raws) and all(map(is_kept, raws))

    def judge(raw: Any) -> Verdict:
        return test.judge(raw) or (FINE if is_kept(raw) else (Wrong.LOST_HOUR,))

    return replace(test, fine=fine, judge=judge)


def _test(kind: type, parse: Callable[[str], Any]) -> ColumnTest:
    read: Callable[[Any], Any] = kind.fromisoformat  # type: ignore[attr-defined]
    dated, is_datetime = issubclass(kind, datetime.date), kind is datetime.datetime
    # A datetime of the last day may be in the year 10000 in UTC.
    last = "9999-12-31" if is_datetime else ":"
    # As text with microseconds. Python reads more digits, and drops them.
    longest = len("2024-01-01 12:00:00.123456") if dated else len("12:00:00.123456")

    def fine(raws: Values) -> bool:
        # What is not ISO 8601 raises; Django calls the same function first.
        values = list(map(read, raws))
        zones_are_fine = kind is datetime.date or (is_datetime and settings.USE_TZ)
        if not zones_are_fine and any(value.tzinfo for value in values):
            return False
        if max(map(len, raws)) > longest:
            return False
        return not dated or bool(min(raws) >= "1000" and max(raws) < last)

    def judge(raw: Any) -> Verdict:
        if not isinstance(raw, (str, kind)):
            return (Wrong.OTHER_CLASS,)
        # Django's parser of times drops the zone that it reads.
        value: Any = (_parsed(read, raw) or _parsed(parse, raw)) if isinstance(raw, str) else raw
        if value is None or (is_datetime and not _is_in_utc(value)):
            return (Wrong.UNREADABLE,)
        if getattr(value, "tzinfo", None) is not None and not (is_datetime and settings.USE_TZ):
            return (Wrong.ZONED,)
        if isinstance(raw, str) and _MORE_DIGITS.search(raw):
            return (Wrong.ROUNDED,)
        return (Wrong.EARLY,) if dated and value.year < 1000 else FINE

    return ColumnTest(fine, judge, "" if kind is datetime.date else "microseconds")


def _is_in_utc(value: datetime.datetime) -> bool:
    """Whether a datetime with a time zone exists in UTC, in which the target stores it."""
    try:
        return value.tzinfo is None or bool(value.astimezone(datetime.UTC))
    except OverflowError:
        return False


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        return None
