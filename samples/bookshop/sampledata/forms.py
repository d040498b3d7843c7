"""Values in the form in which Django stores them in SQLite."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from typing import Any

# The sample never asks what time it is: everything happened in these years.
# Without a time zone, as Django hands UTC to SQLite.
OPENED = datetime(2016, 3, 1, 8, 30)  # noqa: DTZ001
SPAN = timedelta(days=3400)
SPAN_US = SPAN // timedelta(microseconds=1)
DAY_US = 86_400_000_000


def timestamp(since_opening: int) -> str:
    """A UTC datetime, `since_opening` in microseconds."""
    return str(OPENED + timedelta(microseconds=since_opening))


def day(since_opening: int) -> str:
    """A date, `since_opening` in days; negative for birthdays."""
    return str(date.fromordinal(OPENED.toordinal() + since_opening))


def clock(since_midnight: int) -> str:
    """A time of day, `since_midnight` in microseconds."""
    seconds, microsecond = divmod(since_midnight, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return str(time(hour, minute, second, microsecond))


def decimal(units: int, places: int) -> str:
    """A decimal from its smallest units: `decimal(1250, 2)` is 12.50.

    Text, as Django hands it over: the column's affinity makes it a number.
    """
    whole, fraction = divmod(units, 10**places)
    return f"{whole}.{fraction:0{places}}"


def json_text(value: Any) -> str:
    return json.dumps(value)
