"""The natural key of an object, read out of its fixture form.

`ModelSchema.natural_key` has the look-up paths whose values make up the key: "slug",
"content_type__app_label". A path may lead into a reference. If that is by natural key, its list
has the value; if it is by primary key, the other object has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fixturepipe.artifacts.manifest import ModelSchema, Reference

Fields = Mapping[str, Any]
# The primary key and the fields of an object, by label and primary key; None if it is not known.
Follow = Callable[[str, Any], tuple[Any, Fields] | None]

_UNKNOWN: Any = object()


def _not_known(_label: str, _key: Any) -> None:
    return None


class NaturalKeys:
    """Reads natural keys out of objects, for the models whose keys are made of their fields."""

    def __init__(self, schema_of: Callable[[str], ModelSchema]) -> None:
        """`schema_of` gives a model's schema by its label."""
        self._schema_of = schema_of
        self._references = cache(self._references_of)

    def of(
        self, label: str, pk: object, fields: Fields, follow: Follow = _not_known
    ) -> list[Any] | None:
        """The natural key of an object, or None where it cannot be read off its fields."""
        parts = []
        for path in self._schema_of(label).natural_key:
            part = self._part(label, path, pk, fields, follow)
            if part is _UNKNOWN:
                return None
            parts.append(part)
        return parts or None

    def _part(self, label: str, path: str, pk: Any, fields: Fields, follow: Follow) -> Any:
        references = self._references(label)
        if path in fields and path not in references:
            return fields[path]
        schema = self._schema_of(label)
        name, _, rest = path.partition("__")
        if name not in references and name.removesuffix("_id") in references:
            name = name.removesuffix("_id")
        if name in (schema.pk, "pk"):
            value = _UNKNOWN if pk is None else pk
        elif name in fields:
            value = fields[name]
        else:
            return self._inherited(references, path, pk, fields, follow)
        if not rest:
            return _UNKNOWN if isinstance(value, list) else value
        return self._referenced(references.get(name), rest, value, follow)

    def _referenced(
        self, reference: Reference | None, path: str, value: Any, follow: Follow
    ) -> Any:
        """The part that a referenced object has at this path."""
        if reference is None or value is _UNKNOWN or value is None:
            return _UNKNOWN
        if isinstance(value, list):
            paths = self._schema_of(reference.model).natural_key
            is_key = path in paths and len(paths) == len(value)
            return value[paths.index(path)] if is_key else _UNKNOWN
        other = follow(reference.model, value) if reference.to == "pk" else None
        return self._part(reference.model, path, *other, follow) if other else _UNKNOWN

    def _inherited(
        self,
        references: Mapping[str, Reference],
        path: str,
        pk: Any,
        fields: Fields,
        follow: Follow,
    ) -> Any:
        """The part that an object of a parent model has, in multi-table inheritance."""
        for name, reference in references.items():
            if reference.parent:
                key = pk if reference.field == "pk" else fields.get(name)
                part = self._referenced(reference, path, key, follow)
                if part is not _UNKNOWN:
                    return part
        return _UNKNOWN

    def _references_of(self, label: str) -> dict[str, Reference]:
        """A model's references by the name of the field; the primary key may be one."""
        schema = self._schema_of(label)
        return {
            schema.pk if reference.field == "pk" else reference.field: reference
            for reference in schema.references
        }
