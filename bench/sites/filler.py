"""Fills the tables of a site with rows: `python -m bench.sites.filler ROWS`, in its environment.

Rows are inserted past the models, with keys that are planned beforehand, so the order of the tables
does not matter and cyclic references are filled, too. Where SQLite refuses a row because of a
constraint, other values are drawn. Prints a line of JSON: rows, tables, models that stayed empty.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any

import django
from django.apps import apps
from django.db import connection, models

from bench.sites.values import Field, Values

Model = type[models.Model]
_TRIES = 12
# Django and the migrations fill these.
_KEPT = ("contenttypes.contenttype", "auth.permission", "sites.site")


class Filler:
    """Fills one database. `keys` has for each model the keys that are in it or will be."""

    def __init__(self, rows: int) -> None:
        connection.ensure_connection()
        self.handle: sqlite3.Connection = connection.connection
        self.rows = rows
        self.values = Values()
        self.keys: dict[Model, list[Any]] = {}
        self.planned: dict[Model, list[Any]] = {}
        self.filled = 0
        self.empty: list[str] = []

    def fill(self) -> None:
        """Fill every table that a managed model has."""
        chosen = list(self._models())
        for model in chosen:
            self._plan(model)
        with connection.constraint_checks_disabled():
            for model in chosen:
                self._fill_model(model)
            while self._remove_orphans():
                pass
        self.handle.commit()

    def _models(self) -> Iterator[Model]:
        tables = set(connection.introspection.table_names())
        seen: set[str] = set()
        for model in apps.get_models(include_auto_created=True):
            meta = model._meta
            if meta.proxy or meta.swapped or meta.db_table not in tables:
                continue
            if meta.label_lower not in _KEPT and meta.db_table not in seen:
                seen.add(meta.db_table)
                yield model

    def _existing(self, model: Model) -> list[Any]:
        """The keys of a model, those that are planned included."""
        if model not in self.keys:
            pk: Any = model._meta.pk
            self.keys[model] = self._column(model, pk) if _is_single(model) else []
        return self.keys[model]

    def _column(self, model: Model, field: Field) -> list[Any]:
        column, table = map(connection.ops.quote_name, (field.column, model._meta.db_table))
        rows = self.handle.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
        return [value for (value,) in rows]

    def _plan(self, model: Model) -> None:
        """Choose new keys; a key that is a reference takes keys of what it refers to."""
        if model not in self.planned:
            self.planned[model] = self._new_keys(model)
            self.keys[model] = self._existing(model) + self.planned[model]

    def _new_keys(self, model: Model) -> list[Any]:
        if not _is_single(model):
            return [None] * self.rows
        field: Any = model._meta.pk
        there = set(self._existing(model))
        if field.remote_field:
            parent = field.remote_field.model._meta.concrete_model
            self._plan(parent)
            free = [key for key in self.keys[parent] if key not in there]
            return self.values.random.sample(free, min(len(free), max(1, self.rows * 2 // 3)))
        if isinstance(field, models.IntegerField):
            # With a gap, as after deletions.
            start = max((key for key in there if isinstance(key, int)), default=0) + 1
            return [start + n + (7 if n > self.rows // 2 else 0) for n in range(self.rows)]
        return list(dict.fromkeys(self.values.stored(field) for _ in range(self.rows)))

    def _fill_model(self, model: Model) -> None:
        fields = [f for f in model._meta.local_concrete_fields if not getattr(f, "generated", 0)]
        columns = ", ".join(connection.ops.quote_name(field.column) for field in fields)
        table = connection.ops.quote_name(model._meta.db_table)
        marks = ", ".join("?" * len(fields))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
        refused = [key for key in self.planned[model] if not self._insert(statement, fields, key)]
        self.keys[model] = [key for key in self.keys[model] if key not in refused]
        if refused and len(refused) == len(self.planned[model]):
            self.empty.append(model._meta.label_lower)

    def _insert(self, statement: str, fields: list[Field], key: Any) -> bool:
        for _ in range(_TRIES):
            try:
                self.handle.execute(statement, [self._cell(field, key) for field in fields])
            except sqlite3.Error:
                continue
            self.filled += 1
            return True
        return False

    def _cell(self, field: Field, key: Any) -> Any:
        if field.primary_key and key is not None:
            return key
        if field.null and self.values.chance(0.25):
            return None
        if field.remote_field and not isinstance(field.remote_field.model, str):
            return self._reference(field)
        if _is_generic_key(field) and field.get_internal_type() != "UUIDField":
            return self.values.number() if field.unique else self.values.random.choice((1, 2, "7"))
        return self.values.stored(field)

    def _reference(self, field: Any) -> Any:
        model, to = field.remote_field.model._meta.concrete_model, field.target_field
        is_key = to.primary_key or to.remote_field
        keys = self._existing(model) if is_key else self._column(model, to)
        if not keys:
            return None if field.null else 0
        return self.values.random.choice(keys)

    def _remove_orphans(self) -> bool:
        """Remove rows whose references found nothing; returns whether there were any."""
        found = self.handle.execute("PRAGMA foreign_key_check").fetchall()
        orphans = {(table, rowid) for table, rowid, *_ in found if rowid is not None}
        for table, rowid in orphans:
            self.handle.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (rowid,))
        self.filled -= len(orphans)
        return bool(orphans)


def _is_single(model: Model) -> bool:
    """Whether the primary key is one column."""
    return getattr(model._meta.pk, "column", None) is not None


def _is_generic_key(field: Field) -> bool:
    """Whether the column is the key of a generic reference."""
    private: Any = field.model._meta.private_fields
    return any(getattr(each, "fk_field", None) == field.name for each in private)


def main() -> None:
    """Fill the database of the settings that DJANGO_SETTINGS_MODULE names."""
    django.setup()
    filler = Filler(int(sys.argv[1]))
    filler.fill()
    made = {"rows": filler.filled, "tables": len(filler.planned), "empty": filler.empty}
    print(json.dumps(made))


if __name__ == "__main__":
    main()
