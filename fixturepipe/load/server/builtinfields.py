"""The values of Django's own fields as SQL literals, a whole column at once.

Each function takes a column of fixture values and gives their literals, or None where a value is
not in the form that dumpdata writes: then the field's own methods have to convert the column.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import Field
from fixturepipe.load.server.literals import NULL, literal, quoted, quoted_all, quoted_or_null

_NONE = type(None)


class JSONNull:
    """Stands for a JSON null among a JSON field's values, where None means SQL NULL."""


JSON_NULL: Final = JSONNull()


@dataclass(frozen=True)
class FieldColumn:
    """A field's column in the target; `general` converts values by the field's own methods."""

    field: Field
    connection: BaseDatabaseWrapper
    general: Callable[[Sequence[Any]], list[str]]

    @cached_property
    def takes_utc(self) -> bool:
        """Whether datetimes are stored in UTC."""
        return settings.USE_TZ and self.connection.timezone_name == "UTC"

    @cached_property
    def encode(self) -> Callable[[Any], str]:
        """The JSON encoder of a JSON field."""
        encoder = getattr(self.field, "encoder", None)
        return json.JSONEncoder().encode if encoder is None else encoder().encode


Values = Sequence[Any]
Literals = list[str] | None
QuickConverter = Callable[[Values, FieldColumn], Literals]


def _types(values: Values) -> set[type]:
    return set(map(type, values))


def _are_texts(values: Values) -> bool:
    """Whether all are text or None."""
    return _types(values) <= {str, _NONE}


def integers(values: Values, _: FieldColumn) -> Literals:
    """Of all fields of integers."""
    types = _types(values)
    if types == {int}:
        return list(map(str, values))
    if types <= {int, _NONE}:
        return [NULL if value is None else str(value) for value in values]
    return None


def strings(values: Values, _: FieldColumn) -> Literals:
    """Of fields of text."""
    types = _types(values)
    if types == {str}:
        return quoted_all(values)
    return quoted_or_null(values) if types <= {str, _NONE} else None


def _files(values: Values, column: FieldColumn) -> Literals:
    if not column.field.null and None in values:
        # What an empty FieldFile is saved as.
        values = ["" if value is None else value for value in values]
    return strings(values, column)


_BOOLEANS = {True: "1", False: "0", None: NULL}


def _booleans(values: Values, _: FieldColumn) -> Literals:
    return [_BOOLEANS[v] for v in values] if _types(values) <= {bool, _NONE} else None


def _floats(values: Values, _: FieldColumn) -> Literals:
    if _types(values) <= {float, int, _NONE}:
        return [NULL if v is None else literal(float(v)) for v in values]
    return None


def _all_match(form: Callable[[str], object], values: Sequence[str]) -> bool:
    """Whether each value has the form that `form` matches with a comma behind it.

    One look at the whole column takes a third of the time of one a value.
    """
    joined = ",".join([*values, ""])
    return joined.count(",") == len(values) and form(joined) is not None


_DECIMALS = re.compile(r"(?:-?[0-9]+(?:\.[0-9]+)?,)*+").fullmatch


def _decimals(values: Values, _: FieldColumn) -> Literals:
    types = _types(values)
    if types == {str} and _all_match(_DECIMALS, values):
        return list(values)
    if types <= {str, _NONE}:
        return [NULL if v is None else literal(decimal.Decimal(v)) for v in values]
    return None


def _dates(values: Values, _: FieldColumn) -> Literals:
    read = datetime.date.fromisoformat
    if not _are_texts(values):
        return None
    try:
        return [NULL if v is None else f"'{read(v)}'" for v in values]
    except ValueError:
        return None


# As Django writes them in UTC.
_UTC_DATETIMES = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3}(?:[0-9]{3})?)?Z,)*+"
).fullmatch


def _datetimes(values: Values, column: FieldColumn) -> Literals:
    if not column.takes_utc or not _are_texts(values):
        return None
    try:
        written = _in_utc([value for value in values if value is not None])
    except ValueError:
        return None
    literals = iter(written)
    return [NULL if value is None else next(literals) for value in values]


def _in_utc(values: Sequence[str]) -> list[str]:
    """Raises ValueError for a text that is no datetime in UTC."""
    utc = datetime.timezone.utc  # noqa: UP017  (the very object that fromisoformat gives)
    datetimes = list(map(datetime.datetime.fromisoformat, values))
    if _all_match(_UTC_DATETIMES, values):
        # Their text will do, now that it has been read: a fourth of the time.
        joined = ",".join(values)[:-1]
        return f"'{joined}'".replace("T", " ").replace("Z,", "'\x1f'").split("\x1f")
    if all(d.tzinfo is utc for d in datetimes):
        return [f"'{str(d)[:-6]}'" for d in datetimes]
    raise ValueError


def _times(values: Values, _: FieldColumn) -> Literals:
    read = datetime.time.fromisoformat
    if not _are_texts(values):
        return None
    try:
        times = [None if v is None else read(v) for v in values]
    except ValueError:
        return None
    if any(t is not None and t.tzinfo is not None for t in times):
        return None
    return [NULL if t is None else f"'{t.isoformat('microseconds')}'" for t in times]


# As Django writes them: "3 02:00:00.000001", where only the days have a sign.
_DURATION = re.compile(
    r"(?:(-?[0-9]+) )?([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{6}))?"
).fullmatch


def _durations(values: Values, column: FieldColumn) -> Literals:
    def write(value: str | None) -> str:
        if value is None:
            return NULL
        found = _DURATION(value)
        if found is None:
            return column.general([value])[0]
        days, hours, minutes, seconds, micros = map(int, found.groups("0"))
        whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        return str(whole * 1_000_000 + micros)

    return list(map(write, values)) if _are_texts(values) else None


# Without a colon, which makes an address of version 6, only the space around it is taken off.
_PLAIN_ADDRESS = re.compile(r"[0-9.]+").fullmatch


def _addresses(values: Values, column: FieldColumn) -> Literals:
    def write(value: str | None) -> str:
        is_plain = value and _PLAIN_ADDRESS(value)
        return quoted(value) if value and is_plain else column.general([value])[0]

    if not _are_texts(values):
        return None
    # Addresses come again and again, and one of version 6 takes ten times as long.
    written = {value: write(value) for value in set(values)}
    return [written[value] for value in values]


_UUIDS = re.compile(r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12},)*+").fullmatch


def _uuids(values: Values, column: FieldColumn) -> Literals:
    if _types(values) != {str} or not _all_match(_UUIDS, values):
        return None
    native = column.connection.features.has_native_uuid_field
    return [f"'{v}'" if native else f"'{v.replace('-', '')}'" for v in values]


def _json(values: Values, column: FieldColumn) -> Literals:
    encode = column.encode
    # Many a column holds hardly anything else, and the encoder is slow to begin.
    empty = encode({})
    # Compared with None by identity: a JSON value may compare as it likes.
    texts = [
        "null" if v is JSON_NULL or v is None else encode(v) if v or type(v) is not dict else empty
        for v in values
    ]
    literals = quoted_all(texts)
    if column.field.null:
        for position, value in enumerate(values):
            if value is None:
                literals[position] = NULL
    return literals


def _binaries(values: Values, _: FieldColumn) -> Literals:
    decode = base64.b64decode
    if not _are_texts(values):
        return None
    return [NULL if v is None else f"x'{decode(v.encode('ascii')).hex()}'" for v in values]


QUICK: dict[type, QuickConverter] = {
    models.AutoField: integers,
    models.BigAutoField: integers,
    models.SmallAutoField: integers,
    models.PositiveBigIntegerField: integers,
    models.IntegerField: integers,
    models.CharField: strings,
    models.TextField: strings,
    models.GenericIPAddressField: _addresses,
    models.FileField: _files,
    models.BooleanField: _booleans,
    models.FloatField: _floats,
    models.DecimalField: _decimals,
    models.DateTimeField: _datetimes,
    models.DateField: _dates,
    models.TimeField: _times,
    models.DurationField: _durations,
    models.UUIDField: _uuids,
    models.JSONField: _json,
    models.BinaryField: _binaries,
}
