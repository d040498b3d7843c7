"""Keys of fixtures as the project's fields read them.

loaddata takes a key through the field's `to_python` and stores what `get_prep_value` makes of that:
for a field of whole numbers, true, 1.0, "01" and " 1" are 1. Two keys that give one value are one
row.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.utils import format_number
from django.utils import timezone
from django.utils.duration import duration_string

from fixturepipe.databases.fields import (
    Field,
    field_at,
    has_composite_key,
    is_read_by_django,
    key_fields,
    root_field,
)
from fixturepipe.databases.naturalkeys import natural_key_paths


def key_reader(label: str, to: str) -> Callable[[Any], Any] | None:
    """What gives a key's value as its field, or its fields, read it: the same for equal keys.

    `to` is "pk", a field's name or "natural key". The value is a number, a text, or a list of them.
    None where the project's own code reads the key. The reader raises ValueError for what is no
    value of the field.
    """
    model = apps.get_model(label)
    if to == "natural key":
        paths = natural_key_paths(model)
        return _Parts([field_at(model, path) for path in paths]) if paths else None
    if to == "pk" and has_composite_key(model):
        return _Parts([root_field(field) for field in key_fields(model)])
    field = field_at(model, to)
    return _Value(field) if is_read_by_django(field) else None


class _Parts:
    """Reads a key of several fields: a list, or as dumpdata writes composite keys, its JSON."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._parts = [_Value(field) if is_read_by_django(field) else None for field in fields]

    def __call__(self, key: Any) -> list[Any]:
        parts = json.loads(key) if isinstance(key, str) else key
        if not isinstance(parts, list | tuple) or len(parts) != len(self._parts):
            raise ValueError(f"it has {len(self._parts)} parts")
        return [
            part if read is None or part is None else read(part)
            for read, part in zip(self._parts, parts, strict=True)
        ]


class _Value:
    """Reads a key of one field."""

    def __init__(self, field: Field) -> None:
        self._field = field

    def __call__(self, key: Any) -> Any:
        field: Any = self._field
        if isinstance(key, Decimal) and not isinstance(field, models.DecimalField):
            key = float(key)  # as loaddata reads such a number
        try:
            value = field.to_python(key)
            if isinstance(value, datetime.datetime):
                value = _with_zone(value)
            return self._plain(field.get_prep_value(value))
        except ValidationError as error:
            raise ValueError(" ".join(error.messages)) from error
        except (TypeError, ArithmeticError, AttributeError) as error:
            raise ValueError(str(error)) from error

    def _plain(self, value: Any) -> Any:
        field: Any = self._field
        if isinstance(value, Decimal):
            value = Decimal(str(format_number(value, field.max_digits, field.decimal_places)))
            return int(value) if value == value.to_integral_value() else str(value)
        if isinstance(value, float):
            return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
        return _TEXTS.get(type(value), _as_it_is)(value)


def _with_zone(value: datetime.datetime) -> datetime.datetime:
    """As DateTimeField takes a datetime without one, but without a warning."""
    if settings.USE_TZ and timezone.is_naive(value):
        return timezone.make_aware(value, timezone.get_default_timezone())
    return value


def _datetime_text(value: datetime.datetime) -> str:
    return (value.astimezone(datetime.UTC) if value.tzinfo else value).isoformat()


def _as_it_is(value: Any) -> Any:
    return value


_TEXTS: dict[type, Callable[[Any], Any]] = {
    bool: int,
    datetime.datetime: _datetime_text,
    datetime.date: str,
    datetime.time: str,
    datetime.timedelta: duration_string,
    UUID: str,
    memoryview: lambda value: bytes(value).hex(),
    bytes: bytes.hex,
}
