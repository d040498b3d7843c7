"""From a group of fixture objects of one model to rows of SQL literals.

A `ModelPlan` is compiled once a model: its columns, their converters, and which of them hold
references that may be written as natural keys. A `Row` keeps its object, so that whatever the
server says of the row can be said of the object.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import NOT_PROVIDED

from fixturepipe.load.columns import (
    JSON_NULL,
    AnyField,
    Converter,
    converter_for,
    general_converter,
    is_quick,
    is_read_as_stored,
    needs_instances,
    prepared_literal,
)

FixtureObject = dict[str, Any]
Model = type[models.Model]


@dataclass(frozen=True)
class RowProblem:
    """Why an object cannot be a row of the target.

    `field` and `value` are empty where the problem is not one field's; `code` is the server's
    error number, if it was the server that refused.
    """

    object: FixtureObject
    text: str
    field: str = ""
    value: Any = None
    hint: str = ""
    code: int | None = None


@dataclass(frozen=True)
class Column:
    """One column: its field, its converter, and what a natural key in it would stand for.

    `quick`: the converter asks neither the server nor the project, see `columns.is_quick`.
    """

    field: AnyField
    name: str
    convert: Converter
    quick: bool
    remote: Model | None = None
    to: str = ""


class _MissingValue:
    """Stands for a field that the object does not give."""


MISSING = _MissingValue()


@dataclass
class Rows:
    """A group's rows; `objects`, `keys` and `cells` are in step.

    `keys` are the primary keys as literals (NULL: the server gives one); `cells` the literals
    of all columns.
    """

    plan: ModelPlan
    objects: list[FixtureObject]
    keys: list[str]
    cells: list[tuple[str, ...]]

    def part(self, start: int, stop: int) -> Rows:
        """Some of the rows."""
        return Rows(
            self.plan,
            self.objects[start:stop],
            self.keys[start:stop],
            self.cells[start:stop],
        )

    def pick(self, positions: Iterable[int]) -> Rows:
        """The rows at these positions."""
        chosen = list(positions)
        return Rows(
            self.plan,
            [self.objects[i] for i in chosen],
            [self.keys[i] for i in chosen],
            [self.cells[i] for i in chosen],
        )

    def __len__(self) -> int:
        return len(self.objects)


class ModelPlan:
    """How objects of one model become rows of its table (of its own table only, as raw saves).

    `json_nulls` maps a JSON field to the keys whose null means JSON null, or to "all".
    """

    def __init__(
        self,
        model: Model,
        connection: BaseDatabaseWrapper,
        json_nulls: dict[str, Any] | None = None,
    ) -> None:
        meta = model._meta
        self.model = model
        self.label = meta.label_lower
        self.table = connection.ops.quote_name(meta.db_table)
        self._connection = connection
        self.columns = [
            _column(each, connection)
            for each in meta.local_concrete_fields
            if not getattr(each, "generated", False)
        ]
        pk: Any = meta.pk
        self.pk: AnyField = pk
        self.key_columns = [c for c in self.columns if c.field in meta.pk_fields]
        self.composite = meta.is_composite_pk
        self.names = frozenset(c.field.name for c in self.columns if c.field is not pk)
        # A key that is that of a content type may stand among the fields, as a natural key.
        self.lent = frozenset(c.field.name for c in self.key_columns if c.remote is not None)
        self.generated = {f.name for f in meta.local_fields if getattr(f, "generated", False)}
        self.lists = {f.name: f for f in meta.many_to_many}
        self.by_instance = needs_instances(model)
        self._read_as_stored = all(is_read_as_stored(c.field) for c in self.columns)
        self._json_nulls = {
            name: keys if keys == "all" else {_comparable(key) for key in keys}
            for name, keys in (json_nulls or {}).items()
        }
        quote = connection.ops.quote_name
        self.insert = (
            f"INSERT INTO {self.table} ({', '.join(quote(c.name) for c in self.columns)}) VALUES "
        )
        # For UPDATE: where a row's cell stands, and the column it is for.
        self.assignments = [
            (position, f"{quote(column.name)} = ")
            for position, column in enumerate(self.columns)
            if column.field not in meta.pk_fields
        ]

    def cells(
        self, objects: Sequence[FixtureObject], given: Collection[tuple[str, ...]]
    ) -> list[list[Any]]:
        """The fixture values, a list for each column; MISSING where an object gives none.

        `given` are the names of fields that objects give: one tuple if they are all alike.
        """
        fields = list(map(itemgetter("fields"), objects))
        by_name: dict[str, list[Any]] = {}
        if len(given) == 1 and objects:
            (names,) = given
            by_name = dict(
                zip(names, map(list, zip(*map(dict.values, fields), strict=True)), strict=True)
            )
        return [self._cells_of(column, objects, fields, by_name) for column in self.columns]

    def _cells_of(
        self,
        column: Column,
        objects: Sequence[FixtureObject],
        fields: Sequence[dict[str, Any]],
        by_name: dict[str, list[Any]],
    ) -> list[Any]:
        name = column.field.name
        if column.field is self.pk:
            return [o["pk"] if "pk" in o else o["fields"].get(name, MISSING) for o in objects]
        values = by_name.get(name)
        if values is None:
            values = [each.get(name, MISSING) for each in fields]
            if self.composite and column in self.key_columns:
                self._take_from_key(column, objects, values)
        nulls = self._json_nulls.get(name)
        if nulls is not None and None in values:
            self._put_json_nulls(nulls, objects, values)
        return values

    def _take_from_key(
        self, column: Column, objects: Sequence[FixtureObject], values: list[Any]
    ) -> None:
        """A part of a composite key may stand in the "pk" list alone."""
        position = self.key_columns.index(column)
        for row, each in enumerate(objects):
            key = each.get("pk")
            if values[row] is MISSING and isinstance(key, list) and len(key) > position:
                values[row] = key[position]

    def _put_json_nulls(
        self, nulls: Any, objects: Sequence[FixtureObject], values: list[Any]
    ) -> None:
        for row, value in enumerate(values):
            if value is None and (nulls == "all" or _comparable(objects[row].get("pk")) in nulls):
                values[row] = JSON_NULL

    def rows(
        self,
        objects: Sequence[FixtureObject],
        cells: Sequence[list[Any]],
        converted: Mapping[int, list[str]],
    ) -> tuple[Rows, list[RowProblem]]:
        """The rows, and the objects of which a value cannot be written.

        `converted` are columns of literals that have been made already, by position.
        """
        try:
            literals = self._literals(objects, cells, converted)
        except Exception:  # noqa: BLE001  (the project's own fields: any failure is the value's)
            return self._row_by_row(objects, cells)
        return self._joined(list(objects), literals), []

    def _literals(
        self,
        objects: Sequence[FixtureObject],
        cells: Sequence[list[Any]],
        converted: Mapping[int, list[str]],
    ) -> list[list[str]]:
        if self.by_instance:
            return self._through_instances(objects, cells)
        return [
            converted[position] if position in converted else self._column_literals(column, values)
            for position, (column, values) in enumerate(zip(self.columns, cells, strict=True))
        ]

    def _column_literals(self, column: Column, values: list[Any]) -> list[str]:
        if is_given(column, values):
            return column.convert(values)
        key = column.field.primary_key
        values = [
            self._default_of(column) if v is MISSING or (key and v is None) else v for v in values
        ]
        return _with_literals(column.convert, values)

    def _default_of(self, column: Column) -> _Literal:
        """What a new object has in a field that it is not given."""
        each: Any = column.field  # the stubs know no database defaults
        if each.has_db_default() and each.default is NOT_PROVIDED:
            return _Literal("DEFAULT")
        return _Literal(prepared_literal(each, self._connection, each.get_default()))

    def _joined(self, objects: list[FixtureObject], literals: list[list[str]]) -> Rows:
        keys = [
            values
            for column, values in zip(self.columns, literals, strict=True)
            if column in self.key_columns
        ]
        joined = (
            keys[0] if len(keys) == 1 else [f"({','.join(k)})" for k in zip(*keys, strict=True)]
        )
        return Rows(self, objects, joined, list(zip(*literals, strict=True)))

    def _row_by_row(
        self, objects: Sequence[FixtureObject], cells: Sequence[list[Any]]
    ) -> tuple[Rows, list[RowProblem]]:
        """Find the values that cannot be written; the other rows are as good as ever."""
        problems: list[RowProblem] = []
        good: list[int] = []
        for row, each in enumerate(objects):
            problem = self._problem_of(each, [values[row] for values in cells])
            if problem is None:
                good.append(row)
            else:
                problems.append(problem)
        kept = [objects[row] for row in good]
        literals = self._literals(kept, [[values[row] for row in good] for values in cells], {})
        return self._joined(kept, literals), problems

    def _problem_of(self, each: FixtureObject, cells: Sequence[Any]) -> RowProblem | None:
        hint = "The field does not take this value."
        for column, value in zip(self.columns, cells, strict=True):
            try:
                self._column_literals(column, [value])[0].encode()
            except Exception as error:  # noqa: BLE001  (as above)
                text = _said_of(column, value, error)
                return RowProblem(each, text, column.field.name, value, hint)
        if self.by_instance:
            try:
                self._through_instances([each], [[value] for value in cells])
            except Exception as error:  # noqa: BLE001  (as above)
                return RowProblem(each, _said(error))
        return None

    def _through_instances(
        self, objects: Sequence[FixtureObject], cells: Sequence[list[Any]]
    ) -> list[list[str]]:
        """As loaddata does: make each object, and read the fields' values from it."""
        rows: list[list[str]] = []
        for row in range(len(objects)):
            data = {
                _attribute(column): _python_value(column, values[row])
                for column, values in zip(self.columns, cells, strict=True)
                if values[row] is not MISSING and values[row] is not JSON_NULL
            }
            instance = self.model(**data)
            rows.append(
                [
                    column.convert([JSON_NULL])[0]
                    if values[row] is JSON_NULL
                    else prepared_literal(
                        column.field, self._connection, getattr(instance, column.field.attname)
                    )
                    for column, values in zip(self.columns, cells, strict=True)
                ]
            )
        return [list(values) for values in zip(*rows, strict=True)] or [[] for _ in self.columns]

    def keys_of(self, table: models.QuerySet[Any]) -> list[str]:
        """The primary keys of the rows that the database holds, as `Rows.keys` has them."""
        names = [column.field.attname for column in self.key_columns]
        keys = [key if self.composite else key[0] for key in table.values_list(*names)]
        return self._key_literals(keys) if keys else []

    def rows_of(self, table: models.QuerySet[Any]) -> dict[str, tuple[str, ...] | None]:
        """The rows that the database holds, by key, both as `Rows` has them.

        None stands for a row of which Django does not read all that it holds.
        """
        if not self._read_as_stored:
            return dict.fromkeys(self.keys_of(table))
        rows = list(table.values_list(*(column.field.attname for column in self.columns)))
        if not rows:
            return {}
        literals = [
            self._as_literals(column, list(values))
            for column, values in zip(self.columns, zip(*rows, strict=True), strict=True)
        ]
        held = self._joined([], literals)
        return dict(zip(held.keys, held.cells, strict=True))

    def _key_literals(self, keys: Sequence[Any]) -> list[str]:
        parts = [
            self._as_literals(column, [key[i] for key in keys] if self.composite else keys)
            for i, column in enumerate(self.key_columns)
        ]
        if not self.composite:
            return parts[0]
        return [f"({','.join(part)})" for part in zip(*parts, strict=True)]

    def _as_literals(self, column: Column, values: Sequence[Any]) -> list[str]:
        """Of values as Django reads them."""
        return general_converter(column.field, self._connection)(values)

    def key_condition(self, keys: Sequence[str]) -> str:
        """The SQL condition that a row has one of these keys (literals)."""
        quote = self._connection.ops.quote_name
        names = ",".join(quote(column.name) for column in self.key_columns)
        return f"{f'({names})' if self.composite else names} IN ({','.join(keys)})"


def is_given(column: Column, values: Sequence[Any]) -> bool:
    """Whether each object gives the value, none leaves it to the field or the server."""
    return MISSING not in values and not (column.field.primary_key and None in values)


def is_natural(column: Column, values: Sequence[Any]) -> bool:
    """Whether some values are natural keys, written as lists."""
    return column.remote is not None and list in set(map(type, values))


@dataclass(frozen=True)
class _Literal:
    """SQL text that stands where a value to be converted would."""

    sql: str


def _with_literals(convert: Converter, values: Sequence[Any]) -> list[str]:
    """Convert the values among which some are SQL already."""
    rest = iter(convert([value for value in values if not isinstance(value, _Literal)]))
    return [value.sql if isinstance(value, _Literal) else next(rest) for value in values]


def _column(each: AnyField, connection: BaseDatabaseWrapper) -> Column:
    name = each.column
    assert name is not None
    convert, quick = converter_for(each, connection), is_quick(each)
    if not isinstance(each, models.ForeignKey):
        return Column(each, name, convert, quick)
    return Column(each, name, convert, quick, each.remote_field.model, each.target_field.attname)


def _attribute(column: Column) -> str:
    return column.field.attname if column.remote is not None else column.field.name


def _python_value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.field, models.ForeignKey):
        return column.field.target_field.to_python(value)
    return column.field.to_python(value)


def _comparable(key: Any) -> Any:
    """A primary key of a fixture as a set can hold it."""
    return tuple(key) if isinstance(key, list) else key


def _said_of(column: Column, value: Any, error: Exception) -> str:
    """Django's sentence about a value, where it has one: Python's may be a mere class's name."""
    try:
        _python_value(column, value)
    except ValidationError as better:
        return _said(better)
    except Exception:  # noqa: BLE001  (a field of the project's own)
        return _said(error)
    return _said(error)


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    return str(error) or type(error).__name__
