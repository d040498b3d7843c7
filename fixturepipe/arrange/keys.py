"""The keys that an object has and those that it refers to, as fixtures write them.

An object can be referred to by its primary key, by another unique field (`to_field`) or, where
a reference is a list, by its natural key. A *kind* of key is a label and one of these three;
keys compare within a kind. So that both ends of a reference meet, a key is brought to one form:

    5, "5"               5           loaddata reads both as the same key
    "red", uuid          "red"
    10**20, 1.5, [1, 2]  its JSON    (SQLite's integers, which hold keys on disk, have 64 bits)

Where the type of the key's field is known, the form is that of the value which the field makes:
true, 1.0, "01" and " 1" are the whole number 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from fixturepipe.artifacts.manifest import KeyType, ModelSchema
from fixturepipe.artifacts.records import encode_value

PK = "pk"
NATURAL = "natural key"

Key = int | str
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """What a key is a key of: `to` is PK, NATURAL or the name of a unique field."""

    label: str
    to: str


def key_of(value: object) -> Key:
    """The one form of a key that is not None, where nothing is known of its field."""
    if type(value) is int:
        return value if -(1 << 63) <= value < 1 << 63 else str(value)
    if type(value) is str:
        if value.isdecimal() and value.isascii() and len(value) < 19:
            return int(value) if value[0] != "0" or value == "0" else value
        return value
    if type(value) is list:
        with suppress(TypeError):  # a part that is a list or an object itself
            return _list_key(*value)
    return encode_value(value).decode()


@lru_cache(maxsize=10_000, typed=True)
def _list_key(*parts: object) -> str:
    """A natural key's one form: few of them are referred to by many objects."""
    return encode_value(list(parts)).decode()


def key_reader(key_type: KeyType | None) -> Callable[[Any], Key]:
    """What brings a key of a type to its one form: that which the field's `to_python` makes.

    The reader raises ValueError for a value that the field cannot read.
    """
    convert = _CONVERTERS.get(key_type) if key_type else None
    if convert is None:
        return key_of

    def read(value: Any) -> Key:
        try:
            return key_of(convert(value))
        except (TypeError, ArithmeticError, AttributeError) as error:
            raise ValueError(str(error)) from error

    return read


def _integer(value: Any) -> object:
    """As IntegerField does: true, 1.0, "01", " 1" and "٣" are whole numbers, "1.0" is none."""
    if isinstance(value, Decimal) and value.adjusted() > _MOST_DIGITS:
        raise ValueError("out of range")
    return int(value)


def _uuid(value: Any) -> object:
    if type(value) is str and _CANONICAL_UUID.fullmatch(value):
        return value
    return str(UUID(int=value) if isinstance(value, int) else UUID(value))


def _decimal(value: Any) -> object:
    number = Decimal(str(value)).normalize()
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError("out of range")
    return int(number) if number == number.to_integral_value() else f"{number:f}"


def _text(value: Any) -> object:
    if isinstance(value, bool | int | str | list | dict):
        return str(value) if isinstance(value, bool) else value
    return str(float(value))


_CANONICAL_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_DIGITS = 100
_CONVERTERS: dict[KeyType, Callable[[Any], object]] = {
    "integer": _integer,
    "text": _text,
    "uuid": _uuid,
    "decimal": _decimal,
}


class NaturalKeys:
    """Reads natural keys out of objects, for the models whose keys are made of their fields."""

    def __init__(self, schemas: Mapping[str, ModelSchema]) -> None:
        self._schemas = schemas
        self._references = {
            label: {reference.field: reference for reference in schema.references}
            for label, schema in schemas.items()
        }

    def of(self, label: str, pk: object, fields: Fields) -> Key | None:
        """The natural key of an object, or None where it cannot be read off its fields."""
        schema = self._schemas[label]
        parts = []
        for path in schema.natural_key:
            found, value = self._part(schema, path, pk, fields)
            if not found:
                return None
            parts.append(value)
        return key_of(parts) if parts else None

    def _part(
        self, schema: ModelSchema, path: str, pk: object, fields: Fields
    ) -> tuple[bool, object]:
        """One part of the natural key: whether the object has it, and its value."""
        if path in (schema.pk, PK):
            return pk is not None, pk
        references = self._references[schema.label]
        name = path.removesuffix("_id")
        if path not in fields and name in references:
            value = fields.get(name)
            return not isinstance(value, list), value
        if path in fields:
            return path not in references, fields[path]
        first, _, rest = path.partition("__")
        reference = references.get(first)
        value = fields.get(first)
        if not rest or reference is None or not isinstance(value, list):
            return False, None
        # The reference is by natural key itself: the part is in that list.
        inner = self._schemas[reference.model].natural_key
        if rest in inner and len(inner) == len(value):
            return True, value[inner.index(rest)]
        return False, None
