"""The JSON text of single values, as Django reads it, with nothing lost on the way.

DjangoJSONEncoder truncates datetimes and times to milliseconds; this encoder keeps microseconds.
"""

from __future__ import annotations

import datetime
from base64 import b64encode
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.duration import duration_string

from fixturepipe.databases.text import printable

Values: TypeAlias = Sequence[Any]


class UnserializableError(ValueError):
    """A value that a fixture cannot hold unchanged; the message gives the reason."""


def datetime_text(value: datetime.datetime) -> str:
    """JSON text of a datetime, "Z" for UTC."""
    text = value.isoformat()
    return f'"{text[:-6]}Z"' if text.endswith("+00:00") else f'"{text}"'


def time_texts(times: Values) -> Iterable[str]:
    """JSON texts of times of day. Raises UnserializableError for one with a time zone."""
    if set(map(attrgetter("tzinfo"), times)) != {None}:
        raise UnserializableError("a time of day cannot have a time zone")
    return map('"%s"'.__mod__, map(datetime.time.isoformat, times))


class _LosslessEncoder(DjangoJSONEncoder):
    """DjangoJSONEncoder that keeps microseconds."""

    def default(self, o: Any) -> Any:
        if isinstance(o, datetime.datetime):
            return datetime_text(o)[1:-1]
        if isinstance(o, datetime.time):
            return next(iter(time_texts([o])))[1:-1]
        if isinstance(o, datetime.timedelta):
            return duration_string(o)
        if isinstance(o, (bytes, memoryview)):
            return b64encode(o).decode()
        return super().default(o)


def text_of_raw(raw: Any) -> str:
    """The JSON text of any raw value, also of one that a fixture cannot hold."""
    try:
        return json_of_value(printable(raw) if isinstance(raw, str) else raw)
    except (TypeError, ValueError):
        return json_of_value(str(raw))


json_of_value = _LosslessEncoder(ensure_ascii=False, allow_nan=False).encode
"""The JSON text of one value as Django reads it. Raises TypeError or ValueError if it has none."""
