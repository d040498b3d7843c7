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
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Value

from fixturepipe.databases.endpoints import SOURCE, connection_to
from fixturepipe.databases.fields import Field, as_django_made, root_field
from fixturepipe.load.server.builtinfields import (
    JSON_NULL,
    QUICK,
    FieldColumn,
    QuickConverter,
    integers,
    strings,
)
from fixturepipe.load.server.literals import NULL, literal, quoted

Converter = Callable[[Sequence[Any]], list[str]]

_PLACEHOLDER_METHODS = ("get_placeholder", "get_placeholder_sql")
_METHODS = ("to_python", "get_prep_value", "get_db_prep_value", "get_db_prep_save")


def converter_for(field: Field, connection: BaseDatabaseWrapper) -> Converter:
    """The function that turns a column of fixture values into SQL literals.

    It raises whatever the field's methods raise at a value that they refuse.
    """
    if isinstance(field, models.ForeignKey):
        return _reference(field, connection)
    general = general_converter(field, connection)
    quick = _quick(field)
    if quick is None:
        return general
    column = FieldColumn(field, connection, general)

    def convert(values: Sequence[Any]) -> list[str]:
        literals = quick(values, column)
        return general(values) if literals is None else literals

    return convert


def stored_converter(field: Field, connection: BaseDatabaseWrapper) -> Converter:
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


def is_quick(field: Field) -> bool:
    """Whether the field's converter runs no method of the project's own, but a JSON encoder."""
    if isinstance(field, models.ForeignKey):
        return is_quick(field.target_field)
    return _quick(field) is not None


def is_read_as_stored(field: Field) -> bool:
    """Whether the value that Django reads is all that the column holds: integers, text."""
    if isinstance(field, models.ForeignKey):
        return is_plain(field, models.ForeignKey) and is_read_as_stored(field.target_field)
    return _quick(field) in (integers, strings) and not hasattr(field, "from_db_value")


def _quick(field: Field) -> QuickConverter | None:
    """The quick converter of a field that is as Django brings it."""
    for known in type(field).__mro__:
        quick = QUICK.get(known)
        if quick is not None:
            return quick if is_plain(field, known) else None
    return None


def general_converter(field: Field, connection: BaseDatabaseWrapper) -> Converter:
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


def _reference(field: models.ForeignKey[Any, Any], connection: BaseDatabaseWrapper) -> Converter:
    """A foreign key's column holds what the field it points at would; its own code has no say."""
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


def is_plain(field: Field, known: type) -> bool:
    """Whether a field reads and writes its values with the methods of this class of Django's."""
    own = type(field)
    names = _METHODS + _PLACEHOLDER_METHODS
    return all(getattr(own, name, None) is getattr(known, name, None) for name in names)


def prepared_literal(field: Field, connection: BaseDatabaseWrapper, value: Any) -> str:
    """The literal of a Python value, expressions and placeholders of the field's own included."""
    prepared = field.get_db_prep_save(value, connection)
    if not hasattr(prepared, "as_sql") and has_placeholder(field):
        template = _template(field, prepared, connection)
        if template != "%s":
            return template.replace("%s", literal(prepared), 1).replace("%%", "%")
    if hasattr(prepared, "as_sql"):
        compiler = models.sql.Query(field.model).get_compiler(connection=connection)
        sql, parameters = compiler.compile(prepared)
        return str(sql % tuple(literal(each) for each in parameters))
    return literal(prepared)


def _template(field: Field, value: Any, connection: BaseDatabaseWrapper) -> str:
    """A field may wrap its parameter in SQL; Django 6.1 renamed the method that says how."""
    for name in _PLACEHOLDER_METHODS:
        method = getattr(field, name, None)
        if method is not None:
            compiler = models.sql.Query(field.model).get_compiler(connection=connection)
            found = method(value, compiler, connection)
            return str(found[0] if isinstance(found, tuple) else found)
    return "%s"


def has_placeholder(field: Field) -> bool:
    """Whether a field wraps its parameter in SQL.

    BinaryField's marks the parameter as binary, which our literals of bytes are anyway.
    """
    own, binary = type(field), models.BinaryField
    return any(
        getattr(own, name, None) not in (None, getattr(binary, name, None))
        for name in _PLACEHOLDER_METHODS
    )
