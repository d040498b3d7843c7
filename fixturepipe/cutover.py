"""What `sync` needs of the other stages, put together: a part of the pipeline.

current_source   dump     the source as it is now
verify           verify   the comparison, and the proof
arrange          arrange  the chunks of the upserts
load_overlay     load     chunks and deletes in one transaction
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec
from django.db import models

from fixturepipe.arrange.options import ArrangeOptions
from fixturepipe.arrange.stage import arrange
from fixturepipe.artifacts.accounts import read_accounts
from fixturepipe.artifacts.changes import Change, write_changes
from fixturepipe.artifacts.manifest import Manifest, read_manifest
from fixturepipe.artifacts.records import file_sha256
from fixturepipe.artifacts.rejects import rejected_objects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import (
    loaded_directories,
    now,
    read_syncs,
    remove_unloaded,
    write_sync,
)
from fixturepipe.check.repair import Repair
from fixturepipe.databases.endpoints import TARGET, Endpoints, connection_to
from fixturepipe.databases.fields import key_fields
from fixturepipe.databases.integrity import UniqueIndexes
from fixturepipe.databases.introspection import rows_found
from fixturepipe.databases.ledger import Ledger
from fixturepipe.databases.migrations import MigrationKey, applied_migrations, difference
from fixturepipe.dump.current import CurrentSource, current_source, held_rows
from fixturepipe.dump.keyedrows import KeyedRows
from fixturepipe.dump.options import DumpOptions
from fixturepipe.errors import (
    ConfigurationError,
    DanglingReferenceError,
    RunDirectoryError,
)
from fixturepipe.events import Listener
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.load.overlay import Step, load_overlay, raise_sequences
from fixturepipe.sync.changeset import ModelRows
from fixturepipe.sync.differences import DifferingRows
from fixturepipe.sync.options import SyncOptions
from fixturepipe.sync.stage import Syncing, SyncResult
from fixturepipe.verify.comparison import ModelComparison
from fixturepipe.verify.options import VerifyOptions
from fixturepipe.verify.stage import VerifyResult, verify

_NAMED = 10


def sync(
    directory: RunDirectory,
    manifest: Manifest,
    endpoints: Endpoints,
    options: SyncOptions,
    listener: Listener,
) -> SyncResult:
    """Bring the target to what the source holds now. Raises as `Pipeline.sync`."""
    _require_finished(directory, manifest, endpoints)
    _settle(directory)
    fixes = tuple(Declaration(*each) for each in manifest.fix)
    dump_options = DumpOptions(
        natural_keys=manifest.natural_keys,
        snapshot=options.snapshot,
        fix=fixes,
        transform=manifest.transform,
    )
    changing = [each for each in fixes if not each.changes_schema]
    repair = Repair(endpoints, changing) if changing else None
    with ExitStack() as snapshot, ExitStack() as ending:
        current = snapshot.enter_context(
            current_source(directory, endpoints, manifest, dump_options, listener, repair)
        )
        _require_migrations(manifest, current, endpoints)
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
        work.prepare(current.models, _left_out(directory), current.changes, _name(endpoints))
        if not current.is_shared:
            # The load binds the alias whose connection has the snapshot's transaction.
            snapshot.close()
            hands.endpoints = endpoints
        return work.finish()


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
        self._ours: dict[str, KeyedRows] = {}
        self._compared: tuple[ModelComparison, ...] = ()
        self._theirs = held_rows(current.models, manifest)
        self._indexes = UniqueIndexes(connection_to(TARGET))
        self.endpoints = current.endpoints

    def compare(self, sink: DifferingRows) -> VerifyResult:
        """Compare everything that the run moved."""
        result = self._verify(self._manifest, sink)
        self._compared = tuple(each for each in result.models if each.ok)
        return result

    def verify(self, labels: Collection[str], *, alone: bool) -> VerifyResult:
        """Compare these models again; what was equal before and has not changed is known."""
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

    def load(self, directory: RunDirectory, delete: Step, check: Step) -> None:
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
        )

    def raise_sequences(self) -> bool:
        """Raise the target's next keys; whether any was too low."""
        by_table = {schema.table: schema.label for schema in self._manifest.schema}
        sequences = self._current.sequences
        highest = {by_table[table]: key for table, key in sequences.items() if table in by_table}
        return bool(raise_sequences(self.endpoints, list(self._current.models), highest))

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
        return verify(self.endpoints, options, self._listener, manifest, accounts, sink, known)


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
    remove_unloaded(directory)


def _require_finished(directory: RunDirectory, manifest: Manifest, endpoints: Endpoints) -> None:
    """The target holds the finished run of this directory, which still holds what was loaded."""
    ledger = Ledger(connection_to(TARGET), manifest.run)
    state = ledger.state()
    if state is None or not state.finished:
        raise ConfigurationError(
            f"The target {_name(endpoints)} holds no finished run of {directory.path}",
            hint="`fixturepipe run` moves everything once; `fixturepipe sync` brings what has"
            " changed since.",
        )
    if manifest.source is None:
        raise RunDirectoryError(
            f"{directory.path} holds fixtures that fixturepipe did not dump",
            hint="A sync needs the dumps of a source: `fixturepipe run`.",
        )
    chunks = manifest.arrangement.chunks if manifest.arrangement else ()
    entries = ledger.applied()
    for chunk in chunks:
        entry = entries.pop(chunk.number, None)
        path = directory.path / chunk.file
        if entry is None or not path.is_file():
            break
        if entry.sha256 != chunk.sha256 and entry.sha256 != file_sha256(path):
            break
    else:
        if not entries:
            return
    raise RunDirectoryError(
        f"{directory.path} does not hold what was loaded into {_name(endpoints)}: it was dumped"
        " or arranged again since",
        hint="Without the chunks nobody can tell which rows of the target are the run's. Move the"
        " site again: `fixturepipe run` with a new --workdir and an empty target.",
    )


def _require_migrations(manifest: Manifest, current: CurrentSource, endpoints: Endpoints) -> None:
    """Source and target are at the migrations that the run was made at."""
    before = [(app, name) for app, name in manifest.migrations]
    moved = difference(current.migrations, before)
    if moved:
        added, gone = _listed(moved.source_only), _listed(moved.target_only)
        parts = [f"applied since: {added}"] if added else []
        parts += [f"unapplied since: {gone}"] if gone else []
        raise ConfigurationError(
            f"The source was migrated after the run; {'; '.join(parts)}",
            hint="A sync moves rows, not tables. Bring the source back to where it was (`manage.py"
            " migrate APP NAME`), or move the site again: `fixturepipe run` with a new --workdir"
            " and an empty target.",
        )
    apart = difference(current.migrations, applied_migrations(connection_to(TARGET)))
    if apart:
        ours, theirs = _listed(apart.source_only), _listed(apart.target_only)
        parts = [f"not applied there: {ours}"] if ours else []
        parts += [f"applied there only: {theirs}"] if theirs else []
        raise ConfigurationError(
            f"The target {_name(endpoints)} is not at the migrations of the source;"
            f" {'; '.join(parts)}",
            hint="Bring both to the same migrations, then repeat `fixturepipe sync`.",
        )


def _listed(migrations: Sequence[MigrationKey]) -> str:
    named = ", ".join(f"{app}.{name}" for app, name in migrations[:_NAMED])
    more = len(migrations) - _NAMED
    return f"{named} and {more} more" if more > 0 else named


def _name(endpoints: Endpoints) -> str:
    return "" if endpoints.target is None else endpoints.target.name
