"""Content types and permissions: rows that every database makes for itself, with its own ids.

They are matched by natural key: app label and model, and a permission also by its codename.
References to them, generic foreign keys included, are compared through that match.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.endpoints import SOURCE, TARGET, connection_to
from fixturepipe.databases.fields import Field, Model, root_field
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.naturalkeys import natural_key_paths
from fixturepipe.databases.plainquery import every_row
from fixturepipe.databases.queries import any_text
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tables import Row
from fixturepipe.databases.values import NaturalKey, Translation

CONTENT_TYPE = "contenttypes.contenttype"


@dataclass(frozen=True)
class GenericKey:
    """A generic foreign key whose object id may be that of a content type or a permission.

    The positions are those of its two columns in a row.
    """

    content_type: int
    object_id: int


class NaturalRows:
    """The target's id for each of the source's ids, by model label.

    Models whose labels are in `kept` have the source's ids in the target: theirs are compared
    like any other key.
    """

    def __init__(self, kept: Collection[str] = ()) -> None:
        self._kept = kept
        self.translations: dict[str, Translation] = {}
        self._as_text: dict[str, dict[Any, Any]] = {}
        self._labels: dict[Any, str] = {}
        both = [connection_to(alias) for alias in (SOURCE, TARGET)]
        tables = [set(connection.introspection.table_names()) for connection in both]
        for label in NATURAL_PRIMARY:
            ours, theirs = map(_natural_keys, repeat(label), both, tables)
            if ours is None or theirs is None:
                return
            self._match(label, ours, theirs)
            if label == CONTENT_TYPE:
                names = {pk: ".".join(key) for pk, key in ours.items()}
                self._labels = {pk: name for pk, name in names.items() if name in NATURAL_PRIMARY}

    def translation(self, field: Field) -> Translation | None:
        """How the ids in a column translate, if it holds the ids of such rows."""
        end = root_field(field)
        return self.translations.get(end.model._meta.label_lower) if end.primary_key else None

    def translate_generic(self, rows: Sequence[Row], keys: Sequence[GenericKey]) -> list[Row]:
        """The source's rows with the object ids that the target should hold."""
        return [self._translated(row, keys) for row in rows]

    def _translated(self, row: Row, keys: Sequence[GenericKey]) -> Row:
        for key in keys:
            label = self._labels.get(row[key.content_type])
            if label in self.translations:
                known = self.translations[label].ids, self._as_text[label]
                given = row[key.object_id]
                expected = known[isinstance(given, str)].get(given, given)
                row = (*row[: key.object_id], expected, *row[key.object_id + 1 :])
        return row

    def _match(
        self, label: str, ours: Mapping[Any, NaturalKey], theirs: Mapping[Any, NaturalKey]
    ) -> None:
        if label in self._kept:
            return
        there = {key: pk for pk, key in theirs.items()}
        known = {pk: there[key] for pk, key in ours.items() if key in there}
        self.translations[label] = Translation(known, ours, theirs)
        self._as_text[label] = {str(pk): str(other) for pk, other in known.items()}


def generic_keys(model: Model, fields: Sequence[Field]) -> tuple[GenericKey, ...]:
    """The model's own generic foreign keys, by the positions of their columns in `fields`."""
    positions = {field.name: position for position, field in enumerate(fields)}
    return tuple(
        GenericKey(positions[private.ct_field], positions[private.fk_field])
        for private in model._meta.private_fields
        if getattr(private, "ct_field", None) in positions
        and getattr(private, "fk_field", None) in positions
    )


def _natural_keys(
    label: str, connection: BaseDatabaseWrapper, tables: Collection[str]
) -> dict[Any, NaturalKey] | None:
    """The natural keys of one database's rows, by id; None if it has no table for them."""
    app, _, name = label.partition(".")
    if not (apps.is_installed(f"django.contrib.{app}") and name in apps.all_models[app]):
        return None
    model = apps.get_model(label)
    if table_name(model, connection) not in tables:
        return None
    rows = every_row(model, connection.alias).values_list("pk", *natural_key_paths(model))
    return {pk: tuple(key) for pk, *key in any_text(connection, lambda: list(rows))}
