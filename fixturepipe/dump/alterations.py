"""What changes objects on their way into a dump: declared fixes, then the project's transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import LOOKUP_SEP

from fixturepipe.artifacts.changes import Change
from fixturepipe.dump.changetexts import as_fixture_changes
from fixturepipe.dump.keychoice import KeyChoice
from fixturepipe.dump.snapshot import Snapshot
from fixturepipe.dump.transform import Transform
from fixturepipe.events import Listener, Notice
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.rowchange import RowChange


class Repair(Protocol):
    """Applies the declared fixes to the copy of the source before it is read."""

    def __call__(
        self, copy: BaseDatabaseWrapper, chosen: Sequence[type[models.Model]]
    ) -> list[RowChange]:
        """Change rows of the copy and return the changes."""

    @property
    def unused(self) -> Sequence[Declaration]:
        """The declarations that have changed no row."""

    @property
    def fingerprint_parts(self) -> list[Any]:
        """Everything that decides which values are changed."""


class Alterations:
    """The fixes and the transform of one dump, and the changes that the fixes have made."""

    def __init__(self, transform: str | None, repair: Repair | None) -> None:
        self.transform = Transform(transform) if transform else None
        self._repair = repair
        self._changes: dict[str, list[Change]] = {}

    def repair(
        self, snapshot: Snapshot, chosen: Sequence[type[models.Model]], listener: Listener
    ) -> None:
        """Apply the fixes to the snapshot, and report the declarations that changed nothing."""
        if self._repair is None:
            return
        with snapshot.writable() as copy:
            for change in as_fixture_changes(self._repair(copy, chosen), copy):
                self._changes.setdefault(change.model.partition(".")[0], []).append(change)
        for declaration in self._repair.unused:
            listener(Notice("info", f"The fix {declaration} changed no row."))

    def keep_natural_keys(self, choice: KeyChoice) -> None:
        """Forbid the transform to change the fields that references are written by."""
        if self.transform is not None:
            keep_natural_keys(self.transform, choice)

    def changes_of(self, app: str) -> list[Change]:
        """What the fixes have changed in an app's rows."""
        return list(self._changes.get(app, []))

    def all_changes(self) -> list[Change]:
        """What the fixes have changed in all apps."""
        return [change for changes in self._changes.values() for change in changes]

    @property
    def fingerprint_parts(self) -> list[Any]:
        """Everything that decides which values are changed; empty if nothing changes any."""
        transform = [self.transform.fingerprint] if self.transform is not None else []
        return transform + (self._repair.fingerprint_parts if self._repair is not None else [])


def keep_natural_keys(transform: Transform, choice: KeyChoice) -> None:
    """Forbid the transform to change the fields that references are written by."""
    transform.fixed = {
        model._meta.label_lower: [path.partition(LOOKUP_SEP)[0] for path in paths]
        for model, paths in choice.models.items()
    }
