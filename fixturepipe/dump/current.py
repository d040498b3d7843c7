"""The source as it is now, read as its dumps were read: what `sync` compares the target with.

    current_source    a new snapshot, with the run's fixes applied to it
    CurrentSource     its objects by key, with the run's transform
    held_rows         the target's objects by key, in the forms that the run's dumps have

References are primary keys, but for those to content types and permissions: natural keys change
with the rows that have them. Only a transform gets what it got in the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.changes import Change
from fixturepipe.artifacts.manifest import Manifest, Source
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.coverage import coverage
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoint, Endpoints, connection_to
from fixturepipe.databases.fields import Model
from fixturepipe.databases.migrations import applied_migrations
from fixturepipe.databases.sequences import highest_keys
from fixturepipe.databases.tablenames import tables_named_for
from fixturepipe.dump.alterations import Alterations, Repair
from fixturepipe.dump.fingerprint import file_fingerprint, snapshot_fingerprint
from fixturepipe.dump.keychoice import KeyChoice, choose_keys, natural_ids
from fixturepipe.dump.keyedrows import KeyedRows
from fixturepipe.dump.options import DumpOptions
from fixturepipe.dump.rowplan import RowPlan
from fixturepipe.dump.snapshot import Snapshot, snapshot_of
from fixturepipe.dump.storedforms import StoredForms
from fixturepipe.events import Listener


@dataclass(frozen=True)
class CurrentSource:
    """One state of the source. It lasts for the block of `current_source`.

    `endpoints` are those whose source is this state; `is_shared` says that every thread sees it.
    `models` are those that the run's dumps hold, and `changes` what the fixes changed.
    """

    endpoints: Endpoints
    is_shared: bool
    source: Source
    migrations: list[tuple[str, str]]
    sequences: dict[str, int]
    natural_ids: dict[str, list[tuple[list[Any], int]]]
    models: tuple[Model, ...]
    changes: tuple[Change, ...]
    connection: BaseDatabaseWrapper
    choice: KeyChoice
    forms: StoredForms
    alterations: Alterations

    def rows(self, model: Model) -> KeyedRows:
        """The model's rows, as a dump of this state writes them."""
        plan = RowPlan(model, self.connection, self.choice, self.forms)
        return KeyedRows(plan, self.alterations.transform)


@contextmanager
def current_source(
    directory: RunDirectory,
    endpoints: Endpoints,
    manifest: Manifest,
    options: DumpOptions,
    listener: Listener,
    repair: Repair | None = None,
) -> Iterator[CurrentSource]:
    """Take a snapshot of the source, and apply the fixes of the run to it.

    Raises as `snapshot_of` and `dump` do.
    """
    alterations = Alterations(options.transform, repair)
    dumped = {label for dump in manifest.dumps for label in dump.models}
    fingerprint = file_fingerprint(endpoints)
    keep = options.keep_snapshot and options.transform is None
    with snapshot_of(directory, endpoints, options.snapshot, keep=keep) as snapshot:
        connection = snapshot.connection
        fingerprint |= snapshot_fingerprint(snapshot)
        migrations = applied_migrations(connection)
        covered = coverage(connection, connection.alias).models
        chosen = [model for model in covered if model._meta.label_lower in dumped]
        sequences = highest_keys(connection, chosen)
        alterations.repair(snapshot, chosen, listener)
        natural_keys = options.natural_keys if options.transform else "none"
        choice = choose_keys(chosen, connection, natural_keys)
        alterations.keep_natural_keys(choice)
        vendor, name = connection.vendor, endpoints.source.name
        with _as_source(snapshot, endpoints) as current:
            yield CurrentSource(
                endpoints=current,
                is_shared=snapshot.is_copy,
                source=Source(endpoints.alias, vendor, name, fingerprint),
                migrations=migrations,
                sequences=sequences,
                natural_ids=natural_ids(chosen, connection.alias),
                models=tuple(chosen),
                changes=tuple(alterations.all_changes()),
                connection=connection,
                choice=choice,
                forms=StoredForms(connection),
                alterations=alterations,
            )


@contextmanager
def _as_source(snapshot: Snapshot, endpoints: Endpoints) -> Iterator[Endpoints]:
    """Endpoints whose source is the snapshot, so that SOURCE is it too.

    A copy is a file that each thread opens. A transaction belongs to one connection, which is
    that of SOURCE in this thread then.
    """
    settings = snapshot.connection.settings_dict
    current = replace(endpoints, source=Endpoint(endpoints.source.name, settings))
    try:
        current.open()
        if not snapshot.is_copy:
            connections[SOURCE].close()
            connections[SOURCE] = snapshot.connection
        yield current
    finally:
        if not snapshot.is_copy:
            del connections[SOURCE]
        endpoints.open()


def held_rows(
    models: Sequence[Model], manifest: Manifest, connection: BaseDatabaseWrapper | None = None
) -> dict[str, KeyedRows]:
    """The target's rows by label, in the forms that the dumps of this run have.

    On a `connection` of the caller's, which has a transaction, rows are locked as they are read.
    """
    lock = connection is not None
    connection = connection or connection_to(TARGET)
    choice = choose_keys(models, connection, "none")
    with tables_named_for(connection):
        forms = StoredForms(connection, manifest.stored)
        plans = [RowPlan(model, connection, choice, forms) for model in models]
    return {plan.label: KeyedRows(plan, lock=lock) for plan in plans}
