"""JSON text of database values, a column at a time.

Stock dumpdata makes an instance of each row and a dictionary of each instance, then encodes
it. Here a column of raw values becomes a column of JSON text by functions that run in C: the
same text as Django's, except that nothing is lost (DjangoJSONEncoder cuts microseconds).

An encoder accepts exactly the values that it can write unchanged. For any other it raises
UnserializableError, and the caller encodes the values one by one to find the one.
The forms are those of Django's serializers (django/core/serializers/python.py and json.py):
numbers as numbers, decimals, dates, times and UUIDs as strings, binary in base64, durations
as `duration_string` writes them, NULL as null.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import uuid
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from json.encoder import encode_basestring as quoted
from typing import Any, TypeAlias

import orjson
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.dateparse import parse_date, parse_datetime, parse_time
from django.utils.duration import duration_string

from fixturepipe.artifacts.jsonguard import MAX_VALUE_DEPTH, is_too_deep
from fixturepipe.databases.decimals import SQLiteDecimals
from fixturepipe.databases.fields import INTEGERS, TEXTS, Field, is_custom
from fixturepipe.databases.jsontext import (
    UnserializableError,
    Values,
    datetime_text,
    json_of_value,
    time_texts,
)

Encode: TypeAlias = Callable[[Values], Iterable[str]]


# As Django writes datetimes to SQLite.
_DATETIMES = re.compile(r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{6})?,)+", re.ASCII)
# Integers in JSON of more than 64 bits, which orjson would read as floats.
_LARGE_NUMBERS = re.compile(r"\d{19}", re.ASCII)

_TOO_DEEP = f"it is nested more than {MAX_VALUE_DEPTH} levels deep"


class ColumnEncoder:
    """Encodes a column, NULL included, if each raw value is of one of the `raw` types."""

    def __init__(self, raw: Iterable[type], encode: Encode) -> None:
        self._raw = frozenset(raw)
        self._encode = encode

    def __call__(self, values: Values) -> list[str]:
        """The JSON text of each value. Raises UnserializableError, or whatever a converter does."""
        kinds = set(map(type, values))
        if type(None) in kinds:
            present = iter(self([v for v in values if v is not None]) if len(kinds) > 1 else ())
            return ["null" if value is None else next(present) for value in values]
        if not kinds <= self._raw:
            raise UnserializableError(self._mismatch(kinds))
        return list(self._encode(values))

    def _mismatch(self, kinds: set[type]) -> str:
        stray = ", ".join(sorted(kind.__name__ for kind in kinds - self._raw))
        expected = " or ".join(sorted(kind.__name__ for kind in self._raw))
        return f"the database holds {stray} where the field expects {expected}"


def sqlite_encoder(field: Field, connection: BaseDatabaseWrapper) -> ColumnEncoder:
    """The encoder of a built-in field's raw values as SQLite keeps them.

    The connection must read without converters (detect_types=0): those of Django turn what
    they cannot read into None. Raises KeyError for a field type that is not built in.
    """
    kind = field.get_internal_type()
    if kind == "DecimalField":
        return ColumnEncoder((int, float), _sqlite_decimals(field))
    if kind == "DateTimeField":
        return ColumnEncoder((str,), _sqlite_datetimes(connection))
    return _SQLITE[kind]


def _floats(values: Values) -> Iterable[str]:
    if not all(map(math.isfinite, values)):
        raise UnserializableError("not a finite number")
    return map(repr, values)


def _booleans(values: Values) -> Iterable[str]:
    if not set(values) <= {0, 1}:
        raise UnserializableError("neither 0 nor 1")
    return map(("false", "true").__getitem__, values)


def _binary(values: Values) -> Iterable[str]:
    return [f'"{b64encode(value).decode()}"' for value in values]


def _durations(values: Values) -> Iterable[str]:
    return [f'"{duration_string(datetime.timedelta(microseconds=micros))}"' for micros in values]


def _sqlite_uuids(values: Values) -> Iterable[str]:
    joined = "".join(values)
    as_written = set(map(len, values)) == {32} and joined == joined.lower()
    if as_written and len(bytes.fromhex(joined)) == 16 * len(values):
        return [f'"{v[:8]}-{v[8:12]}-{v[12:16]}-{v[16:20]}-{v[20:]}"' for v in values]
    return [f'"{uuid.UUID(value)}"' for value in values]


def _sqlite_decimals(field: Field) -> Encode:
    """As `databases/decimals` reads them.

    A float that is the nearest one to a decimal of up to 15 digits gives that decimal back
    (DBL_DIG); so where a value equals its own `%.2f`, that is what Django reads.
    """
    declared: Any = field
    places, digits = declared.decimal_places, declared.max_digits
    read = SQLiteDecimals(field).value
    form, limit = f"%.{places}f", 10.0 ** (min(15, digits) - places)

    def encode(values: Values) -> Iterable[str]:
        texts = list(map(form.__mod__, values))
        if list(map(float, texts)) == list(values) and max(map(abs, values)) < limit:
            return map('"%s"'.__mod__, texts)
        return map('"%s"'.__mod__, map(read, values))

    return encode


def _sqlite_datetimes(connection: BaseDatabaseWrapper) -> Encode:
    """DatabaseOperations.convert_datetimefield_value: text, in the connection's time zone."""
    zone = connection.timezone if settings.USE_TZ else None
    form = '"%sZ"' if zone == datetime.UTC else '"%s"'

    def encode(values: Values) -> Iterable[str]:
        joined = ",".join(values)
        if zone in (datetime.UTC, None) and _DATETIMES.fullmatch(joined + ","):
            deque(map(datetime.datetime.fromisoformat, values), maxlen=0)
            return map(form.__mod__, joined.replace(" ", "T").split(","))
        datetimes = _parsed(values, datetime.datetime.fromisoformat, parse_datetime)
        return [datetime_text(d.replace(tzinfo=d.tzinfo or zone)) for d in datetimes]

    return encode


def _sqlite_dates(values: Values) -> Iterable[str]:
    dates = _parsed(values, datetime.date.fromisoformat, parse_date)
    return map('"%s"'.__mod__, map(datetime.date.isoformat, dates))


def _sqlite_times(values: Values) -> Iterable[str]:
    return time_texts(_parsed(values, datetime.time.fromisoformat, parse_time))


def _parsed(
    values: Values, fast: Callable[[str], Any], django: Callable[[str], Any]
) -> Sequence[Any]:
    """Django's parsers try fromisoformat first and then take some more forms."""
    try:
        return list(map(fast, values))
    except ValueError:
        parsed = list(map(django, values))
    if None in parsed:
        raise UnserializableError("Django reads it as None")
    return parsed


def json_texts(values: Values) -> Iterable[str]:
    """JSON text as Django reads and writes it: keys in order, integers of any size.

    A decoder of the project's own is not asked: what it makes of the JSON is not JSON. orjson
    is six times as fast as json; what it refuses or would read differently goes to json.
    """
    if any(map(is_too_deep, values)):
        raise UnserializableError(_TOO_DEEP)
    if not _LARGE_NUMBERS.search("\n".join(values)):
        try:
            return [orjson.dumps(orjson.loads(value)).decode() for value in values]
        except (ValueError, TypeError):
            pass
    return map(_dump_json, map(json.loads, values))


_dump_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

INTEGER = ColumnEncoder((int,), partial(map, int.__repr__))
TEXT = ColumnEncoder((str,), partial(map, quoted))
_SQLITE: dict[str, ColumnEncoder] = {
    **dict.fromkeys(INTEGERS, INTEGER),
    **dict.fromkeys(TEXTS, TEXT),
    "BinaryField": ColumnEncoder((bytes,), _binary),
    "BooleanField": ColumnEncoder((int,), _booleans),
    "DateField": ColumnEncoder((str,), _sqlite_dates),
    "DurationField": ColumnEncoder((int,), _durations),
    "FloatField": ColumnEncoder((float, int), _floats),
    "JSONField": ColumnEncoder((str,), json_texts),
    "TimeField": ColumnEncoder((str,), _sqlite_times),
    "UUIDField": ColumnEncoder((str,), _sqlite_uuids),
}


class ConvertedEncoder:
    """Encodes what Django's converters make of raw values: for sources other than SQLite.

    The code of a custom field takes no part.
    """

    def __init__(self, field: Field, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._column = field.get_col(field.model._meta.db_table)
        self._converters = connection.ops.get_db_converters(self._column)
        if not is_custom(field, connection):
            self._converters += self._column.get_db_converters(connection)
        kind = _READ_AS.get(field.get_internal_type())
        self._is_json = field.get_internal_type() == "JSONField"
        self._encode = ColumnEncoder(_CARRIED if kind is None else (kind,), _converted)

    def __call__(self, values: Values) -> list[str]:
        """As ColumnEncoder's."""
        read: list[Any] = list(values)
        for convert in self._converters:
            read = [convert(value, self._column, self._connection) for value in read]
        if read.count(None) != values.count(None):
            raise UnserializableError("Django reads it as None")
        texts = self._encode(read)
        if self._is_json and any(map(is_too_deep, texts)):
            raise UnserializableError(_TOO_DEEP)
        return texts


def _converted(values: Values) -> Iterable[str]:
    if any(type(value) is decimal.Decimal and not value.is_finite() for value in values):
        raise UnserializableError("not a finite number")
    return map(json_of_value, values)


# A value that Python cannot hold comes as text (see `postgresql`), which is refused here.
_READ_AS: dict[str, type] = {
    "DateField": datetime.date,
    "DateTimeField": datetime.datetime,
    "DecimalField": decimal.Decimal,
    "DurationField": datetime.timedelta,
    "TimeField": datetime.time,
}
_CARRIED = (
    *(bool, int, float, str, bytes, memoryview, decimal.Decimal, uuid.UUID),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta),
)
