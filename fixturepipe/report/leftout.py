"""The objects that a run left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.artifacts.records import key_text
from fixturepipe.artifacts.rejects import ARRANGE, SET_TO_NULL, Reason, read_reasons
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import loaded_directories
from fixturepipe.report import data
from fixturepipe.report.disclosure import Disclosure, without_values

# So many rows of a finding, a fix or a reject, and so many groups of rejects, are in a report.
EXAMPLES, MOST_REJECTS = 10, 100


@dataclass(frozen=True)
class LeftOut:
    """Objects that `dump` and `arrange` left out, and those with references set to null.

    Both by label; `load` counts its own.
    """

    rejected: Counter[str]
    nulled: Counter[str]

    @classmethod
    def of(cls, directory: RunDirectory, manifest: Manifest) -> LeftOut:
        """What the run left out, without its syncs."""
        arrangement = manifest.arrangement
        rejected = Counter(arrangement.rejected if arrangement else {})
        nulled: set[tuple[str, str]] = set()
        for name, reason in read_reasons(directory):
            if name.startswith("dump-"):
                rejected[reason.model] += 1
            elif name == ARRANGE and reason.text.endswith(SET_TO_NULL):
                nulled.add((reason.model, key_text(reason.pk)))
        return cls(rejected, Counter(label for label, _ in nulled))


def rejects_in(directory: RunDirectory, disclosure: Disclosure) -> list[data.Reject]:
    """The rejects by model, field and reason, the largest groups first."""
    groups: dict[tuple[str, str, str], _RejectGroup] = {}
    # A sync rejects what the run rejected once more.
    seen: set[tuple[str, str, str]] = set()
    for place in loaded_directories(directory):
        for name, reason in read_reasons(place):
            named = (reason.model, reason.field, key_text(reason.pk))
            if named in seen:
                continue
            seen.add(named)
            text = reason.text.removeprefix(f"{reason.model} {reason.pk}: ")
            where = (reason.model, reason.field, without_values(text, reason.value))
            group = groups.setdefault(where, _RejectGroup(disclosure, reason.hint))
            group.add(str((place.rejects / name).relative_to(directory.path)), reason)
    found = [group.reject(*where) for where, group in groups.items()]
    return sorted(found, key=lambda each: -each.count)[:MOST_REJECTS]


@dataclass
class _RejectGroup:
    """Counts objects that were left out for one reason, and keeps the first."""

    disclosure: Disclosure
    hint: str
    files: dict[str, None] = field(default_factory=dict)
    rows: list[data.Row] = field(default_factory=list)
    count: int = 0

    def add(self, file: str, reason: Reason) -> None:
        self.count += 1
        self.files[file] = None
        if len(self.rows) < EXAMPLES:
            key, value = self.disclosure.key(reason.pk), self.disclosure.value(reason.value)
            self.rows.append(data.Row(key, value))

    def reject(self, model: str, field: str, text: str) -> data.Reject:
        first, files = next(iter(self.files)), len(self.files)
        return data.Reject(model, field, text, self.count, first, files, self.hint, self.rows)
