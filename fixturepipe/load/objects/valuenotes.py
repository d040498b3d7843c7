"""What the manifest says of values that Django's fixture form or a field's code would change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fixturepipe.artifacts.manifest import Manifest

NaturalKey = tuple[Any, ...]


@dataclass(frozen=True)
class ValueNotes:
    """Notes by model label, as `Manifest` has them.

    `json_nulls`: JSON fields, with the primary keys whose null means JSON null, or "all".
    `stored`: fields whose values are in the form that the database stores.
    `natural_ids`: the source's ids of objects that a fixture has without a primary key, by
    natural key; empty where the target has ids of its own.
    """

    json_nulls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stored: Mapping[str, Collection[str]] = field(default_factory=dict)

    natural_ids: Mapping[str, Mapping[NaturalKey, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest, *, keeps_ids: bool) -> ValueNotes:
        """The notes of a run; `keeps_ids` says whether the target gets the source's ids."""
        ids = {
            label: {tuple(key): number for key, number in pairs}
            for label, pairs in (manifest.natural_ids.items() if keeps_ids else ())
        }
        return cls(manifest.json_nulls, manifest.stored, ids)
