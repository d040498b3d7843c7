"""One column of a model's table, and how the fixture's values for it become literals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import NOT_PROVIDED

from fixturepipe.databases.fields import Field, Model, has_db_default
from fixturepipe.load.server.converters import (
    converter_for,
    general_converter,
    is_quick,
    prepared_literal,
    stored_converter,
)


class _MissingValue:
    """Stands for a field that the object does not give."""


MISSING = _MissingValue()


@dataclass(frozen=True)
class _Literal:
    """SQL text among values that are still to be converted."""

    sql: str


class Column:
    """One column: its field, its name, and the converter of its values.

    `quick`: the converter asks neither the server nor the project, see `converters.is_quick`.
    `stored` says in which form the fixture values are. `remote` is the model that a foreign key
    points at, `to` the attname of the field there.
    """

    def __init__(self, field: Field, connection: BaseDatabaseWrapper, *, stored: bool) -> None:
        self.field = field
        self.name = str(field.column)
        self._connection = connection
        make = stored_converter if stored else converter_for
        self.convert = make(field, connection)
        self.quick = stored or is_quick(field)
        self.remote: Model | None = None
        self.to = ""
        if isinstance(field, models.ForeignKey):
            self.remote, self.to = field.remote_field.model, field.target_field.attname

    def literals(self, values: Sequence[Any]) -> list[str]:
        """The literals of fixture values; the default's where an object gives none."""
        if self.is_given(values):
            return self.convert(values)
        key = self.field.primary_key
        values = [self._default() if v is MISSING or (key and v is None) else v for v in values]
        rest = iter(self.convert([v for v in values if not isinstance(v, _Literal)]))
        return [v.sql if isinstance(v, _Literal) else next(rest) for v in values]

    def literals_of_python(self, values: Sequence[Any]) -> list[str]:
        """The literals of values as Django reads them."""
        return general_converter(self.field, self._connection)(values)

    def is_given(self, values: Sequence[Any]) -> bool:
        """Whether each object gives the value, none leaves it to the field or the server."""
        return MISSING not in values and not (self.field.primary_key and None in values)

    def is_natural(self, values: Sequence[Any]) -> bool:
        """Whether some values are natural keys, written as lists."""
        return self.remote is not None and list in set(map(type, values))

    def python_value(self, value: Any) -> Any:
        """A fixture value as an instance would have it."""
        if value is MISSING:
            return self.field.get_default()
        if value is None:
            return None
        if isinstance(self.field, models.ForeignKey):
            return self.field.target_field.to_python(value)
        return self.field.to_python(value)

    def described(self, value: Any, error: Exception) -> str:
        """Why a value cannot be written: Django's sentence where it has one, else the error's."""
        try:
            self.python_value(value)
        except ValidationError as better:
            error = better
        except Exception:  # noqa: BLE001, S110  (a field of the project's own)
            pass
        if isinstance(error, ValidationError):
            return " ".join(error.messages)
        return str(error) or type(error).__name__

    def _default(self) -> _Literal:
        """What a new object has in a field that it is not given."""
        each = self.field
        if has_db_default(each) and each.default is NOT_PROVIDED:
            return _Literal("DEFAULT")
        return _Literal(prepared_literal(each, self._connection, each.get_default()))
