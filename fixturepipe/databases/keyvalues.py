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
from functools import partial
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.utils import format_number
from django.utils import timezone

from fixturepipe.databases.fields import (
    Field,
    field_at,
    has_composite_key,
    is_read_by_django,
    key_fields,
    root_field,
)
from fixturepipe.databases.jsontext import json_of_value
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
        fields = [field_at(model, path) for path in paths]
        return partial(_parts, list(map(_reader, fields))) if fields else None
    if to == "pk" and has_composite_key(model):
        return partial(_parts, [_reader(root_field(field)) for field in key_fields(model)])
    return _reader(field_at(model, to))


def _reader(field: Field) -> Callable[[Any], Any] | None:
    return partial(_value, field) if is_read_by_django(field) else None


def _parts(readers: Sequence[Callable[[Any], Any] | None], key: Any) -> list[Any]:
    """A key of several fields: a list, or as dumpdata writes composite keys, its JSON."""
    parts = json.loads(key) if isinstance(key, str) else key
    if not isinstance(parts, list | tuple) or len(parts) != len(readers):
        raise ValueError(f"it has {len(readers)} parts")
    return [
        part if part is None or read is None else read(part)
        for read, part in zip(readers, parts, strict=True)
    ]


def _value(field: Any, key: Any) -> Any:
    if isinstance(key, Decimal) and not isinstance(field, models.DecimalField):
        key = float(key)  # as loaddata reads such a number
    try:
        value = field.to_python(key)
        # As DateTimeField takes a datetime without a zone, but without a warning.
        if settings.USE_TZ and isinstance(value, datetime.datetime) and timezone.is_naive(value):
            value = timezone.make_aware(value, timezone.get_default_timezone())
        return _plain(field, field.get_prep_value(value))
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from error
    except (TypeError, ArithmeticError, AttributeError) as error:
        raise ValueError(str(error)) from error


def _plain(field: Any, value: Any) -> Any:
    """A prepared value as JSON has it, one for all that are equal."""
    if isinstance(value, Decimal):
        value = Decimal(str(format_number(value, field.max_digits, field.decimal_places)))
        return int(value) if value == value.to_integral_value() else str(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
    if isinstance(value, datetime.datetime) and value.tzinfo:
        value = value.astimezone(datetime.UTC)
    if isinstance(value, int):
        return int(value)
    return value if isinstance(value, str) else json.loads(json_of_value(value))
