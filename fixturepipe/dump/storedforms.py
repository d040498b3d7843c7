"""The form in which the values of custom fields stand in a fixture.

A custom field has code of the project's own, which may rewrite, refuse or encrypt what it is
given; Django's GenericIPAddressField rewrites addresses, too. Their values travel as the database
stores them wherever possible. The form is chosen once for a column, on the first use:

    same      The stored form, and stock loaddata stores it unchanged (proven on a sample).
    own       Django's form (`value_to_string`), which comes back for every value of the column.
    altered   The stored form, which stock loaddata would change or refuse.

The *stored form* is that of Django's own field if the column is that of a built-in type (a
datetime in ISO 8601, a UUID with hyphens), and otherwise the raw value: text as text, a number as
a number, bytes in base64. Whatever the field's code raises means that the value does not come
back. NULL is null in every form.
"""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias, TypeVar
from weakref import finalize

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.encoding import is_protected_type

from fixturepipe.databases.fields import (
    Field,
    Model,
    declared_converter,
    has_built_in_column,
    has_own_sql,
    is_custom,
    key_fields,
    root_field,
)
from fixturepipe.databases.jsontext import UnserializableError, Values, json_of_value
from fixturepipe.databases.pages import PAGE_ROWS
from fixturepipe.databases.tables import Condition, Table
from fixturepipe.dump.encoders import (
    INTEGER,
    TEXT,
    ColumnEncoder,
    ConvertedEncoder,
    json_texts,
    sqlite_encoder,
)

Encoder: TypeAlias = Callable[[Values], list[str]]
Form: TypeAlias = Literal["same", "own", "altered"]
Answer = TypeVar("Answer")
Stored: TypeAlias = Literal["same", "altered"]

# The sample that "same" is proven on: so many distinct values, among so many rows.
SAMPLE_VALUES = 1_000
SAMPLE_ROWS = 10_000
_RAW = {int: INTEGER, str: TEXT}


class StoredForms:
    """The encoders of one connection's columns, and the form of each custom one.

    `known` are the forms that a run's dumps have (`Manifest.stored`), for another database of the
    same values.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        known: Mapping[str, Mapping[str, Stored]] | None = None,
    ) -> None:
        self._connection = connection
        self._known = known
        self._encoders: dict[Field, Encoder] = {}

    def encoder(self, field: Field) -> Encoder:
        """The encoder of a field's raw values; a foreign key has that of the field it refers to."""
        root = root_field(field)
        if root not in self._encoders:
            if is_custom(root, self._connection):
                self._encoders |= self._columns(root.model)
            else:
                self._encoders[root] = stored_encoder(root, self._connection)
        return self._encoders[root]

    def _columns(self, model: Model) -> dict[Field, CustomColumn]:
        columns = CustomTable(model, self._connection).columns
        if self._known is not None:
            known = self._known.get(model._meta.label_lower, {})
            for field, column in columns.items():
                column.form = known.get(field.name, "own")
        return columns

    def form(self, field: Field) -> Form | None:
        """The form of a custom field's values; None for a built-in field."""
        encoder = self.encoder(field)
        return encoder.form if isinstance(encoder, CustomColumn) else None


def stored_encoder(field: Field, connection: BaseDatabaseWrapper) -> Encoder:
    """The encoder of a column's stored form."""
    if not has_built_in_column(field, connection):
        return raw_texts
    if field.get_internal_type() == "JSONField":
        return ColumnEncoder((str,), json_texts)
    if connection.vendor == "sqlite":
        return sqlite_encoder(field, connection)
    return ConvertedEncoder(field, connection)


def raw_texts(values: Values) -> list[str]:
    """The JSON text of raw values. Raises UnserializableError for what JSON cannot hold."""
    kinds = set(map(type, values)) - {type(None)}
    for kind, encode in _RAW.items():
        if kinds == {kind}:
            return encode(values)
    try:
        return list(map(json_of_value, values))
    except (TypeError, ValueError) as error:
        raise UnserializableError(str(error)) from None


class CustomTable:
    """The custom columns of a model's table. Their forms are chosen together: it is read once."""

    def __init__(self, model: Model, connection: BaseDatabaseWrapper) -> None:
        self._model = model
        self._connection = connection
        self.columns = {
            field: CustomColumn(field, connection, self)
            for field in model._meta.local_concrete_fields
            if root_field(field) is field and is_custom(field, connection)
        }

    @cached_property
    def forms(self) -> dict[Field, Form]:
        """The form of each column's values. The fields' code is called for it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about naive datetimes, for one
            forms = {field: column.sampled_form() for field, column in self.columns.items()}
            fields = [field for field, form in forms.items() if form == "own"]
            for page in self.pages(fields) if fields else ():
                for field, values in zip(fields, page, strict=True):
                    if forms[field] == "own" and not self.columns[field].takes_own(values):
                        forms[field] = "altered"
            return forms

    def pages(
        self, fields: Sequence[Field], condition: Condition | None = None, rows: int = PAGE_ROWS
    ) -> Iterator[Sequence[Values]]:
        """The raw values of some fields, page by page, each page as columns."""
        key = key_fields(self._model)
        table = Table(self._model, self._connection, (*key, *fields))
        for page in table.pages(condition=condition, rows=rows, as_stored=True):
            yield [*zip(*page, strict=True)][len(key) : len(key) + len(fields)]


class CustomColumn:
    """Encodes the values of a custom field's column, and those of the foreign keys to it."""

    def __init__(self, field: Field, connection: BaseDatabaseWrapper, table: CustomTable) -> None:
        self._field = field
        self._table = table
        self._encode = stored_encoder(field, connection)
        self._code = _FieldCode(field, connection, self._encode)
        self._own_forms: Callable[[Iterable[Any]], Iterator[Any]] = self._code.own_forms
        self.takes_own: Callable[[Values], bool] = self._code.take_own_forms
        self._is_null = Condition(f"{connection.ops.quote_name(field.column)} IS NULL")

    def __call__(self, values: Values) -> list[str]:
        """The JSON text of each value. Raises UnserializableError or what the field's code does."""
        if self.form != "own":
            return self._encode(values)
        return raw_texts(list(self._own_forms(values)))

    @cached_property
    def form(self) -> Form:
        """The form of the column's values."""
        return self._table.forms[self._field]

    def sampled_form(self) -> Form:
        """The form, as far as a sample shows it: all values are still to be tried for "own"."""
        code = self._code
        if has_own_sql(self._field) or (not code.keeps_null and self._holds_null()):
            return "altered"
        sample = list(_distinct(self._values(SAMPLE_ROWS), SAMPLE_VALUES))
        if all(map(code.takes_stored_form, sample)):
            return "same"
        first = list(self._values(SAMPLE_VALUES))
        if 2 * len(sample) < len(first) or len(set(map(repr, first))) * 2 < len(first):
            takes = _remembering(lambda raw: code.take_own_forms([raw]))
            own_form = _remembering(lambda raw: next(code.own_forms([raw])))
            self.takes_own = lambda raws: all(map(takes, raws))
            self._own_forms = partial(map, own_form)
        return "own" if self.takes_own(sample) else "altered"

    def _values(self, rows: int) -> Iterator[Any]:
        """The column's values, without NULL, of the first rows."""
        pages = self._table.pages([self._field])
        values = chain.from_iterable(values for (values,) in pages)
        return (value for value in islice(values, rows) if value is not None)

    def _holds_null(self) -> bool:
        return any(self._table.pages([self._field], self._is_null, rows=1))


def _remembering(function: Callable[[Any], Answer]) -> Callable[[Any], Answer]:
    """The function with a cache, except for lists and dicts, which PostgreSQL's driver returns."""
    remembered = lru_cache(maxsize=4096, typed=True)(function)
    return lambda raw: remembered(raw) if raw.__hash__ else function(raw)


def _distinct(values: Iterable[Any], most: int) -> Iterator[Any]:
    """The first `most` different values."""
    seen: set[tuple[type, str]] = set()
    for value in values:
        mark = type(value), repr(value)
        if mark not in seen:
            seen.add(mark)
            yield value
        if len(seen) == most:
            return


class _FieldCode:
    """What a custom field's own code makes of values. Any exception of it means "unusable"."""

    def __init__(self, field: Field, connection: BaseDatabaseWrapper, encode: Encoder) -> None:
        self._field = field
        self._connection = connection
        self._encode = encode
        self._column = field.get_col(field.model._meta.db_table)
        self._holder: Any = SimpleNamespace()
        self._declared = declared_converter(field, connection)
        self._memory: sqlite3.Connection | None = None
        if connection.vendor == "sqlite":
            self._memory = sqlite3.connect(":memory:", check_same_thread=False)
            self._memory.execute(f"CREATE TABLE kept (value {field.db_type(connection)})")
            self._memory.execute("INSERT INTO kept VALUES (NULL)")
            finalize(self, self._memory.close)

    @cached_property
    def keeps_null(self) -> bool:
        """Whether stock loaddata stores NULL for null."""
        if isinstance(self._field, models.FileField):
            return False  # a FieldFile without a name is stored as ''
        try:
            return self._saved(None) is None
        except Exception:  # noqa: BLE001
            return False

    def takes_stored_form(self, raw: Any) -> bool:
        """Whether the field stores this very raw value when it is given its stored form."""
        try:
            return self._take([raw], [json.loads(self._encode([raw])[0])])
        except Exception:  # noqa: BLE001  (the project's code, or dirty data)
            return False

    def take_own_forms(self, raws: Sequence[Any]) -> bool:
        """Whether the field stores these very raw values when it is given Django's forms."""
        try:
            return self._take(raws, self.own_forms(raws))
        except Exception:  # noqa: BLE001  (the project's code)
            return False

    def own_forms(self, raws: Iterable[Any]) -> Iterator[Any]:
        """Django's forms of raw values, one after the other. Raises what the field's code raises.

        In one loop, because calls of our own would take as long as those of the field's code.
        """
        declared, converters = self._declared, self._converters
        column, connection = self._column, self._connection
        holder, attname = self._holder, self._field.attname
        value_to_string = self._field.value_to_string
        for raw in raws:
            value = raw
            if raw is not None:
                if declared is not None:
                    value = declared(raw if isinstance(raw, bytes) else str(raw).encode())
                for convert in converters:
                    value = convert(value, column, connection)
                if value is None:
                    raise UnserializableError("Django reads it as None")
            if type(value) is str or not is_protected_type(value):
                setattr(holder, attname, value)
                value = value_to_string(holder)
            yield value

    def _take(self, raws: Iterable[Any], forms: Iterable[Any]) -> bool:
        """Whether the field stores each raw value, NULL aside, when it is given its form."""
        field, connection = self._field, self._connection
        to_python, get_db_prep_save = field.to_python, field.get_db_prep_save
        for raw, form in zip(raws, forms, strict=True):
            if raw is None:
                continue
            if type(form) is not str and type(form) is not int:
                form = json.loads(json_of_value(form))
            saved = get_db_prep_save(to_python(form), connection)
            # Equal values need no asking what the column makes of them.
            is_equal = type(saved) is type(raw) is not float and saved == raw
            if not is_equal and not self._same(self._kept(saved), raw):
                return False
        return True

    @cached_property
    def _converters(self) -> list[Any]:
        backend = self._connection.ops.get_db_converters(self._column)
        return [*backend, *self._column.get_db_converters(self._connection)]

    def _saved(self, value: Any) -> Any:
        """What loaddata hands to the database driver."""
        return self._field.get_db_prep_save(self._field.to_python(value), self._connection)

    def _kept(self, given: Any) -> Any:
        """What a column of this type holds then: SQLite makes a number of a decimal's text."""
        if self._memory is None:
            return given
        self._memory.execute("UPDATE kept SET value = ?", [given])
        return self._memory.execute("SELECT value FROM kept").fetchone()[0]

    def _same(self, stored: Any, raw: Any) -> bool:
        if type(stored) is type(raw):
            return self._encode([stored]) == self._encode([raw])
        # A server's driver takes text and returns a datetime or a decimal.
        return self._memory is None and str(stored) == str(raw)
