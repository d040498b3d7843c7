"""From a fixture's JSON values to SQL literals, a column at a time.

What happens to a value on its way into a column is the field's own affair: `to_python` reads it
from the fixture and `get_db_prep_save` writes it for the database, as loaddata has it. For the
fields that Django brings, and their subclasses that leave those methods as they are, the outcome
is known and computed for a whole column at once. A value whose type is not the expected one, a
method that a subclass overrides, a field that is not Django's: each takes the general path,
through the field's own methods.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Value

from fixturepipe.databases.endpoints import SOURCE, connection_to
from fixturepipe.databases.fields import root_field
from fixturepipe.load.server.fieldcode import (
    AnyField,
    as_django_made,
    has_placeholder,
    is_plain,
    prepared_literal,
)
from fixturepipe.load.server.literals import NULL, literal, quoted, quoted_all, quoted_or_null

Converter = Callable[[Sequence[Any]], list[str]]


class JSONNull:
    """Stands for a JSON null among a JSON field's values, where None means SQL NULL."""


JSON_NULL: Final = JSONNull()


def converter_for(field: AnyField, connection: BaseDatabaseWrapper) -> Converter:
    """The function that turns a column of fixture values into SQL literals.

    It raises whatever the field's methods raise at a value that they refuse.
    """
    if isinstance(field, models.ForeignKey):
        return _reference(field, connection)
    general = general_converter(field, connection)
    make = _maker(field)
    return general if make is None else make(field, connection, general)


def stored_converter(field: AnyField, connection: BaseDatabaseWrapper) -> Converter:
    """The converter of values in their stored form (see `dump/storedforms`).

    They are written as Django's own field of the column's type writes them, or as they are where
    Django has no such type. No code of the field's own is called, and NULL stays NULL.
    """
    root = root_field(field)
    plain = as_django_made(root, connection_to(SOURCE))
    if isinstance(plain, models.UUIDField) and root.db_type(connection) != plain.db_type(
        connection
    ):
        return _binary_uuids if "binary" in str(root.db_type(connection)) else _hexadecimal_uuids
    if plain is not None:
        return converter_for(plain, connection)
    column = (root.db_type(connection) or "").lower()
    return _raw_binaries if "blob" in column or "binary" in column else _raw


def _hexadecimal_uuids(values: Sequence[Any]) -> list[str]:
    """For the char(32) that a field may keep on MariaDB, whose own type of column is uuid.

    https://docs.djangoproject.com/en/5.2/releases/5.0/#migrating-existing-uuidfield-on-mariadb-10-7
    """
    return [NULL if value is None else quoted(uuid.UUID(value).hex) for value in values]


def _binary_uuids(values: Sequence[Any]) -> list[str]:
    """For the binary(16) that a field of the project's own may have on MySQL."""
    return [NULL if value is None else f"x'{uuid.UUID(value).hex}'" for value in values]


def _raw(values: Sequence[Any]) -> list[str]:
    return list(map(literal, values))


def _raw_binaries(values: Sequence[Any]) -> list[str]:
    return [NULL if v is None else f"x'{base64.b64decode(v).hex()}'" for v in values]


def is_quick(field: AnyField) -> bool:
    """Whether the field's converter runs no method of the project's own, but a JSON encoder."""
    if isinstance(field, models.ForeignKey):
        return is_plain(field, models.ForeignKey) and is_quick(field.target_field)
    return _maker(field) is not None


def is_read_as_stored(field: AnyField) -> bool:
    """Whether the value that Django reads is all that the column holds: integers, text."""
    if isinstance(field, models.ForeignKey):
        return is_plain(field, models.ForeignKey) and is_read_as_stored(field.target_field)
    return _maker(field) in (_integers, _strings) and not hasattr(field, "from_db_value")


def _maker(field: AnyField) -> Maker | None:
    """What makes the quick converter of a field that is as Django brings it."""
    for known in type(field).__mro__:
        make = _FAST.get(known)
        if make is not None:
            return make if is_plain(field, known) else None
    return None


def general_converter(field: AnyField, connection: BaseDatabaseWrapper) -> Converter:
    """The field's own way, value by value."""

    read = field.target_field.to_python if isinstance(field, models.ForeignKey) else field.to_python
    prepare = field.get_db_prep_save
    null = Value(None, models.JSONField())
    wrapped = has_placeholder(field)

    def write(value: Any) -> str:
        if value is None and field.null:
            return NULL  # whatever the field's code makes of None
        if value is JSON_NULL:
            value = null
        elif value is not None or not isinstance(field, models.ForeignKey):
            value = read(value)
        prepared = prepare(value, connection)
        if wrapped or hasattr(prepared, "as_sql"):
            return prepared_literal(field, connection, value)
        return literal(prepared)

    def convert(values: Sequence[Any]) -> list[str]:
        return list(map(write, values))

    return convert


def _types(values: Sequence[Any]) -> set[type]:
    return set(map(type, values))


_NONE = type(None)
Maker = Callable[[AnyField, BaseDatabaseWrapper, Converter], Converter]


def _integers(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    def convert(values: Sequence[Any]) -> list[str]:
        types = _types(values)
        if types == {int}:
            return list(map(str, values))
        if types <= {int, _NONE}:
            return [NULL if value is None else str(value) for value in values]
        return general(values)

    return convert


def _strings(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    def convert(values: Sequence[Any]) -> list[str]:
        types = _types(values)
        if types == {str}:
            return quoted_all(values)
        if types <= {str, _NONE}:
            return quoted_or_null(values)
        return general(values)

    return convert


def _files(field: AnyField, connection: BaseDatabaseWrapper, general: Converter) -> Converter:
    strings = _strings(field, connection, general)

    def convert(values: Sequence[Any]) -> list[str]:
        if not field.null and None in values:
            # What an empty FieldFile is saved as.
            values = ["" if value is None else value for value in values]
        return strings(values)

    return convert


def _booleans(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    written = {True: "1", False: "0", None: NULL}

    def convert(values: Sequence[Any]) -> list[str]:
        if _types(values) <= {bool, _NONE}:
            return [written[v] for v in values]
        return general(values)

    return convert


def _floats(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    def convert(values: Sequence[Any]) -> list[str]:
        if _types(values) <= {float, int, _NONE}:
            return [NULL if v is None else literal(float(v)) for v in values]
        return general(values)

    return convert


def _all_match(form: Callable[[str], object], values: Sequence[str]) -> bool:
    """Whether each value has the form that `form` matches with a comma behind it.

    One look at the whole column takes a third of the time of one a value.
    """
    joined = ",".join([*values, ""])
    return joined.count(",") == len(values) and form(joined) is not None


_DECIMALS = re.compile(r"(?:-?[0-9]+(?:\.[0-9]+)?,)*+").fullmatch


def _decimals(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    exact = decimal.Decimal

    def convert(values: Sequence[Any]) -> list[str]:
        types = _types(values)
        if types == {str} and _all_match(_DECIMALS, values):
            return list(values)
        if types <= {str, _NONE}:
            return [NULL if v is None else literal(exact(v)) for v in values]
        return general(values)

    return convert


def _dates(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    read = datetime.date.fromisoformat

    def convert(values: Sequence[Any]) -> list[str]:
        if _types(values) <= {str, _NONE}:
            try:
                return [NULL if v is None else f"'{read(v)}'" for v in values]
            except ValueError:
                pass
        return general(values)

    return convert


# As Django writes them in UTC.
_UTC_DATETIMES = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3}(?:[0-9]{3})?)?Z,)*+"
).fullmatch


def _datetimes(_: AnyField, connection: BaseDatabaseWrapper, general: Converter) -> Converter:
    read = datetime.datetime.fromisoformat
    utc = datetime.timezone.utc  # noqa: UP017  (the very object that fromisoformat gives)
    same_zone = settings.USE_TZ and connection.timezone_name == "UTC"

    def written(values: Sequence[str]) -> list[str]:
        datetimes = list(map(read, values))
        if _all_match(_UTC_DATETIMES, values):
            # Their text will do, now that it has been read: a fourth of the time.
            joined = ",".join(values)[:-1]
            return f"'{joined}'".replace("T", " ").replace("Z,", "'\x1f'").split("\x1f")
        if all(d.tzinfo is utc for d in datetimes):
            return [f"'{str(d)[:-6]}'" for d in datetimes]
        raise ValueError

    def convert(values: Sequence[Any]) -> list[str]:
        if same_zone and _types(values) <= {str, _NONE}:
            try:
                literals = iter(written([value for value in values if value is not None]))
            except ValueError:
                return general(values)
            return [NULL if value is None else next(literals) for value in values]
        return general(values)

    return convert


def _times(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    read = datetime.time.fromisoformat

    def convert(values: Sequence[Any]) -> list[str]:
        if _types(values) <= {str, _NONE}:
            try:
                times = [None if v is None else read(v) for v in values]
            except ValueError:
                return general(values)
            if all(t is None or t.tzinfo is None for t in times):
                return [NULL if t is None else f"'{t.isoformat('microseconds')}'" for t in times]
        return general(values)

    return convert


# As Django writes them: "3 02:00:00.000001", where only the days have a sign.
_DURATION = re.compile(
    r"(?:(-?[0-9]+) )?([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{6}))?"
).fullmatch


def _durations(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    def write(value: str | None) -> str:
        if value is None:
            return NULL
        found = _DURATION(value)
        if found is None:
            return general([value])[0]
        days, hours, minutes, seconds, micros = map(int, found.groups("0"))
        whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        return str(whole * 1_000_000 + micros)

    def convert(values: Sequence[Any]) -> list[str]:
        return list(map(write, values)) if _types(values) <= {str, _NONE} else general(values)

    return convert


# Without a colon, which makes an address of version 6, only the space around it is taken off.
_PLAIN_ADDRESS = re.compile(r"[0-9.]+").fullmatch


def _addresses(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    def write(value: str | None) -> str:
        return quoted(value) if value and _PLAIN_ADDRESS(value) else general([value])[0]

    def convert(values: Sequence[Any]) -> list[str]:
        if not _types(values) <= {str, _NONE}:
            return general(values)
        # Addresses come again and again, and one of version 6 takes ten times as long.
        written = {value: write(value) for value in set(values)}
        return [written[value] for value in values]

    return convert


_UUIDS = re.compile(r"(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12},)*+").fullmatch


def _uuids(_: AnyField, connection: BaseDatabaseWrapper, general: Converter) -> Converter:
    native = connection.features.has_native_uuid_field

    def convert(values: Sequence[Any]) -> list[str]:
        if _types(values) == {str} and _all_match(_UUIDS, values):
            return [f"'{v}'" if native else f"'{v.replace('-', '')}'" for v in values]
        return general(values)

    return convert


def _json(field: AnyField, _: BaseDatabaseWrapper, __: Converter) -> Converter:
    encoder = getattr(field, "encoder", None)
    encode = json.JSONEncoder().encode if encoder is None else encoder().encode
    # Many a column holds hardly anything else, and the encoder is slow to begin.
    empty = encode({})
    null = NULL if field.null else "'null'"

    def convert(values: Sequence[Any]) -> list[str]:
        # Compared with None by identity: a JSON value may compare as it likes.
        texts = [
            "null"
            if v is JSON_NULL or v is None
            else encode(v)
            if v or type(v) is not dict
            else empty
            for v in values
        ]
        literals = quoted_all(texts)
        if null == NULL:
            for position, value in enumerate(values):
                if value is None:
                    literals[position] = NULL
        return literals

    return convert


def _binaries(_: AnyField, __: BaseDatabaseWrapper, general: Converter) -> Converter:
    decode = base64.b64decode

    def convert(values: Sequence[Any]) -> list[str]:
        if _types(values) <= {str, _NONE}:
            return [NULL if v is None else f"x'{decode(v.encode('ascii')).hex()}'" for v in values]
        return general(values)

    return convert


def _reference(field: models.ForeignKey[Any, Any], connection: BaseDatabaseWrapper) -> Converter:
    """A foreign key's column holds what the field it points at would."""
    if not is_plain(field, models.ForeignKey):
        return general_converter(field, connection)
    target = field.target_field
    convert_target = converter_for(target, connection)
    empty_is_null = (
        not target.empty_strings_allowed or connection.features.interprets_empty_strings_as_nulls
    )

    def convert(values: Sequence[Any]) -> list[str]:
        if empty_is_null and "" in values:
            values = [None if value == "" else value for value in values]
        if None not in values:
            return convert_target(values)
        literals = iter(convert_target([value for value in values if value is not None]))
        return [NULL if value is None else next(literals) for value in values]

    return convert


_FAST: dict[type, Maker] = {
    models.AutoField: _integers,
    models.BigAutoField: _integers,
    models.SmallAutoField: _integers,
    models.PositiveBigIntegerField: _integers,
    models.IntegerField: _integers,
    models.CharField: _strings,
    models.TextField: _strings,
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
