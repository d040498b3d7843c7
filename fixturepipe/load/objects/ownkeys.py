"""The natural keys of a chunk's own objects: what refers to a row that is still to come."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from fixturepipe.artifacts.fixtures import model_label
from fixturepipe.databases.fields import Model
from fixturepipe.databases.introspection import NATURAL_KEYS
from fixturepipe.databases.naturalkeys import natural_key_paths

Key = tuple[Any, ...]

FixtureObject = dict[str, Any]


class OwnKeys:
    """Natural keys of one chunk's objects, gathered for a model when it is first asked about."""

    def __init__(self, objects: Sequence[FixtureObject]) -> None:
        self._objects = objects
        self._labels: set[str] | None = None
        self._keys: dict[Model, dict[Key, FixtureObject]] = {}

    def find(self, model: Model, to: str, keys: Collection[Key]) -> dict[Key, Any]:
        """The fixture value of field `to` (an attname) of the objects with these keys.

        Objects without a primary key are left to the target, which gives them one.
        """
        own = self._of(model)
        if not own:
            return {}
        found = {key: _value_of(own[key], model, to) for key in keys if key in own}
        return {key: value for key, value in found.items() if value is not None}

    def _of(self, model: Model) -> dict[Key, FixtureObject]:
        known = self._keys.get(model)
        if known is None:
            known = self._keys[model] = dict(self._gathered(model))
        return known

    def _gathered(self, model: Model) -> Iterator[tuple[Key, FixtureObject]]:
        if self._labels is None:
            self._labels = set(map(model_label, {each["model"] for each in self._objects}))
        label = model._meta.label_lower
        if label not in self._labels:
            return
        for each in self._objects:
            if model_label(each["model"]) == label:
                key = natural_key_in(each, model)
                if key is not None:
                    yield key, each


def natural_key_in(each: FixtureObject, model: Model) -> Key | None:
    """The natural key that an object's fixture fields spell, or None if they do not."""
    found = NATURAL_KEYS.of(model._meta.label_lower, each.get("pk"), each["fields"])
    if found is None:
        return None
    try:
        key = hashable(found)
        hash(key)
    except TypeError:
        return None
    return key


def _value_of(each: FixtureObject, model: Model, to: str) -> Any:
    field = model._meta.get_field(to)
    if field is model._meta.pk:
        return each.get("pk")
    value = each["fields"].get(field.name)
    return None if isinstance(value, list) else value


@functools.cache
def key_paths(model: Model) -> tuple[str, ...]:
    """The natural key's fields, remembered."""
    return natural_key_paths(model)


def hashable(key: Sequence[Any]) -> Key:
    """A natural key as a tuple, what is nested in it too."""
    return tuple(_hashable(part) for part in key)


def _hashable(part: Any) -> Any:
    if isinstance(part, dict):
        return hashable([*part.items()])
    return hashable(part) if isinstance(part, list | tuple) else part
