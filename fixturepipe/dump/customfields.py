"""Fields with code of the project's own: in which form their values survive a fixture.

Stock dumpdata writes `value_to_string(value)`, and a class without one of its own writes
str(value): "['a', 'b c']" comes back as text. So each value is taken through the whole circle
before it is written: to JSON, as loaddata does through `to_python` and `get_db_prep_save` to
what the database would hold, and back through `from_db_value`. The first form that comes out
as it went in is written: Django's own, the database form (`get_prep_value`), or the raw value.
If none does, the value is unserializable.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from weakref import finalize

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.encoding import is_protected_type

from fixturepipe.databases.fields import Field, declared_converter, root_field
from fixturepipe.databases.jsontext import UnserializableError, Values, json_of_value


class CustomEncoder:
    """Encodes a column value by value, each proven to come back."""

    def __init__(self, field: Field, connection: BaseDatabaseWrapper) -> None:
        self._field = root_field(field)
        self._connection = connection
        self._null = field.null
        self._column = field.get_col(field.model._meta.db_table)
        self._backend = connection.ops.get_db_converters(self._column)
        self._own = self._column.get_db_converters(connection)
        self._declared = declared_converter(self._field, connection)
        self._text = lru_cache(maxsize=4096, typed=True)(self._proven_text)
        self._memory: sqlite3.Connection | None = None
        if connection.vendor == "sqlite":
            self._memory = sqlite3.connect(":memory:", check_same_thread=False)
            self._memory.execute(f"CREATE TABLE kept (value {field.db_type(connection)})")
            self._memory.execute("INSERT INTO kept VALUES (NULL)")
            finalize(self, self._memory.close)

    def __call__(self, values: Values) -> list[str]:
        """The JSON text of each value. Raises UnserializableError or what the field's code does."""
        return ["null" if value is None else self._text_of(value) for value in values]

    def _text_of(self, value: Any) -> str:
        if value.__hash__ is None:  # a list or dict, as PostgreSQL's driver gives arrays
            return self._proven_text(value)
        return self._text(value)

    def _proven_text(self, raw: Any) -> str:
        value = self._read(raw)
        if value is None:
            if self._null:
                return "null"
            raise UnserializableError("Django reads it as None, and the field is not null")
        for form in self._forms(raw, value):
            try:
                text = json_of_value(form())
                if self._comes_back(text, raw, value):
                    return text
            except Exception:  # noqa: BLE001, S112  (the project's code; the next form may do)
                continue
        raise UnserializableError(
            f"{type(self._field).__name__} has no form that comes back as it was"
        )

    def _forms(self, raw: Any, value: Any) -> Iterator[Callable[[], Any]]:
        holder: Any = SimpleNamespace(**{self._field.attname: value})
        if is_protected_type(value):
            yield lambda: value
        yield lambda: self._field.value_to_string(holder)
        yield lambda: self._field.get_prep_value(value)
        yield lambda: raw

    def _comes_back(self, text: str, raw: Any, value: Any) -> bool:
        loaded = self._field.to_python(json.loads(text))
        stored = self._kept(self._field.get_db_prep_save(loaded, self._connection))
        if type(stored) is type(raw) and stored == raw:
            return True
        again = self._read(stored)
        return type(again) is type(value) and bool(again == value)

    def _kept(self, given: Any) -> Any:
        """What a column of this type gives back: SQLite makes a number of a decimal's text."""
        if self._memory is None:
            return given
        self._memory.execute("UPDATE kept SET value = ?", [given])
        return self._memory.execute("SELECT value FROM kept").fetchone()[0]

    def _read(self, raw: Any) -> Any:
        value = raw
        if self._declared is not None:
            value = self._declared(raw if isinstance(raw, bytes) else str(raw).encode())
        for convert in self._backend:
            value = convert(value, self._column, self._connection)
        if value is None:
            raise UnserializableError("Django reads it as None")
        for convert in self._own:
            value = convert(value, self._column, self._connection)
        return value
