"""What a field's own code does to a value on its way into a column, and whether it has any."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import Field
from fixturepipe.load.server.literals import literal

_PLACEHOLDER_METHODS = ("get_placeholder", "get_placeholder_sql")
_METHODS = ("to_python", "get_prep_value", "get_db_prep_value", "get_db_prep_save")


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
