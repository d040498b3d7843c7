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
    """

    json_nulls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stored: Mapping[str, Collection[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: Manifest) -> ValueNotes:
        """The notes of a run."""
        return cls(manifest.json_nulls, manifest.stored)
