"""Columns and indexes that migrations make on their way, and no model has any more.

A text that was unique before a later migration shortened it stops `migrate` on MySQL, though the
models are fine. What the models have is tried with their own tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from django.db import migrations, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.operations.base import Operation

from fixturepipe.databases.fields import Field, Model

Key = Literal["", "INDEX", "UNIQUE", "PRIMARY KEY"]
# The names of fields, and the key that they have together.
_NamedKey = tuple[tuple[str, ...], Key]

_TABLE = "fixturepipe_type"
# The options of a model that ask for keys.
_OPTIONS = ("unique_together", "constraints", "indexes")


@dataclass(frozen=True)
class Shape:
    """The types of columns, and the key that they have together."""

    kinds: tuple[str, ...]
    key: Key = ""

    @property
    def statements(self) -> tuple[str, str]:
        """What makes a temporary table of these columns, and drops it."""
        columns = [f"c{number} {kind}" for number, kind in enumerate(self.kinds)]
        names = ", ".join(f"c{number}" for number in range(len(self.kinds)))
        if self.key != "PRIMARY KEY":
            columns.insert(0, "k INTEGER PRIMARY KEY")
        if self.key:
            columns.append(f"{self.key} ({names})")
        make = f"CREATE TEMPORARY TABLE {_TABLE} ({', '.join(columns)})"
        return make, f"DROP TEMPORARY TABLE IF EXISTS {_TABLE}"


class Shapes:
    """Finds the shapes of models and of operations on one connection."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def of_model(self, model: Model) -> set[Shape]:
        """What a model's table has now."""
        meta = model._meta
        fields = {field.name: field for field in meta.local_concrete_fields}
        named = _of_options({name: getattr(meta, name) for name in _OPTIONS})
        return {shape for shape, _ in self._all(fields, named)}

    def of_operation(
        self, operation: Operation, fields: Mapping[str, Field]
    ) -> Iterator[tuple[Shape, tuple[str, ...]]]:
        """What an operation makes, each with the names of its fields.

        `fields` are those of the model as the operation leaves it.
        """
        match operation:
            case migrations.CreateModel():
                if operation.options.get("managed", True) and not operation.options.get("proxy"):
                    yield from self._all(dict(operation.fields), _of_options(operation.options))
            case migrations.AddField() | migrations.AlterField():
                yield from self._all({operation.name: operation.field}, ())
            case migrations.AlterUniqueTogether():
                yield from self._keys(fields, _together(operation.option_value, "UNIQUE"))
            case migrations.AddIndex():
                yield from self._keys(fields, _of_options({"indexes": [operation.index]}))
            case migrations.AddConstraint():
                added: Any = operation
                yield from self._keys(fields, _of_options({"constraints": [added.constraint]}))

    def _all(
        self, fields: Mapping[str, Field], named: Iterable[_NamedKey]
    ) -> Iterator[tuple[Shape, tuple[str, ...]]]:
        for name, field in fields.items():
            kind = self._kind(field)
            if kind is None:
                continue
            yield Shape((kind,)), (name,)
            if key := self._key(field, kind):
                yield Shape((kind,), key), (name,)
        yield from self._keys(fields, named)

    def _keys(
        self, fields: Mapping[str, Field], named: Iterable[_NamedKey]
    ) -> Iterator[tuple[Shape, tuple[str, ...]]]:
        for names, key in named:
            kinds = [self._kind(fields[name]) for name in names if name in fields]
            # A column of a type that is not known here leaves the index as long or makes it longer.
            if known := tuple(kind for kind in kinds if kind is not None):
                yield Shape(known, key), names

    def _kind(self, field: Field) -> str | None:
        """The column's type; None if only the model or the field's own code knows it."""
        with suppress(Exception):
            if field.remote_field is None and not isinstance(field, models.AutoField):
                return field.db_type(self._connection)
        return None

    def _key(self, field: Field, kind: str) -> Key:
        if field.primary_key:
            return "PRIMARY KEY"
        if field.unique:
            return "UNIQUE"
        # Django makes no plain index of these on its own.
        limited: Any = self._connection._limited_data_types  # type: ignore[attr-defined]
        indexed = getattr(field, "db_index", False) and kind.lower() not in limited
        return "INDEX" if indexed else ""


def _of_options(options: Mapping[str, Any]) -> Iterator[_NamedKey]:
    """The fields of the keys that a model's options ask for, and that MySQL and MariaDB get."""
    yield from _together(options.get("unique_together", ()), "UNIQUE")
    for each in options.get("constraints", ()):
        if isinstance(each, models.UniqueConstraint) and each.fields and not each.condition:
            yield tuple(each.fields), "UNIQUE"
    for each in options.get("indexes", ()):
        if type(each) is models.Index and each.fields and not each.condition:
            yield tuple(name for name, _ in each.fields_orders), "INDEX"


def _together(value: Iterable[Sequence[str]] | None, key: Key) -> Iterator[_NamedKey]:
    for names in value or ():
        yield tuple(names), key
