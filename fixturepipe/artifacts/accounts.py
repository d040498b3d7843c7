"""What a run knows to be different in the target on purpose, from all files that say so.

changes.jsonl                 what fixes and the transform changed, and what they left out
rejects/*.reasons.json        objects that dump, arrange or load left out
rejects/arrange.reasons.json  with --on-orphan null also the references that are null now
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fixturepipe.artifacts.changes import read_changes
from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.artifacts.records import key_text
from fixturepipe.artifacts.rejects import ARRANGE, read_reasons
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import loaded_directories


@dataclass(frozen=True)
class Accounts:
    """Rows that differ on purpose, by model label and key as `key_text` has it.

    `rejected` rows were left out; `changed` maps a row's field names to the values that it was
    given, as fixtures have them. Memory grows with the number of such rows.
    """

    rejected: Mapping[str, Collection[str]] = field(default_factory=dict)
    changed: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)


def read_accounts(directory: RunDirectory, manifest: Manifest) -> Accounts:
    """All accounts of a run and its syncs. Raises RunDirectoryError for a damaged file."""
    rejected: dict[str, set[str]] = {}
    changed: dict[str, dict[str, dict[str, Any]]] = {}
    for change in read_changes(directory):
        key = key_text(change.pk)
        if change.field is None:
            rejected.setdefault(change.model, set()).add(key)
        else:
            changed.setdefault(change.model, {}).setdefault(key, {})[change.field] = change.new
    nulled = manifest.arrangement is not None and manifest.arrangement.on_orphan == "null"
    reasons = (each for place in loaded_directories(directory) for each in read_reasons(place))
    for name, reason in reasons:
        key = key_text(reason.pk)
        rejected.setdefault(reason.model, set()).add(key)
        if nulled and name == ARRANGE:
            changed.setdefault(reason.model, {}).setdefault(key, {})[reason.field] = None
    return Accounts(rejected, changed)
