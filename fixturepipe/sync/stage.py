"""`sync`: brings a target that a run has filled to what the source holds now.

compare     source and target, keeping every row that differs                     proof
            (or only the rows that have changed since the snapshot that was moved last)
sort        upserts, deletes, and rows that somebody else has written             changeset
arrange     the upserts into chunks, in load order
load        deletes and chunks, in one transaction                                removal
verify      all rows again, or those of the models that changed                   proof
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.arrange.stage import arrange
from fixturepipe.artifacts.changes import write_changes
from fixturepipe.artifacts.jsonfile import now
from fixturepipe.artifacts.keptsnapshot import kept_path
from fixturepipe.artifacts.manifest import Manifest, read_manifest, write_manifest
from fixturepipe.artifacts.rejects import rejected_objects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import (
    DIFFERENCES,
    NAME,
    LoadedObjects,
    Sync,
    loaded_directories,
    make_sync_directory,
    read_syncs,
    remove_left,
    sync_directory_of,
    write_sync,
)
from fixturepipe.databases.endpoints import TARGET, Endpoints, connection_to
from fixturepipe.databases.integrity import UniqueIndexes
from fixturepipe.databases.introspection import keys_in_target
from fixturepipe.databases.ledger import Ledger
from fixturepipe.databases.sequences import reset_sequences
from fixturepipe.dump.current import CurrentSource, current_source, held_rows
from fixturepipe.dump.options import DumpOptions
from fixturepipe.errors import DanglingReferenceError
from fixturepipe.events import Listener, Notice, StageFinished, StageStarted
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.handovers import repair_of
from fixturepipe.load.overlay import load_overlay
from fixturepipe.priorrun import arrange_options_of
from fixturepipe.sync.changeset import ChangeSet, ModelRows
from fixturepipe.sync.differences import DifferingRows
from fixturepipe.sync.options import SyncOptions
from fixturepipe.sync.ownership import ForeignRows, Ownership
from fixturepipe.sync.proof import Proof
from fixturepipe.sync.removal import delete_removals, require_no_references
from fixturepipe.sync.requirements import require_finished, require_migrations
from fixturepipe.verify.stage import VerifyResult
from fixturepipe.wording import listed

_NAMED = 5
# Rows that are written in a second, for the estimate of a dry run: rather too few.
_ROWS_A_SECOND = 5_000


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
    verify: VerifyResult | None = None
    dry_run: bool = False
    expected_seconds: float | None = None

    @property
    def ok(self) -> bool:
        """Whether both databases are equal now, as far as is known."""
        return self.dry_run or (self.verify is not None and self.verify.ok)

    @property
    def rows(self) -> int:
        """How many rows were changed."""
        counts = (self.inserted, self.updated, self.deleted)
        return sum(sum(each.values()) for each in counts)


def sync(
    directory: RunDirectory,
    manifest: Manifest,
    endpoints: Endpoints,
    options: SyncOptions,
    listener: Listener,
) -> SyncResult:
    """Bring the target up to date with the source. Raises as `Pipeline.sync`."""
    require_finished(directory, manifest, endpoints.target_title)
    _settle(directory)
    fixes = tuple(Declaration(*each) for each in manifest.fix)
    keeps = not options.dry_run and (options.keep_snapshot or kept_path(directory).exists())
    dump_options = DumpOptions(
        natural_keys=manifest.natural_keys,
        snapshot=options.snapshot,
        fix=fixes,
        transform=manifest.transform,
        keep_snapshot=keeps,
    )
    repair = repair_of(endpoints, fixes)
    with ExitStack() as snapshot, ExitStack() as ending:
        current = snapshot.enter_context(
            current_source(directory, endpoints, manifest, dump_options, listener, repair)
        )
        require_migrations(manifest, current.migrations, endpoints.target_title)
        number = _next_number(directory, dry_run=options.dry_run)
        found = ending.enter_context(_differing_rows(directory, number))
        work = _Syncing(directory, manifest, current, number, found, options, listener)
        work.prepare()
        if not current.is_shared:
            # The load binds the alias whose connection has the snapshot's transaction.
            snapshot.close()
        result = work.finish(current.endpoints if current.is_shared else endpoints)
    if keeps:
        work.proof.keep_snapshot(is_equal=result.ok)
    return result


@contextmanager
def _differing_rows(run: RunDirectory, number: int) -> Iterator[DifferingRows]:
    """A file in the directory of a sync, both new. The directory stays if a sync is recorded."""
    make_sync_directory(run, number)
    path = sync_directory_of(run, number).path
    found = DifferingRows(path / DIFFERENCES)
    try:
        yield found
    finally:
        found.close()
        (path / DIFFERENCES).unlink(missing_ok=True)
        if not (path / NAME).exists():
            shutil.rmtree(path, ignore_errors=True)


class _Syncing:
    """One sync: `prepare` while the snapshot of the source is open, then `finish`."""

    def __init__(
        self,
        directory: RunDirectory,
        manifest: Manifest,
        current: CurrentSource,
        number: int,
        found: DifferingRows,
        options: SyncOptions,
        listener: Listener,
    ) -> None:
        self._started = time.monotonic()
        self._run = directory
        self._manifest = manifest
        self._current = current
        self._number = number
        self._directory = sync_directory_of(directory, number)
        self._found = found
        self._options = options
        self._listener = listener
        self._id = uuid.uuid4().hex
        self._title = current.endpoints.target_title
        left_out = _left_out(directory)
        ownership = Ownership(LoadedObjects(directory, manifest))
        self._changes = ChangeSet(self._directory, found, ownership, options.existing, left_out)
        self.proof = Proof(
            directory, manifest, current, options, listener, is_whole=not any(left_out.values())
        )
        self._verified: VerifyResult | None = None

    def prepare(self) -> None:
        """Compare, and write what is to be moved.

        Raises ConfigurationError for rows of the target that somebody else wrote, and
        SourceDataError for values of the source that a fixture cannot hold.
        """
        self._name_kept()
        self._verified = self.proof.compare(self._found)
        tables = self._tables()
        for table in tables:
            for keys in table.ours.transformed():
                self._found.transformed(table.label, keys)
        if not self._found.count():
            return
        began, changes = time.monotonic(), self._changes
        self._listener(StageStarted("sync", self._found.count()))
        changes.sort(tables)
        if changes.foreign.counts:
            raise changes.foreign.refusal(self._title)
        self._listener(StageFinished("sync", changes.rows, time.monotonic() - began))
        if changes.rows and not self._options.dry_run:
            write_manifest(self._directory, self._new_manifest(tables))
            if changes.dumps:
                changes.leave_out(self._arrange())
            write_changes(self._run, [*self._current.changes, *changes.changes])

    def _name_kept(self) -> None:
        """Say which content types and permissions the source had: the target may have made them
        itself, so none is deleted.
        """
        before: dict[str, set[str]] = {}
        for directory in loaded_directories(self._run):
            for label, ids in read_manifest(directory).natural_ids.items():
                before.setdefault(label, set()).update(_key_texts(ids))
        for label, ids in self._current.natural_ids.items():
            if gone := before.get(label, set()) - _key_texts(ids):
                text = (
                    f"The source no longer has {label} {listed(sorted(gone), _NAMED)}. The target"
                )
                self._listener(Notice("info", f"{text} keeps such rows."))

    def _tables(self) -> list[ModelRows]:
        """The rows of each model in both databases."""
        theirs = held_rows(self._current.models, self._manifest)
        indexes = UniqueIndexes(connection_to(TARGET))
        return [
            ModelRows(model, self._current.rows(model), theirs[model._meta.label_lower], indexes)
            for model in self._current.models
        ]

    def _new_manifest(self, tables: list[ModelRows]) -> Manifest:
        """That of the sync's own directory, with its dumps and without chunks."""
        json_nulls, stored = {}, {}
        for table in tables:
            plan = table.ours.plan
            nulls = {name: each.summary for name, each in plan.json_nulls.items()}
            if found := {name: each for name, each in nulls.items() if each is not None}:
                json_nulls[table.label] = found
            if plan.stored:
                stored[table.label] = plan.stored
        return msgspec.structs.replace(
            self._manifest,
            run=self._id,
            created=now(),
            source=self._current.source,
            sequences=self._current.sequences,
            natural_ids=self._current.natural_ids,
            json_nulls=json_nulls,
            stored=stored,
            dumps=self._changes.dumps,
            arrangement=None,
        )

    def _arrange(self) -> Mapping[str, int]:
        """Cut the upserts into chunks, as the run did; give the counts of orphans, by label."""
        assert self._manifest.arrangement is not None
        options = arrange_options_of(self._manifest.arrangement)
        schemas = self._manifest.schemas()
        try:
            result = arrange(self._directory, schemas, (), options, self._listener, keys_in_target)
        except DanglingReferenceError as error:
            hint = "Nothing was changed. Correct the source, then repeat `fixturepipe sync`."
            raise DanglingReferenceError(error.message, hint=hint) from error
        return result.rejected

    def finish(self, endpoints: Endpoints) -> SyncResult:
        """Load what is prepared, and prove it. Raises LoadError if the target refuses a row."""
        if self._options.dry_run:
            return self._result(expected=self._expected())
        alone = self._options.verify == "touched"
        if self._changes.rows:
            self._record(loaded=False)
            self._load(endpoints)
            self._record(loaded=True)
            self._raise_sequences(endpoints)
            self._verified = self.proof.verify(endpoints, self._changes.touched, alone=alone)
        else:
            was_raised = self._raise_sequences(endpoints)
            # Rows may differ all the same, as the run has left them: rejected ones, for example.
            if self._verified is None:
                self._verified = self.proof.verify(endpoints, (), alone=alone)
            elif was_raised or self._found.count():
                self._verified = self.proof.verify(endpoints, (), alone=False)
        self._record(loaded=True, verified=self._verified.ok)
        return self._result()

    def _load(self, endpoints: Endpoints) -> None:
        found, covered = self._found, self._current.models
        state = Ledger(connection_to(TARGET), self._manifest.run).state()
        load_overlay(
            self._directory,
            endpoints,
            read_manifest(self._directory),
            self._delete,
            lambda connection: require_no_references(connection, covered, found),
            self._listener,
            keeps_ids=state is not None and bool(state.keeps_ids),
            is_kept=found.keeps if self._options.existing == "refuse" else None,
        )

    def _delete(self, connection: BaseDatabaseWrapper) -> None:
        """Delete what is to be deleted, unless somebody has written to the target meanwhile."""
        foreign = ForeignRows()
        for label, rows in held_rows(self._current.models, self._manifest, connection).items():
            foreign.take_changed(label, self._found, rows)
        if foreign.counts:
            raise foreign.refusal(self._title)
        delete_removals(connection, self._current.models, self._found)

    def _raise_sequences(self, endpoints: Endpoints) -> bool:
        """Raise the target's next keys above those of the source; whether any was too low."""
        by_table = {schema.table: schema.label for schema in self._manifest.schema}
        sequences = self._current.sequences
        highest = {by_table[table]: key for table, key in sequences.items() if table in by_table}
        with endpoints.bound_to_target() as alias:
            return bool(reset_sequences(connection_to(alias), self._current.models, highest))

    def _record(self, *, loaded: bool, verified: bool | None = None) -> None:
        changes = self._changes
        sync = Sync(
            number=self._number,
            run=self._id if changes.rows else "",
            at=now(),
            seconds=round(time.monotonic() - self._started, 3),
            loaded=loaded,
            verified=verified,
            inserted=dict(changes.inserted),
            updated=dict(changes.updated),
            deleted=dict(changes.deleted),
        )
        write_sync(self._run, sync)

    def _expected(self) -> float:
        """The seconds that this sync would take: what it has taken, the writing, the proof."""
        rows = self._changes.rows
        is_proved = self._verified is not None and not rows
        proof = 0.0 if is_proved else self.proof.seconds
        return round(time.monotonic() - self._started + rows / _ROWS_A_SECOND + proof, 1)

    def _result(self, expected: float | None = None) -> SyncResult:
        dry_run, changes = self._options.dry_run, self._changes
        return SyncResult(
            dict(changes.inserted),
            dict(changes.updated),
            dict(changes.deleted),
            seconds=time.monotonic() - self._started,
            number=self._number if changes.touched and not dry_run else 0,
            verify=None if dry_run else self._verified,
            dry_run=dry_run,
            expected_seconds=expected,
        )


def _next_number(directory: RunDirectory, *, dry_run: bool) -> int:
    """The number of the next sync. One that moved nothing gives its number to the next."""
    kept = [sync.number for sync in read_syncs(directory) if sync.run or dry_run]
    return max(kept, default=0) + 1


def _left_out(directory: RunDirectory) -> dict[str, dict[str, dict[str, Any]]]:
    """The objects that the run and its syncs rejected, by label and key."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for each in loaded_directories(directory):
        for label, objects in rejected_objects(each).items():
            found.setdefault(label, {}).update(objects)
    return found


def _settle(directory: RunDirectory) -> None:
    """Note the syncs that were interrupted after they were loaded; remove all others."""
    connection = connection_to(TARGET)
    for each in read_syncs(directory):
        state = Ledger(connection, each.run).state() if each.run and not each.loaded else None
        if state is not None and state.finished:
            write_sync(directory, msgspec.structs.replace(each, loaded=True))
    remove_left(directory)


def _key_texts(ids: Iterable[tuple[list[Any], int]]) -> set[str]:
    """Natural keys as text."""
    return {".".join(map(str, key)) for key, _ in ids}
