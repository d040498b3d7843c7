"""Stage 3: the chunks into the target, each exactly once, in an order that the references allow."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from django.apps import apps
from django.db import Error as DatabaseError
from django.db import models, transaction

from fixturepipe.artifacts.loadstatus import LoadStatusWriter
from fixturepipe.artifacts.manifest import Chunk, Manifest, ModelSchema, read_manifest
from fixturepipe.artifacts.ranges import format_ranges
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import forget_verification
from fixturepipe.databases.endpoints import Endpoints
from fixturepipe.databases.forks import start_method
from fixturepipe.databases.ledger import UNNAMED, Entry
from fixturepipe.databases.sequences import SequenceReset, reset_sequences
from fixturepipe.errors import (
    ConfigurationError,
    FixturepipeError,
    LoadError,
    RunDirectoryError,
    TransientLoadError,
    UsageError,
)
from fixturepipe.events import Listener, Notice, StageAdvanced, StageFinished, StageStarted
from fixturepipe.load.chunkloader import ChunkLoader, ChunkOptions, Outcome
from fixturepipe.load.constraints import require_no_dangling_rows
from fixturepipe.load.loadplan import LoadPlan
from fixturepipe.load.lock import loader_lock
from fixturepipe.load.options import LoadOptions
from fixturepipe.load.preparation import models_of, models_of_source, prepare
from fixturepipe.load.receivers import has_receivers, hear_every_model
from fixturepipe.load.saver import SaverOptions
from fixturepipe.load.servererrors import hint_for, is_transient, server_message
from fixturepipe.load.target import Target, own_rows_matter
from fixturepipe.load.workers import WorkerSetup, executor_for, loaded_in_parallel

# To begin a process takes as long as to load so many objects.
_WORTH_A_PROCESS = {"fork": 5_000, "spawn": 50_000}


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
    """Load each chunk that the target does not hold.

    Raises ConfigurationError where the target cannot take this run, LoadError where a chunk is
    refused, TransientLoadError where the server stays away. What was loaded stays loaded.
    """
    _require_sense(options)
    manifest = read_manifest(directory)
    if manifest.arrangement is None:
        raise RunDirectoryError(
            f"{directory.path} holds no chunks", hint="Make them with `fixturepipe arrange`."
        )
    with endpoints.bound_to_target() as alias:
        work = _Load(directory, endpoints, alias, manifest, options, listener)
        with _server_errors_said(), loader_lock(work.target.connection):
            return work.run()


def prepare_target(
    directory: RunDirectory, endpoints: Endpoints, options: LoadOptions, listener: Listener
) -> None:
    """Make the target ready for this run: migrate it if it is empty, refuse it if it is another's.

    Raises ConfigurationError with the list of what is wrong.
    """
    manifest = read_manifest(directory) if directory.manifest.exists() else None
    covered = models_of_source(endpoints) if manifest is None else models_of(manifest.schema)
    with endpoints.bound_to_target() as alias:
        run = UNNAMED if manifest is None else manifest.run
        target = Target(alias, _name(endpoints), run)
        with _server_errors_said(), loader_lock(target.connection):
            prepare(
                target,
                endpoints,
                manifest,
                list(covered),
                listener,
                dry_run=options.dry_run,
                before_check=True,
            )


class _Load:
    """One call of `load`: what it works on, and how far it has come."""

    def __init__(
        self,
        directory: RunDirectory,
        endpoints: Endpoints,
        alias: str,
        manifest: Manifest,
        options: LoadOptions,
        listener: Listener,
    ) -> None:
        assert manifest.arrangement is not None
        self.directory = directory
        self.endpoints = endpoints
        self.alias = alias
        self.manifest = manifest
        self.options = options
        self.listener = listener
        self.target = Target(alias, _name(endpoints), manifest.run)
        self.chunks = manifest.arrangement.chunks
        self.covered = list(models_of(_loaded_schemas(manifest)))
        self.entries: dict[int, Entry] = {}
        self.again: frozenset[int] = frozenset()
        self.load_status = LoadStatusWriter(directory, manifest.run, self.target.name, self._warn)

    def run(self) -> LoadResult:
        """All of it, in order."""
        started = time.monotonic()
        prepare(
            self.target,
            self.endpoints,
            self.manifest,
            self.covered,
            self.listener,
            dry_run=self.options.dry_run,
        )
        self.entries = self.target.ledger.applied()
        plan = LoadPlan(self.directory, self.chunks, self.entries, changed=self.options.changed)
        self.again = plan.again
        if edited := plan.edited():
            self._warn(
                f"Chunks that are in were edited since: {format_ranges(edited)}."
                " `fixturepipe load --changed` loads them over."
            )
        if self.options.rejects:
            pending = plan.with_rejects()
        else:
            pending = plan.pending(only=self.options.only, start=self.options.start)
            if absent := plan.absent(pending):
                self._warn(
                    f"These chunks need others that are not loaded: {format_ranges(absent)}."
                    " If one is refused for that, `fixturepipe load` loads all of them in order."
                )
        present = len(self.entries)
        self.listener(StageStarted("load", sum(chunk.objects for chunk in pending)))
        self._name_receivers(pending)
        if pending and not self.options.dry_run:
            forget_verification(self.directory)
        with self._rolled_back_if_dry():
            if pending and not self.options.rejects:
                self._make_room()
            objects = self._load_chunks(pending)
            while lost := self._lost():
                objects += self._load_chunks(lost)
            sequences = self._finish()
        seconds = time.monotonic() - started
        self.listener(StageFinished("load", objects, seconds))
        return LoadResult(
            objects=objects,
            chunks=len(pending),
            present=present,
            seconds=seconds,
            models=_summed(entry.models for entry in self.entries.values()),
            rejected=_summed(entry.rejected for entry in self.entries.values()),
            sequences=tuple(sequences),
            complete=self._complete(),
            dry_run=self.options.dry_run,
        )

    # ---- what is in the way

    def _make_room(self) -> None:
        """Rows that the run did not put there: replaced, refused, or left to be updated."""
        state = self.target.ledger.state()
        assert state is not None
        loaded = _summed(entry.models for entry in self.entries.values())
        mine = [m for m in self.covered if own_rows_matter(m)]
        if (
            not state.cleared
            and not self.entries
            and (state.was_empty or self.options.existing == "delete")
        ):
            self.target.clear(mine)
            return
        if self.options.existing == "update":
            return
        found = self.target.rows_found(m for m in mine if m._meta.label_lower not in loaded)
        if found:
            self._refuse_rows(found)

    def _refuse_rows(self, found: dict[type[models.Model], int]) -> None:
        counts = [f"  {m._meta.label}: {n:,}" for m, n in found.items()]
        raise ConfigurationError(
            "\n".join([f"The target {self.target.name} holds rows of its own:", *counts]),
            hint="Give an empty database, or say what to do with them: --existing update takes"
            " the fixtures' objects over them, --existing delete deletes them first.",
        )

    def _name_receivers(self, pending: list[Chunk]) -> None:
        if self.options.signals or self.options.loader == "stock":
            return
        labels = dict.fromkeys(label for chunk in pending for label in chunk.models)
        told = [m._meta.label for m in map(_model, labels) if m and has_receivers(m)]
        if told:
            whose = "all models" if hear_every_model() else _some(told)
            self.listener(
                Notice(
                    "warning",
                    f"pre_save or post_save has receivers for {whose}: they are not"
                    " called. --signals loads these models object by object and calls them.",
                )
            )

    # ---- loading

    def _load_chunks(self, pending: list[Chunk]) -> int:
        workers = self._workers(pending)
        if workers > 1 or self.options.executor:
            return self._load_in_parallel(pending, workers)
        return self._load_one_by_one(pending)

    def _lost(self) -> list[Chunk]:
        """Chunks that were confirmed and are not in: a server that is set up to forget its last
        moments (innodb_flush_log_at_trx_commit other than 1) has crashed since.
        """
        before, self.entries = self.entries, self.target.ledger.applied()
        lost = [chunk for chunk in self.chunks if chunk.number in before.keys() - self.entries]
        if lost:
            numbers = format_ranges(chunk.number for chunk in lost)
            self._warn(f"The server has lost chunks that it had confirmed, {numbers}: once more")
        return lost

    def _workers(self, pending: Sequence[Chunk]) -> int:
        """How many processes; one does what is quicker done than a process begun."""
        options = self.options
        if options.dry_run or options.rejects or not os.environ.get("DJANGO_SETTINGS_MODULE"):
            return 1
        return min(options.workers, len(pending)) or self._worth(pending)

    def _worth(self, chunks: Sequence[Chunk]) -> int:
        """How many of this machine's cores the work is worth."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        worth = sum(chunk.objects for chunk in chunks) // _WORTH_A_PROCESS[start_method()]
        return max(1, min(cores, worth, len(chunks)))

    def _load_in_parallel(self, pending: list[Chunk], workers: int) -> int:
        objects = 0
        failures: list[tuple[Chunk, FixturepipeError]] = []
        options = self._chunk_options()
        setup = WorkerSetup(
            settings=os.environ["DJANGO_SETTINGS_MODULE"],
            path=tuple(sys.path),
            endpoints=self.endpoints,
            directory=self.directory.path.absolute(),
            options=replace(options, saver=replace(options.saver, json_nulls={})),
        )
        with executor_for(self.options.executor, workers) as executor:
            for chunk, report in loaded_in_parallel(executor, workers, setup, pending):
                for note in report.notes:
                    self._warn(note)
                if report.failure is not None:
                    failures.append((chunk, report.failure.error()))
                elif report.outcome is not None:
                    objects += self._loaded(chunk, report.outcome)
        if failures:
            chunk, error = min(failures, key=lambda each: each[0].number)
            self._write_load_status((chunk.number, error))
            raise error
        return objects

    def _load_one_by_one(self, pending: list[Chunk]) -> int:
        objects = 0
        loader = ChunkLoader(self.alias, self.directory, self._chunk_options(), self._warn)
        try:
            for chunk, then in zip_longest(pending, pending[1:]):
                outcome = self._load_chunk(loader, chunk, then)
                objects += self._loaded(chunk, outcome)
        finally:
            loader.close()
        return objects

    def _load_chunk(self, loader: ChunkLoader, chunk: Chunk, then: Chunk | None) -> Outcome:
        try:
            if self.options.rejects:
                return loader.load_rejects(chunk, self.entries[chunk.number])
            return loader.load(chunk, then)
        except FixturepipeError as error:
            self._write_load_status((chunk.number, error))
            raise

    def _chunk_options(self) -> ChunkOptions:
        reject = self.options.on_error == "reject"
        saver = SaverOptions(
            keep_going=reject,
            signals=self.options.signals,
            fresh=self.options.existing != "update",
            json_nulls=dict(self.manifest.json_nulls),
        )
        return ChunkOptions(
            run=self.manifest.run,
            loader=self.options.loader,
            reject=reject,
            dry_run=self.options.dry_run,
            saver=saver,
            again=self.again,
            pauses=self.options.pauses,
        )

    def _loaded(self, chunk: Chunk, outcome: Outcome) -> int:
        if outcome.present:
            self.entries.update(self.target.ledger.applied())
            return 0
        before = self.entries.get(outcome.number)
        self.entries[outcome.number] = outcome.entry
        if outcome.edited:
            self.listener(Notice("info", f"{chunk.file} was edited: it is loaded as it is now"))
        rejected = sum(outcome.entry.rejected.values())
        if rejected:
            self._warn(f"{chunk.file}: {rejected:,} objects are rejected, see rejects/")
        self.listener(StageAdvanced("load", chunk.objects, chunk.file))
        self._write_load_status(None)
        return outcome.entry.objects - (before.objects if self.options.rejects and before else 0)

    def _warn(self, text: str) -> None:
        self.listener(Notice("warning", text))

    # ---- the end

    def _complete(self) -> bool:
        return len(self.entries) == len(self.chunks)

    def _finish(self) -> list[SequenceReset]:
        """Once every chunk is in: foreign keys of all tables, sequences, the run's mark."""
        if not self._complete() or self.options.dry_run:
            return []
        # The server has nothing else to do, however few processes there were.
        require_no_dangling_rows(self.alias, self.covered, self._worth(self.chunks))
        schemas = {schema.table: schema for schema in self.manifest.schema}
        marks = {s: n for table, n in self.manifest.sequences.items() if (s := schemas.get(table))}
        highest = {schema.label: key for schema, key in marks.items()}
        # A table whose rows are all gone has no chunk, and gave out keys nevertheless.
        tables = dict.fromkeys([*self.covered, *models_of(list(marks))])
        sequences = reset_sequences(self.target.connection, list(tables), highest)
        self.target.ledger.mark_finished()
        self._write_load_status(None, finished=True)
        return sequences

    def _write_load_status(
        self, failed: tuple[int, FixturepipeError] | None, *, finished: bool = False
    ) -> None:
        # To sum up all that is in takes longer with every chunk.
        due = finished or failed is not None or self.load_status.is_due
        if self.options.dry_run or not due:
            return
        self.load_status.write(
            loaded=self.entries,
            models=_summed(entry.models for entry in self.entries.values()),
            rejected=_summed(entry.rejected for entry in self.entries.values()),
            failed=failed,
            finished=finished,
        )

    @contextmanager
    def _rolled_back_if_dry(self) -> Iterator[None]:
        if not self.options.dry_run:
            yield
            return
        with transaction.atomic(using=self.alias):
            yield
            transaction.set_rollback(True, using=self.alias)


@contextmanager
def _server_errors_said() -> Iterator[None]:
    """What the server says outside of a chunk: before the first, between two, after the last."""
    try:
        yield
    except DatabaseError as error:
        hint = f"{hint_for(error)} `fixturepipe load` goes on from here.".strip()
        if is_transient(error):
            raise TransientLoadError(f"The target: {server_message(error)}", hint=hint) from error
        raise LoadError(f"The target: {server_message(error)}", hint=hint) from error


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more models" if more > 0 else "")


def _require_sense(options: LoadOptions) -> None:
    if options.loader == "stock" and options.on_error == "reject":
        raise UsageError(
            "Django's own loader stops at the first object that is refused",
            hint="Use --on-error reject with --loader fast.",
        )
    if options.only is not None and options.start is not None:
        raise UsageError("--only and --from exclude each other", hint="Give one of them.")


def _name(endpoints: Endpoints) -> str:
    return "" if endpoints.target is None else endpoints.target.name


def _loaded_schemas(manifest: Manifest) -> list[ModelSchema]:
    """The models that the chunks hold; of fixtures from elsewhere the manifest knows no more."""
    assert manifest.arrangement is not None
    known = manifest.schemas()
    return [known[label] for label in manifest.arrangement.models if label in known] or list(
        known.values()
    )


def _model(label: str) -> type[models.Model] | None:
    try:
        return apps.get_model(label)
    except LookupError:
        return None


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for label, count in each.items():
            total[label] = total.get(label, 0) + count
    return total
