"""`sync`: brings a target that a run has filled to what the source holds now.

    compare     source and target, as `verify` does, keeping every row that differs   differences
                (or only the rows that have changed since the snapshot that was moved last)
    sort        upserts, deletes, and rows that somebody else has written             changeset
    arrange     the upserts into chunks, in load order
    load        deletes and chunks, in one transaction                                removal
    verify      all rows again, or those of the models that changed

What belongs to other stages the caller hands over, as `Hands`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.changes import Change
from fixturepipe.artifacts.jsonfile import now
from fixturepipe.artifacts.manifest import Manifest, write_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import (
    DIFFERENCES,
    NAME,
    LoadedObjects,
    Sync,
    make_sync_directory,
    read_syncs,
    sync_directory_of,
    write_sync,
)
from fixturepipe.events import Listener, StageFinished, StageStarted
from fixturepipe.sync.changeset import ChangeSet, ModelRows, Rows
from fixturepipe.sync.differences import DifferingRows, Key
from fixturepipe.sync.foreign import ForeignRows
from fixturepipe.sync.options import SyncOptions
from fixturepipe.sync.ownership import Ownership
from fixturepipe.sync.removal import delete_removals, require_no_references

Step = Callable[[BaseDatabaseWrapper], None]
# Whether the target may hold an object, by its label and its key as text.
IsKept = Callable[[str, str], bool]
# Rows that are written in a second, for the estimate of a dry run: rather too few.
_ROWS_A_SECOND = 5_000


class Proof(Protocol):
    """The result of a comparison; see `VerifyResult`."""

    @property
    def ok(self) -> bool: ...
    @property
    def seconds(self) -> float: ...


class Hands(Protocol):
    """What a sync needs of the other stages."""

    @property
    def proof_seconds(self) -> float:
        """How long it takes to compare everything, as far as is known."""

    def compare(self, sink: DifferingRows) -> Proof | None:
        """Compare the source as it is now with the target. Each row that differs goes to `sink`.

        None if only the rows were compared that have changed in the source.
        """

    def table(self, model: type[models.Model]) -> ModelRows:
        """The model's rows in both databases."""

    def describe(self, manifest: Manifest) -> None:
        """Add what a load has to know of the values that were written."""

    def arrange(self, directory: RunDirectory) -> Mapping[str, int]:
        """Cut the dumps of a sync into chunks; give how many objects are left out, by label."""

    def locked(self, connection: BaseDatabaseWrapper) -> Mapping[str, Rows]:
        """The target's rows by label, locked as they are read."""

    def load(
        self, directory: RunDirectory, delete: Step, check: Step, is_kept: IsKept | None
    ) -> None:
        """Load these chunks, between `delete` and `check`, in one transaction.

        Only rows of which `is_kept` says so may be there already; all, if it is None.
        """

    def raise_sequences(self) -> bool:
        """Raise the target's next keys above those of the source; whether any was lower."""

    def account(self, changes: Sequence[Change]) -> None:
        """Keep what the fixes and the transform have made of the source's values."""

    def verify(self, labels: Collection[str], *, alone: bool) -> Proof:
        """Compare these models again, and with them, unless `alone`, all that is not known to be
        equal since `compare`."""


@dataclass(frozen=True)
class SyncResult:
    """What a sync did: rows by label. `number` is that of its directory, 0 if nothing differed.

    `verify` is the comparison that proves the result, None after a dry run; `expected_seconds`
    is what a dry run expects the sync to take.
    """

    inserted: dict[str, int]
    updated: dict[str, int]
    deleted: dict[str, int]
    seconds: float
    number: int = 0
    verify: Any = None
    dry_run: bool = False
    expected_seconds: float | None = None

    @property
    def ok(self) -> bool:
        """Whether both databases are equal now, as far as is known."""
        return self.dry_run or bool(self.verify.ok)

    @property
    def rows(self) -> int:
        """How many rows were changed."""
        counts = (self.inserted, self.updated, self.deleted)
        return sum(sum(each.values()) for each in counts)


class Syncing:
    """One sync: `prepare` while the snapshot of the source is open, then `finish`.

    `base` is the manifest of the sync's own directory, still without dumps. `left_out` are the
    objects that the run rejected, by label and key as text. `target` is named in errors.
    """

    def __init__(
        self,
        directory: RunDirectory,
        manifest: Manifest,
        base: Manifest,
        hands: Hands,
        options: SyncOptions,
        listener: Listener,
    ) -> None:
        self._run = directory
        self._ownership = Ownership(LoadedObjects(directory, manifest))
        self._base = base
        self._hands = hands
        self._options = options
        self._notify = listener
        self._started = time.monotonic()
        self._number = next_number(directory, dry_run=options.dry_run)
        self._directory = sync_directory_of(directory, self._number)
        self._models: tuple[type[models.Model], ...] = ()
        self._target = ""
        self._found: DifferingRows | None = None
        self._changes: ChangeSet | None = None
        self._proof: Proof | None = None

    def prepare(
        self,
        covered: Sequence[type[models.Model]],
        left_out: Mapping[str, Mapping[str, dict[str, Any]]],
        fixed: Sequence[Change],
        target: str,
    ) -> None:
        """Compare, and write what is to be moved. `fixed` is what the fixes changed.

        Raises ConfigurationError for rows of the target that somebody else wrote, and
        SourceDataError for values of the source that a fixture cannot hold.
        """
        make_sync_directory(self._run, self._number)
        self._models, self._target = tuple(covered), target
        self._found = DifferingRows(self._directory.path / DIFFERENCES)
        self._proof = self._hands.compare(self._found)
        tables = [self._hands.table(model) for model in covered]
        for table in tables:
            for keys in table.ours.transformed():
                self._found.transformed(table.label, keys)
        if not self._found.count():
            return
        began = time.monotonic()
        self._notify(StageStarted("sync", self._found.count()))
        changes = ChangeSet(
            self._directory, self._found, self._ownership, self._options.existing, left_out
        )
        changes.sort(tables)
        if changes.foreign.counts:
            raise changes.foreign.refusal(target)
        self._notify(StageFinished("sync", changes.rows, time.monotonic() - began))
        self._changes = changes
        if changes.rows and not self._options.dry_run:
            self._base.dumps = changes.dumps
            self._hands.describe(self._base)
            write_manifest(self._directory, self._base)
            if changes.dumps:
                changes.leave_out(self._hands.arrange(self._directory))
            self._hands.account([*fixed, *changes.changes])

    def finish(self) -> SyncResult:
        """Load what is prepared, and prove it. Raises LoadError if the target refuses a row."""
        if self._options.dry_run:
            return self._result(expected=self._expected())
        changes = self._changes
        if changes is not None and changes.rows:
            self._record(loaded=False)
            found, covered = self._found, self._models
            assert found is not None
            self._hands.load(
                self._directory,
                lambda connection: self._delete(connection, found),
                lambda connection: require_no_references(connection, covered, found),
                found.keeps if self._options.existing == "refuse" else None,
            )
            self._record(loaded=True)
            self._hands.raise_sequences()
            alone = self._options.verify == "touched"
            self._proof = self._hands.verify(changes.touched, alone=alone)
        else:
            was_raised = self._hands.raise_sequences()
            # Rows may differ all the same, as the run has left them: rejected ones, for example.
            if self._proof is None:
                alone = self._options.verify == "touched"
                self._proof = self._hands.verify((), alone=alone)
            elif was_raised or changes is not None:
                self._proof = self._hands.verify((), alone=False)
        assert self._proof is not None
        self._record(loaded=True, verified=self._proof.ok)
        return self._result()

    def _delete(self, connection: BaseDatabaseWrapper, found: DifferingRows) -> None:
        """Delete what is to be deleted, unless somebody has written to the target meanwhile."""
        foreign = ForeignRows()
        for label, rows in self._hands.locked(connection).items():
            foreign.take_changed(label, found, partial(_lines, rows))
        if foreign.counts:
            raise foreign.refusal(self._target)
        delete_removals(connection, self._models, found)

    def close(self) -> None:
        """Remove what is of no use any more: all of it, unless the sync has been loaded."""
        if self._found is not None:
            self._found.close()
        (self._directory.path / DIFFERENCES).unlink(missing_ok=True)
        if not (self._directory.path / NAME).exists():
            shutil.rmtree(self._directory.path, ignore_errors=True)

    def _record(self, *, loaded: bool, verified: bool | None = None) -> None:
        moved = self._changes is not None and self._changes.rows > 0
        inserted, updated, deleted = self._counts()
        sync = Sync(
            number=self._number,
            run=self._base.run if moved else "",
            at=now(),
            seconds=round(time.monotonic() - self._started, 3),
            loaded=loaded,
            verified=verified,
            inserted=inserted,
            updated=updated,
            deleted=deleted,
        )
        write_sync(self._run, sync)

    def _counts(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """The rows inserted, updated and deleted, by label."""
        changes = self._changes
        if changes is None:
            return {}, {}, {}
        return dict(changes.inserted), dict(changes.updated), dict(changes.deleted)

    def _expected(self) -> float:
        """The seconds that this sync would take: what it has taken, the writing, the proof."""
        rows = self._changes.rows if self._changes is not None else 0
        is_proved = self._proof is not None and not rows
        proof = 0.0 if is_proved else self._hands.proof_seconds
        return round(time.monotonic() - self._started + rows / _ROWS_A_SECOND + proof, 1)

    def _result(self, expected: float | None = None) -> SyncResult:
        inserted, updated, deleted = self._counts()
        moved = bool(inserted or updated or deleted)
        return SyncResult(
            inserted,
            updated,
            deleted,
            seconds=time.monotonic() - self._started,
            number=self._number if moved and not self._options.dry_run else 0,
            verify=None if self._options.dry_run else self._proof,
            dry_run=self._options.dry_run,
            expected_seconds=expected,
        )


def _lines(rows: Rows, keys: Sequence[Key]) -> list[bytes | None]:
    return [None if row is None else row.line for row in rows.of(keys)]


def next_number(directory: RunDirectory, *, dry_run: bool) -> int:
    """The number of the next sync. One that moved nothing gives its number to the next."""
    kept = [sync.number for sync in read_syncs(directory) if sync.run or dry_run]
    return max(kept, default=0) + 1
