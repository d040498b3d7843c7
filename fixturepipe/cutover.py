"""What `sync` needs of the other stages, put together: a part of the pipeline.

current_source   dump     the source as it is now
verify           verify   the comparison, and the proof
arrange          arrange  the chunks of the upserts
load_overlay     load     chunks and deletes in one transaction
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec
from django.db import DatabaseError, models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.arrange.options import ArrangeOptions
from fixturepipe.arrange.stage import arrange
from fixturepipe.artifacts.accounts import read_accounts
from fixturepipe.artifacts.changes import Change, write_changes
from fixturepipe.artifacts.jsonfile import now
from fixturepipe.artifacts.keptsnapshot import (
    KeptSnapshot,
    draft_path,
    kept_path,
    read_kept,
    remove_kept,
    replace_kept,
)
from fixturepipe.artifacts.manifest import Manifest, read_manifest
from fixturepipe.artifacts.rejects import rejected_objects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import loaded_directories, read_syncs, remove_left, write_sync
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints, connection_to
from fixturepipe.databases.fields import key_fields
from fixturepipe.databases.integrity import UniqueIndexes
from fixturepipe.databases.introspection import NATURAL_PRIMARY, rows_found
from fixturepipe.databases.ledger import Ledger
from fixturepipe.databases.queries import rows_of
from fixturepipe.dump.current import CurrentSource, current_source, held_rows
from fixturepipe.dump.keyedrows import KeyedRows
from fixturepipe.dump.options import DumpOptions
from fixturepipe.dump.snapshotdiff import SnapshotDiff, snapshot_diff
from fixturepipe.errors import DanglingReferenceError
from fixturepipe.events import Listener, Notice
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.handovers import repair_of
from fixturepipe.load.overlay import IsKept, Step, load_overlay, raise_sequences
from fixturepipe.sync.changeset import ModelRows
from fixturepipe.sync.differences import DifferingRows
from fixturepipe.sync.lastsnapshot import NotUsableError, last_state, require_usable
from fixturepipe.sync.options import SyncOptions
from fixturepipe.sync.requirements import require_finished, require_migrations
from fixturepipe.sync.stage import Syncing, SyncResult
from fixturepipe.verify.comparison import ModelComparison
from fixturepipe.verify.options import VerifyOptions
from fixturepipe.verify.stage import VerifyResult, compare_changed, verify


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
    dump_options = DumpOptions(
        natural_keys=manifest.natural_keys,
        snapshot=options.snapshot,
        fix=fixes,
        transform=manifest.transform,
        keep_snapshot=_keeps(directory, options),
    )
    repair = repair_of(endpoints, fixes)
    with ExitStack() as snapshot, ExitStack() as ending:
        current = snapshot.enter_context(
            current_source(directory, endpoints, manifest, dump_options, listener, repair)
        )
        require_migrations(manifest, current.migrations, endpoints.target_title)
        hands = _Hands(directory, manifest, current, options, listener)
        base = msgspec.structs.replace(
            manifest,
            run=uuid.uuid4().hex,
            created=now(),
            source=current.source,
            sequences=current.sequences,
            natural_ids=current.natural_ids,
            json_nulls={},
            stored={},
            dumps=[],
            arrangement=None,
        )
        work = Syncing(directory, manifest, base, hands, options, listener)
        ending.callback(work.close)
        work.prepare(current.models, hands.left_out, current.changes, endpoints.target_title)
        if not current.is_shared:
            # The load binds the alias whose connection has the snapshot's transaction.
            snapshot.close()
            hands.endpoints = endpoints
        result = work.finish()
    if dump_options.keep_snapshot:
        hands.keep(result)
    return result


def keep_snapshot(
    directory: RunDirectory, manifest: Manifest, verified: VerifyResult, listener: Listener
) -> None:
    """Keep the copy of the source that a run has dumped and loaded."""
    assert manifest.source is not None
    rows = {each.model: each.target for each in verified.models}
    schema = manifest.source.fingerprint["schema"]
    kept = KeptSnapshot(state=manifest.run, schema=schema, rows=rows, seconds=verified.seconds)
    _replace(directory, kept, listener)


def _replace(directory: RunDirectory, kept: KeptSnapshot, listener: Listener) -> None:
    if draft_path(directory).exists():
        replace_kept(directory, kept)
    else:
        remove_kept(directory)
        text = "No snapshot is kept: that needs a copy of a SQLite source, and no transform."
        listener(Notice("info", text))


def _keeps(directory: RunDirectory, options: SyncOptions) -> bool:
    """Whether this sync keeps its snapshot: once one is kept, each further one is."""
    if options.dry_run:
        return False
    return options.keep_snapshot or kept_path(directory).exists()


class _Hands:
    """The other stages, as `sync.stage.Hands`."""

    def __init__(
        self,
        directory: RunDirectory,
        manifest: Manifest,
        current: CurrentSource,
        options: SyncOptions,
        listener: Listener,
    ) -> None:
        self._directory = directory
        self._manifest = msgspec.structs.replace(manifest, sequences=current.sequences)
        self._current = current
        self._options = options
        self._listener = listener
        self.left_out = _left_out(directory)
        self._rows: dict[str, int] = {}
        self._ours: dict[str, KeyedRows] = {}
        self._compared: tuple[ModelComparison, ...] = ()
        self._theirs = held_rows(current.models, manifest)
        self._indexes = UniqueIndexes(connection_to(TARGET))
        self.endpoints = current.endpoints
        self.proof_seconds = 0.0

    def compare(self, sink: DifferingRows) -> VerifyResult | None:
        """Compare everything that the run moved, or what changed since the kept snapshot."""
        if kept_path(self._directory).exists():
            try:
                self._compare_with_kept(sink)
            except (NotUsableError, ValueError, DatabaseError) as error:
                if isinstance(error, DatabaseError) and not _is_of_sqlite(error):
                    raise
                text = f"The kept snapshot is not used: {error}. All rows are compared."
                self._listener(Notice("info", text))
                sink.clear()
            else:
                return None
        result = self._verify(self._manifest, sink)
        self._compared = tuple(each for each in result.models if each.ok)
        return result

    def verify(self, labels: Collection[str], *, alone: bool) -> VerifyResult:
        """Compare these models again; what was equal before and has not changed is known.

        A load writes to no other tables: it deletes with foreign keys off. Only triggers do.
        """
        if alone and not labels:
            return VerifyResult((), (), 0.0)
        if not alone and _has_triggers():
            return self._verify(self._manifest)
        if not alone:
            known = tuple(each for each in self._compared if each.model not in labels)
            return self._verify(self._manifest, known=known)
        dumps = [
            msgspec.structs.replace(
                dump, models={k: n for k, n in dump.models.items() if k in labels}
            )
            for dump in self._manifest.dumps
        ]
        return self._verify(msgspec.structs.replace(self._manifest, dumps=dumps, arrangement=None))

    def table(self, model: type[models.Model]) -> ModelRows:
        """The model's rows in both databases."""
        label = model._meta.label_lower
        ours = self._ours[label] = self._current.rows(model)
        key = frozenset(field.column for field in key_fields(model))
        is_replaced = bool(self._indexes.of(model) - {key}) or _has_special_index(model)
        return ModelRows(model, ours, self._theirs[label], is_replaced)

    def describe(self, manifest: Manifest) -> None:
        """Add JSON nulls and stored forms to a sync's manifest, as `dump` does."""
        for label, rows in self._ours.items():
            nulls = {name: each.summary for name, each in rows.plan.json_nulls.items()}
            if found := {name: each for name, each in nulls.items() if each is not None}:
                manifest.json_nulls[label] = found
            if stored := rows.plan.stored:
                manifest.stored[label] = stored

    def arrange(self, directory: RunDirectory) -> dict[str, int]:
        """Cut the dumps of a sync into chunks, as those of the run were cut."""
        arrangement = self._manifest.arrangement
        assert arrangement is not None
        options = ArrangeOptions(
            chunk_objects=arrangement.chunk_objects,
            chunk_bytes=arrangement.chunk_bytes,
            on_orphan=arrangement.on_orphan,
        )
        schemas = self._manifest.schemas()
        try:
            result = arrange(directory, schemas, (), options, self._listener, _in_target)
        except DanglingReferenceError as error:
            hint = "Nothing was changed. Correct the source, then repeat `fixturepipe sync`."
            raise DanglingReferenceError(error.message, hint=hint) from error
        return result.rejected

    def locked(self, connection: BaseDatabaseWrapper) -> dict[str, KeyedRows]:
        """The target's rows, locked as they are read."""
        return held_rows(self._current.models, self._manifest, connection)

    def load(
        self, directory: RunDirectory, delete: Step, check: Step, is_kept: IsKept | None
    ) -> None:
        """Load the chunks of a sync."""
        manifest = read_manifest(directory)
        state = Ledger(connection_to(TARGET), self._manifest.run).state()
        keeps_ids = state is not None and bool(state.keeps_ids)
        load_overlay(
            directory,
            self.endpoints,
            manifest,
            delete,
            check,
            self._listener,
            keeps_ids=keeps_ids,
            is_kept=is_kept,
        )

    def raise_sequences(self) -> bool:
        """Raise the target's next keys; whether any was too low."""
        by_table = {schema.table: schema.label for schema in self._manifest.schema}
        sequences = self._current.sequences
        highest = {by_table[table]: key for table, key in sequences.items() if table in by_table}
        return bool(raise_sequences(self.endpoints, list(self._current.models), highest))

    def keep(self, result: SyncResult) -> None:
        """Keep the snapshot of a sync, if the target is equal to it."""
        if not result.ok:
            had_one = kept_path(self._directory).exists()
            remove_kept(self._directory)
            if had_one:
                text = "The kept snapshot was removed, because the target differs from the source."
                hint = "The next `fixturepipe sync` compares all rows."
                self._listener(Notice("warning", f"{text} {hint}"))
            return
        kept = KeptSnapshot(
            state=last_state(self._directory, self._manifest),
            schema=self._schema,
            rows=self._rows,
            seconds=self.proof_seconds,
        )
        _replace(self._directory, kept, self._listener)

    @property
    def _schema(self) -> str:
        return str(self._current.source.fingerprint["schema"])

    def _compare_with_kept(self, sink: DifferingRows) -> None:
        """Raises NotUsableError, or ValueError or DatabaseError for a file that is damaged."""
        if self._manifest.transform is not None:
            raise NotUsableError("the transform may change any row")
        if self._options.existing != "refuse":
            raise NotUsableError(f"--existing {self._options.existing} needs every row")
        if any(self.left_out.values()):
            raise NotUsableError("the run or a sync has left out rows")
        if not self._current.is_shared:
            raise NotUsableError("there is no copy of the source to compare it with")
        kept = read_kept(kept_path(self._directory))
        state = last_state(self._directory, self._manifest)
        require_usable(kept, state, self._schema, self._current.models)
        self._rows, self.proof_seconds = dict(kept.rows), kept.seconds
        with snapshot_diff(connection_to(SOURCE), kept_path(self._directory)) as diff:
            _require_same_natural_rows(diff, self._current.models)
            compare_changed(self.endpoints, self._manifest, diff, sink, self._listener)

    def account(self, changes: Sequence[Change]) -> None:
        """Keep what the fixes and the transform have made of the source's values."""
        write_changes(self._directory, changes)

    def _verify(
        self,
        manifest: Manifest,
        sink: DifferingRows | None = None,
        known: Collection[ModelComparison] = (),
    ) -> VerifyResult:
        accounts = read_accounts(self._directory, manifest)
        workers = self._options.workers if self._current.is_shared else 1
        options = VerifyOptions(workers=workers)
        notify = self._listener
        result = verify(self.endpoints, options, notify, manifest, accounts, sink, known)
        self._rows |= {each.model: each.target for each in result.models}
        if manifest is self._manifest and not known:
            self.proof_seconds = result.seconds
        return result


def _is_of_sqlite(error: DatabaseError) -> bool:
    return isinstance(error.__cause__, sqlite3.Error)


def _has_triggers() -> bool:
    """Whether the target's tables have triggers, which may write to other tables."""
    query = "SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() LIMIT 1"
    return bool(rows_of(connection_to(TARGET), query, []))


def _require_same_natural_rows(diff: SnapshotDiff, covered: Sequence[type[models.Model]]) -> None:
    """Raise NotUsableError if rows changed by whose natural keys all others are compared."""

    def found(model: type[models.Model]) -> Iterator[object]:
        yield from diff.changed(model)
        yield from diff.gone(model)

    for model in covered:
        if model._meta.label_lower in NATURAL_PRIMARY and next(found(model), None) is not None:
            name = model._meta.label_lower
            raise NotUsableError(f"{name} has changed, to which other rows refer")


def _in_target(label: str, to: str, keys: Sequence[Any]) -> list[Any] | None:
    """Which of these keys the target holds."""
    return rows_found(TARGET, label, to, keys)


def _has_special_index(model: type[models.Model]) -> bool:
    """Whether a constraint is on an expression, so that its columns are not known."""
    constraints = model._meta.constraints
    return any(isinstance(c, models.UniqueConstraint) and c.expressions for c in constraints)


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
