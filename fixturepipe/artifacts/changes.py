"""What declared fixes and the project's transform made of the source's values: `changes.jsonl`.

    {"model": "shop.product", "pk": 7, "field": "sku", "old": "12345678", "new": "123456",
     "rule": "truncate"}

One change a line (here in two), in the order in which they were made, values as in a fixture as
far as one can hold them. An object that was left out has the field null, itself as `old` and null
as `new`. The file is about the dumps that are valid: an app's lines come and go with its dump.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from fixturepipe.artifacts.jsonfile import decoded
from fixturepipe.artifacts.rundir import RunDirectory, atomic_file

NAME = "changes.jsonl"
_HINT = "Remove it, then write the dumps again with `fixturepipe dump`."


@dataclass(frozen=True)
class Change:
    """One changed value, or with `field` None an object that was left out. `pk`, `old` and `new`
    are JSON text; `rule` is the fix's name or "transform"."""

    model: str
    pk: str
    field: str | None
    old: str
    new: str
    rule: str

    @property
    def line(self) -> bytes:
        """The change as the file has it, without a line end."""
        name, label, rule = map(json.dumps, (self.field, self.model, self.rule))
        text = (
            f'{{"model": {label}, "pk": {self.pk}, "field": {name},'
            f' "old": {self.old}, "new": {self.new}, "rule": {rule}}}'
        )
        return text.encode()


class MadeChange(msgspec.Struct, frozen=True):
    """A line of the file, as values."""

    model: str
    pk: Any
    field: str | None
    old: Any
    new: Any
    rule: str = ""


class ChangeCounts:
    """Counts objects, by label: those with changed values, and those that were left out."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._changed: dict[str, set[str]] = {}
        self._dropped: Counter[str] = Counter()
        for change in changes:
            self._add(change)

    def _add(self, change: Change) -> None:
        changed = self._changed.setdefault(change.model, set())
        if change.field is None:
            changed.discard(change.pk)
            self._dropped[change.model] += 1
        else:
            changed.add(change.pk)

    @property
    def changed(self) -> dict[str, int]:
        """Objects that were dumped with other values than the source's."""
        return {label: len(pks) for label, pks in self._changed.items() if pks}

    @property
    def dropped(self) -> dict[str, int]:
        """Objects that were left out."""
        return dict(self._dropped)


def changes_path(directory: RunDirectory) -> Path:
    """The file of the changes, which exists if there are any."""
    return directory.path / NAME


def replace_changes(
    directory: RunDirectory, apps: Collection[str], changes: Iterable[Change] = ()
) -> None:
    """Replace all that the file has of these apps."""
    path = changes_path(directory)
    kept = [
        line
        for line in _lines(directory)
        if decoded(path, line, MadeChange, hint=_HINT).model.partition(".")[0] not in apps
    ]
    _write(directory, [*kept, *(change.line + b"\n" for change in changes)])


def write_changes(directory: RunDirectory, changes: Iterable[Change]) -> None:
    """Put changes in the place of all that the file holds."""
    _write(directory, [change.line + b"\n" for change in changes])


def _write(directory: RunDirectory, lines: Sequence[bytes]) -> None:
    path = changes_path(directory)
    if not lines:
        path.unlink(missing_ok=True)
        return
    with atomic_file(path) as file:
        file.writelines(lines)


def read_changes(directory: RunDirectory) -> Iterator[MadeChange]:
    """What the file has; nothing where there is none. Raises RunDirectoryError for damage."""
    path = changes_path(directory)
    for line in _lines(directory):
        yield decoded(path, line, MadeChange, hint=_HINT)


def _lines(directory: RunDirectory) -> Iterator[bytes]:
    with suppress(FileNotFoundError), changes_path(directory).open("rb") as file:
        yield from file
