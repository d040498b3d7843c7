"""Content types and permissions that a fixture has by number, as a plain `dumpdata` writes them.

    {"model": "contenttypes.contenttype", "pk": 8, "fields": {"app_label": "shop", "model": "item"}}
    {"model": "admin.logentry", "pk": 1, "fields": {"content_type": 8, …}}

Each database numbers these objects itself, so the fixture's numbers mean other objects in the
target. What the fixture says of a number is its natural key: objects and references are brought to
the form of our own dumps, which hold that instead.

    {"model": "contenttypes.contenttype", "fields": {"app_label": "shop", "model": "item"}}
    {"model": "admin.logentry", "pk": 1, "fields": {"content_type": ["shop", "item"], …}}

References may come first, so the fixtures are read once more, before all else; only those that
name one of these models. There are some hundreds of these objects: they are kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from fixturepipe.arrange.external import Plain
from fixturepipe.arrange.intake import Models
from fixturepipe.arrange.keys import PK, Key, Kind
from fixturepipe.artifacts.fixtures import FixtureFile
from fixturepipe.artifacts.manifest import ModelSchema

# As the manifest has them: an empty target keeps the numbers.
NaturalIds = dict[str, list[tuple[list[Any], int]]]


class Identities:
    """The natural keys of numbered objects, by label and number."""

    def __init__(
        self,
        schemas: Mapping[str, ModelSchema],
        labels: Iterable[str],
        models: Models,
        label_of: Callable[[str], str],
    ) -> None:
        """`labels` are those of all models, each after those that it refers to."""
        self._schemas = schemas
        self._labels = [label for label in labels if schemas[label].natural_primary]
        self._models = models
        self._label_of = label_of
        self._keys: dict[str, dict[Key, list[Any]]] = {}

    def read(self, files: Iterable[FixtureFile]) -> None:
        """Look for numbered objects. Raises FixtureError where a file is no fixture."""
        found: dict[str, dict[Key, Mapping[str, Any]]] = {label: {} for label in self._labels}
        for file in files:
            if file.mentions(self._labels):
                for item in chain.from_iterable(batch.items for batch in file.batches()):
                    label = self._label_of(item["model"])
                    objects = found.get(label)
                    if objects is not None and item.get("pk") is not None:
                        objects[self._key_of(label, item["pk"])] = item["fields"]
        for label, objects in found.items():
            for number, fields in objects.items():
                self._name(label, number, fields)

    def _name(self, label: str, number: Key, fields: Mapping[str, Any]) -> None:
        plain = self.named(Plain(label, None, dict(fields)))
        key = self._models.natural_keys.of(label, None, plain.fields)
        if key is not None:
            self._keys.setdefault(label, {})[number] = key

    def concerns(self, schema: ModelSchema) -> bool:
        """Whether objects of a model may have or hold such a number."""
        models = {schema.label, *(reference.model for reference in schema.references)}
        return not models.isdisjoint(self._keys)

    def named(self, plain: Plain) -> Plain:
        """The object with natural keys for numbers, as far as the fixtures say what these are."""
        schema = self._schemas[plain.label]
        pk, fields = plain.pk, plain.fields
        for reference in schema.references:
            by_key = reference.field == PK
            number = pk if by_key else fields.get(reference.field)
            key = self._of(reference.model, number) if reference.to == PK else None
            if key is not None:
                fields = {**fields, (schema.pk if by_key else reference.field): key}
                pk = None if by_key else pk
        if self._of(plain.label, pk) is not None:
            pk = None
        return Plain(plain.label, pk, fields)

    def _of(self, label: str, number: Any) -> list[Any] | None:
        if number is None or isinstance(number, list):
            return None
        keys = self._keys.get(label)
        return keys.get(self._key_of(label, number)) if keys else None

    def _key_of(self, label: str, number: object) -> Key:
        return self._models.key_index(Kind(label, PK)).key_of(number)

    @property
    def natural_ids(self) -> NaturalIds:
        """The numbers that the fixtures have, as the manifest holds them."""
        return {
            label: [(key, number) for number, key in keys.items() if isinstance(number, int)]
            for label, keys in self._keys.items()
        }
