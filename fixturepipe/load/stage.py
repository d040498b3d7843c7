"""Stage 3: the chunks into the target, each exactly once, in an order that the references allow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.apps import apps
from django.db import Error as DatabaseError
from django.db import transaction

from fixturepipe.artifacts.manifest import Chunk, Manifest, ModelSchema, open_run, read_manifest
from fixturepipe.artifacts.ownership import run_in
from fixturepipe.artifacts.ranges import format_ranges
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import forget_verification
from fixturepipe.databases.endpoints import Endpoints
from fixturepipe.databases.fields import Model
from fixturepipe.databases.ledger import RunState
from fixturepipe.databases.mysql import further_connections, round_trip
from fixturepipe.databases.sequences import SequenceReset, reset_sequences
from fixturepipe.errors import LoadError, RunDirectoryError, TransientLoadError, UsageError
from fixturepipe.events import Listener, StageFinished, StageStarted
from fixturepipe.load.dispatch import Dispatch, worthwhile_processes
from fixturepipe.load.existing import ExistingRows
from fixturepipe.load.loadplan import LoadPlan
from fixturepipe.load.migratedrows import replace_migrated_rows
from fixturepipe.load.objects.receivers import has_receivers, hear_every_model
from fixturepipe.load.options import LoadOptions
from fixturepipe.load.preparation import models_of, models_of_source, prepare
from fixturepipe.load.progress import LoadProgress
from fixturepipe.load.server.constraints import require_no_dangling_rows
from fixturepipe.load.server.lock import loader_lock
from fixturepipe.load.server.servererrors import hint_for, is_transient, server_message
from fixturepipe.load.server.tablemaker import TableMaker
from fixturepipe.load.server.target import LoadTarget, own_rows_matter
from fixturepipe.load.task import LoadTask
from fixturepipe.wording import listed

__all__ = ["LoadOptions", "LoadResult", "load", "prepare_target", "replace_migrated_rows"]

# So many models are named in a warning.
_NAMED = 10


@dataclass(frozen=True)
class LoadResult:
    """What a load did.

    `objects` and `chunks` were loaded by this call, `present` chunks were in before. `models`
    and `rejected` count the objects of all chunks that are in, by label. `complete` says that
    no chunk is missing; foreign keys and sequences are done then.
    """

    objects: int
    chunks: int
    present: int
    seconds: float
    models: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    sequences: tuple[SequenceReset, ...] = ()
    complete: bool = False
    dry_run: bool = False


def load(
    directory: RunDirectory, endpoints: Endpoints, options: LoadOptions, listener: Listener
) -> LoadResult:
    """Load each chunk that the target does not have.

    Raises ConfigurationError where the target cannot take this run, LoadError where a chunk is
    refused, TransientLoadError where the server stays away. What was loaded stays loaded.
    """
    _require_sense(options)
    manifest = read_manifest(directory)
    if manifest.arrangement is None:
        raise RunDirectoryError(
            f"{directory.path} has no chunks", hint="Make them with `fixturepipe arrange`."
        )
    with endpoints.bound_to_target() as alias:
        task = LoadTask(directory, endpoints, alias, manifest, options, listener)
        with _server_errors_described(), loader_lock(task.target.connection):
            return _Load(task).run()


def prepare_target(
    directory: RunDirectory,
    endpoints: Endpoints,
    options: LoadOptions,
    listener: Listener,
    is_chosen: Callable[[Model], bool] = lambda _: True,
) -> None:
    """Make the target ready for this run: migrate it if it is empty, refuse it if it is another's.

    What `migrate` writes into the tables of the chosen models is replaced.

    Raises ConfigurationError with the list of what is wrong.
    """
    manifest = open_run(directory)
    covered = models_of(manifest.schema) if manifest.schema else models_of_source(endpoints)
    with endpoints.bound_to_target() as alias:
        task = LoadTask(directory, endpoints, alias, manifest, options, listener)
        with _server_errors_described(), loader_lock(task.target.connection):
            prepare(task, list(filter(is_chosen, covered)), before_check=True)


def drop_half_made_tables(directory: RunDirectory, endpoints: Endpoints) -> None:
    """Empty the target if this run found it empty and did not get to the end of `migrate`.

    Raises ConfigurationError for rows in tables that this run never wrote.
    """
    run = run_in(directory.path)
    if run is None:
        return
    with endpoints.bound_to_target() as alias:
        target = LoadTarget(alias, endpoints, run)
        with _server_errors_described(), loader_lock(target.connection):
            TableMaker(target.connection, target.title).drop_half_made(target.ledger)


class _Load:
    """One call of `load`: what it works on, and how far it has come."""

    def __init__(self, task: LoadTask) -> None:
        self.task = task
        self.covered = list(models_of(_loaded_schemas(task.manifest)))
        # A table that is empty in the source is to be empty in the target.
        self.replaced = [*models_of(_dumped_schemas(task.manifest))] or self.covered

    def run(self) -> LoadResult:
        """All of it, in order."""
        started = time.monotonic()
        task, options = self.task, self.task.options
        state = prepare(task, self.covered, self.replaced)
        progress = LoadProgress(task)
        plan = LoadPlan(task, progress.entries)
        pending = self._pending(plan)
        present = len(progress.entries)
        task.listener(StageStarted("load", sum(chunk.objects for chunk in pending)))
        self._name_receivers(pending)
        if pending and not options.dry_run:
            forget_verification(task.directory)
        with self._rolled_back_if_dry():
            existing = ExistingRows(task, self.replaced)
            if pending and not options.rejects:
                existing.deal_with(progress.entries)
            dispatch = Dispatch(task, plan, progress, keeps_ids=self._keeps_ids(state))
            objects = dispatch.load(pending)
            if pending and self._complete(progress) and not options.dry_run:
                existing.deal_with(progress.entries)
            sequences = self._finish(progress)
        seconds = time.monotonic() - started
        task.listener(StageFinished("load", objects, seconds))
        return LoadResult(
            objects=objects,
            chunks=len(pending),
            present=present,
            seconds=seconds,
            models=progress.models,
            rejected=progress.rejected,
            sequences=tuple(sequences),
            complete=self._complete(progress),
            dry_run=options.dry_run,
        )

    def _keeps_ids(self, state: RunState) -> bool:
        """Whether content types and permissions get the source's ids; decided once for a run."""
        if state.keeps_ids is None:
            own = [model._meta.db_table for model in self.covered if not own_rows_matter(model)]
            fast = self.task.options.loader == "fast" and not self.task.options.signals
            return self.task.target.ledger.mark_keeps_ids(own if fast else None)
        return state.keeps_ids

    def _pending(self, plan: LoadPlan) -> list[Chunk]:
        options = self.task.options
        if edited := plan.edited():
            self.task.warn(
                f"These chunks were edited after they were loaded: {format_ranges(edited)}."
                " `fixturepipe load --changed` loads them again."
            )
        if options.rejects:
            return plan.with_rejects()
        pending = plan.pending(only=options.only, start=options.start)
        if absent := plan.absent(pending):
            self.task.warn(
                f"These chunks need others that are not loaded: {format_ranges(absent)}."
                " If the target refuses one for that reason, `fixturepipe load` loads them all in"
                " order."
            )
        return pending

    def _name_receivers(self, pending: Sequence[Chunk]) -> None:
        if self.task.options.signals or self.task.options.loader == "stock":
            return
        labels = dict.fromkeys(label for chunk in pending for label in chunk.models)
        hearing = [m._meta.label for m in map(_model, labels) if m and has_receivers(m)]
        if hearing:
            whose = "all models" if hear_every_model() else listed(hearing, _NAMED)
            self.task.warn(
                f"pre_save or post_save has receivers for {whose}, which are not called."
                " --signals loads these models object by object and calls them."
            )

    def _complete(self, progress: LoadProgress) -> bool:
        return len(progress.entries) == len(self.task.chunks)

    def _finish(self, progress: LoadProgress) -> list[SequenceReset]:
        """Once every chunk is in: foreign keys of all tables, sequences, the run's mark."""
        task, connection = self.task, self.task.target.connection
        if not self._complete(progress) or task.options.dry_run:
            return []
        # The server has nothing else to do, however few processes there were.
        wanted = worthwhile_processes(task.chunks, round_trip(connection))
        threads = max(1, further_connections(connection, wanted))
        require_no_dangling_rows(task.alias, self.covered, threads)
        schemas = {schema.table: schema for schema in task.manifest.schema}
        allocated = {t: key for t, key in task.manifest.sequences.items() if t in schemas}
        highest = {schemas[table].label: key for table, key in allocated.items()}
        # A table whose rows are all gone has no chunk, but it did allocate keys.
        tables = dict.fromkeys([*self.covered, *models_of([schemas[table] for table in allocated])])
        sequences = reset_sequences(connection, list(tables), highest)
        task.target.ledger.mark_finished()
        progress.finished()
        return sequences

    @contextmanager
    def _rolled_back_if_dry(self) -> Iterator[None]:
        if not self.task.options.dry_run:
            yield
            return
        with transaction.atomic(using=self.task.alias):
            yield
            transaction.set_rollback(True, using=self.task.alias)


@contextmanager
def _server_errors_described() -> Iterator[None]:
    """What the server says outside of a chunk: before the first, between two, after the last."""
    try:
        yield
    except DatabaseError as error:
        hint = f"{hint_for(error)} Continue with `fixturepipe load`.".strip()
        kind = TransientLoadError if is_transient(error) else LoadError
        raise kind(f"The target: {server_message(error)}", hint=hint) from error


def _require_sense(options: LoadOptions) -> None:
    if options.loader == "stock" and options.on_error == "reject":
        raise UsageError(
            "Django's own loader stops at the first object that is refused",
            hint="Use --on-error reject with --loader fast.",
        )
    if options.only is not None and options.start is not None:
        raise UsageError("--only and --from cannot be used together", hint="Use one of them.")


def _loaded_schemas(manifest: Manifest) -> list[ModelSchema]:
    """The models that the chunks hold; of fixtures from elsewhere the manifest knows no more."""
    assert manifest.arrangement is not None
    known = manifest.schemas()
    return [known[label] for label in manifest.arrangement.models if label in known] or list(
        known.values()
    )


def _dumped_schemas(manifest: Manifest) -> list[ModelSchema]:
    """The models of our own dumps that the chunks were made of, those without a row too."""
    left_out = {each.name for each in manifest.not_covered}
    dumps = {dump.file for dump in manifest.dumps}
    inputs = manifest.arrangement.inputs if manifest.arrangement else {}
    if not inputs or not set(inputs) <= dumps:
        return []
    return [schema for schema in manifest.schema if schema.label not in left_out]


def _model(label: str) -> Model | None:
    try:
        return apps.get_model(label)
    except LookupError:
        return None
