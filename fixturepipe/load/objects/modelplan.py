"""How objects of one model become rows of its table; compiled once a model and load."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.fields import (
    Field,
    Model,
    generated_fields,
    has_composite_key,
    key_fields,
)
from fixturepipe.load.objects.columns import MISSING, Column
from fixturepipe.load.objects.rows import FixtureObject, RowProblem, Rows
from fixturepipe.load.server.builtinfields import JSON_NULL
from fixturepipe.load.server.converters import is_read_as_stored


class ModelPlan:
    """The columns of a model's own table (as a raw save writes them) and their statements.

    `json_nulls` and `stored` are the manifest's notes about the model. `kept_ids` are the source's
    ids of objects that a fixture has without a primary key, by natural key; empty where the target
    has ids of its own.
    """

    def __init__(
        self,
        model: Model,
        connection: BaseDatabaseWrapper,
        json_nulls: Mapping[str, Any] = MappingProxyType({}),
        stored: Collection[str] = (),
        kept_ids: Mapping[tuple[Any, ...], int] = MappingProxyType({}),
    ) -> None:
        meta = model._meta
        self.model = model
        self.label = meta.label_lower
        self.table = connection.ops.quote_name(meta.db_table)
        self._connection = connection
        generated = generated_fields(model)
        self.columns = [
            Column(each, connection, stored=each.name in stored)
            for each in meta.local_concrete_fields
            if each not in generated
        ]
        pk: Any = meta.pk
        self.pk: Field = pk
        key = key_fields(model)
        self.key_columns = [c for c in self.columns if c.field in key]
        self.composite = has_composite_key(model)
        self.names = frozenset(c.field.name for c in self.columns if c.field is not pk)
        # A key that is that of a content type may stand among the fields, as a natural key.
        self.lent = frozenset(c.field.name for c in self.key_columns if c.remote is not None)
        self.generated = {field.name for field in generated}
        self.lists = {f.name: f for f in meta.many_to_many}
        self._read_as_stored = all(is_read_as_stored(c.field) for c in self.columns)
        self.kept_ids = kept_ids
        self._json_nulls = {
            name: keys if keys == "all" else {_comparable(key) for key in keys}
            for name, keys in json_nulls.items()
        }
        quote = connection.ops.quote_name
        self.insert = (
            f"INSERT INTO {self.table} ({', '.join(quote(c.name) for c in self.columns)}) VALUES "
        )
        # For UPDATE: the index of a row's cell, and the column that it is for.
        self.assignments = [
            (index, f"{quote(column.name)} = ")
            for index, column in enumerate(self.columns)
            if column.field not in key
        ]

    # ---- from objects to rows

    def cells(
        self, objects: Sequence[FixtureObject], given: Collection[tuple[str, ...]]
    ) -> list[list[Any]]:
        """The fixture values, a list for each column; MISSING where an object gives none.

        `given` are the names of fields that objects give: one tuple if all give the same.
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
        index = self.key_columns.index(column)
        for row, each in enumerate(objects):
            key = each.get("pk")
            if values[row] is MISSING and isinstance(key, list) and len(key) > index:
                values[row] = key[index]

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

        `converted` are columns of literals that have been made already, by column index.
        """
        try:
            literals = self._literals(cells, converted)
        except Exception:  # noqa: BLE001  (the project's own fields: any failure is the value's)
            return self._row_by_row(objects, cells)
        return self._joined(list(objects), literals), []

    def _literals(
        self, cells: Sequence[list[Any]], converted: Mapping[int, list[str]]
    ) -> list[list[str]]:
        return [
            converted[index] if index in converted else column.literals(values)
            for index, (column, values) in enumerate(zip(self.columns, cells, strict=True))
        ]

    def _joined(self, objects: list[FixtureObject], literals: list[list[str]]) -> Rows:
        keys = [
            values
            for column, values in zip(self.columns, literals, strict=True)
            if column in self.key_columns
        ]
        return Rows(self, objects, self._together(keys), list(zip(*literals, strict=True)))

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
        literals = self._literals([[values[row] for row in good] for values in cells], {})
        return self._joined(kept, literals), problems

    def _problem_of(self, each: FixtureObject, cells: Sequence[Any]) -> RowProblem | None:
        hint = "The field does not accept this value."
        for column, value in zip(self.columns, cells, strict=True):
            try:
                column.literals([value])[0].encode()
            except Exception as error:  # noqa: BLE001  (as above)
                text = column.described(value, error)
                return RowProblem(each, text, column.field.name, value, hint)
        return None

    def keys_in(self, objects: Sequence[FixtureObject]) -> list[str]:
        """The primary keys of fixture objects, as `Rows.keys` has them."""
        cells = self.cells(objects, set(map(tuple, map(itemgetter("fields"), objects))))
        parts = zip(self.columns, cells, strict=True)
        keys = [column.literals(values) for column, values in parts if column in self.key_columns]
        return self._together(keys)

    # ---- what the database holds

    def keys_of(self, table: models.QuerySet[Any]) -> list[str]:
        """The primary keys of the rows that the database holds, as `Rows.keys` has them."""
        rows = list(table.values_list(*(column.field.attname for column in self.key_columns)))
        if not rows:
            return []
        parts = zip(self.key_columns, zip(*rows, strict=True), strict=True)
        return self._together([column.literals_of_python(values) for column, values in parts])

    def rows_of(self, table: models.QuerySet[Any]) -> dict[str, tuple[str, ...] | None]:
        """The rows that the database holds, by key, both as `Rows` has them.

        None stands for a row of which Django does not read all that it holds.
        """
        if not self._read_as_stored:
            return dict.fromkeys(self.keys_of(table))
        rows = list(table.values_list(*(column.field.attname for column in self.columns)))
        if not rows:
            return {}
        parts = zip(self.columns, zip(*rows, strict=True), strict=True)
        held = self._joined([], [column.literals_of_python(values) for column, values in parts])
        return dict(zip(held.keys, held.cells, strict=True))

    def key_condition(self, keys: Sequence[str]) -> str:
        """The SQL condition that a row has one of these keys (literals)."""
        quote = self._connection.ops.quote_name
        names = ",".join(quote(column.name) for column in self.key_columns)
        return f"{f'({names})' if self.composite else names} IN ({','.join(keys)})"

    def _together(self, parts: Sequence[list[str]]) -> list[str]:
        """The keys, of the literals of their columns."""
        if not self.composite:
            return parts[0]
        return [f"({','.join(part)})" for part in zip(*parts, strict=True)]


class ModelPlans:
    """The plans of one load over the connection `alias`, made when first asked for.

    `keeps_ids`: content types and permissions get the ids of the source.
    """

    def __init__(self, alias: str, manifest: Manifest, *, keeps_ids: bool = False) -> None:
        self._alias = alias
        self._manifest = manifest
        self._keeps_ids = keeps_ids
        self._plans: dict[str, ModelPlan] = {}

    def plan(self, label: str) -> ModelPlan:
        """The plan of the model that a fixture names. Raises LookupError if there is none."""
        found = self._plans.get(label)
        if found is None:
            named = apps.get_model(label)
            model: Model = named._meta.concrete_model or named
            found = self._plans[label] = self._made(model)
        return found

    def _made(self, model: Model) -> ModelPlan:
        label, manifest = model._meta.label_lower, self._manifest
        ids = manifest.natural_ids.get(label, ()) if self._keeps_ids else ()
        return ModelPlan(
            model,
            connection_to(self._alias),
            manifest.json_nulls.get(label, {}),
            manifest.stored.get(label, ()),
            {tuple(key): number for key, number in ids},
        )


def _comparable(key: Any) -> Any:
    """A primary key of a fixture as a set can hold it."""
    return tuple(key) if isinstance(key, list) else key
