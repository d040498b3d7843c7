"""Loads one chunk: its rows and its ledger row in one transaction, or neither.

Errors that have nothing to do with the data (the server gone, a deadlock) lead to
another try, after a pause that grows; the transaction was rolled back, so nothing is loaded
twice. Objects that the server refuses stop the chunk, or are written to rejects/ before the
transaction that leaves them out is committed.
"""

from __future__ import annotations

import gc
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.manifest import Chunk, Manifest
from fixturepipe.artifacts.ranges import numbers_in
from fixturepipe.artifacts.records import file_sha256
from fixturepipe.artifacts.rejects import remove_rejects, write_rejects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.times import ChunkTime
from fixturepipe.databases.catalog import Catalog
from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.ledger import Entry, Ledger
from fixturepipe.databases.mysql import packet_size
from fixturepipe.errors import ChunkFileError, LoadError, TransientLoadError
from fixturepipe.load.objects.chunkcheck import check_references
from fixturepipe.load.objects.loaddata import StockCommand
from fixturepipe.load.objects.modelplan import ModelPlans
from fixturepipe.load.objects.reading import ChunkReader, ReadChunk
from fixturepipe.load.objects.references import KeyResolver
from fixturepipe.load.objects.rejection import reason_of, refused_chunk
from fixturepipe.load.objects.rows import RowProblem
from fixturepipe.load.objects.saver import ChunkSaver, SaverOptions
from fixturepipe.load.options import LoadOptions
from fixturepipe.load.server.servererrors import (
    NO_SUCH_ROW,
    blocker_of,
    hint_for,
    is_transient,
    server_message,
)
from fixturepipe.load.server.transaction import chunk_transaction

# A chunk's objects hold no cycles, and to look for some takes a quarter of the loader's time.
# What else is left behind in cycles, an error with its traceback, is collected now and then.
_CHUNKS_BETWEEN_COLLECTIONS = 50


@dataclass(frozen=True)
class ChunkOptions:
    """How the chunks of a load are loaded.

    `asked` is what the user wants. In a dry run the caller holds a transaction around all chunks,
    and rolls it back. `keeps_ids`: content types and permissions get the ids of the source.
    `reload` are chunks that the ledger has and that are to be loaded again (edited since).
    `absent` are chunks that are not in and are not to be loaded. `is_kept` is as in `SaverOptions`.
    """

    asked: LoadOptions
    keeps_ids: bool
    reload: frozenset[int] = frozenset()
    absent: frozenset[int] = frozenset()
    is_kept: Callable[[str, str], bool] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a chunk, with its entry in the ledger.

    `present`: another process had loaded it meanwhile. `waits`: it was not begun, because the
    server has lost chunks that it needs. `time` is when it was loaded, if it was.
    """

    entry: Entry
    present: bool = False
    waits: bool = False
    edited: bool = False
    time: ChunkTime | None = None


@dataclass(frozen=True)
class _Loaded:
    """What a file's objects became, within the transaction: counts by label, and the others."""

    models: dict[str, int]
    problems: list[RowProblem]
    sha256: str


class _DeferForeignKeys(Exception):
    """A row refers to one that comes later in the chunk, or that does not exist."""


class ChunkLoader:
    """Loads chunks one after the other over the connection `alias`.

    `notify` is called with sentences for the user's log.
    """

    def __init__(
        self,
        alias: str,
        directory: RunDirectory,
        manifest: Manifest,
        options: ChunkOptions,
        notify: Callable[[str], None],
    ) -> None:
        self._alias = alias
        self._directory = directory
        self._options = options
        self._asked = asked = options.asked
        self._rejects = asked.on_error == "reject"
        self._saver_options = SaverOptions(
            keep_going=self._rejects,
            signals=asked.signals,
            fresh=asked.existing != "update",
            overwrite=asked.existing == "delete",
            is_kept=options.is_kept,
        )
        self._notify = notify
        self._connection = connection_to(alias)
        self._ledger = Ledger(self._connection, manifest.run)
        self._plans = ModelPlans(alias, manifest, keeps_ids=options.keeps_ids)
        self._catalog = Catalog(self._connection)
        self._resolver = KeyResolver(alias)
        self._reader = ChunkReader(self._plans)
        self._loaded = 0
        # The connection on which the ledger was looked at.
        self._seen: object = None

    def load(self, chunk: Chunk, then: Chunk | None = None) -> Outcome:
        """Load a chunk, exactly once. `then` is the one that will probably be next.

        Raises LoadError where the target refuses it, TransientLoadError where the server stays
        away, ChunkFileError where the file is damaged. Nothing of the chunk is in then.
        """
        if then is not None:
            self._reader.expect(self._path(then), deferred=then.cyclic)
        self._loaded += 1
        if self._loaded % _CHUNKS_BETWEEN_COLLECTIONS == 0:
            gc.collect()
        began, clock = time.time(), time.monotonic()
        outcome = self._persistently(
            chunk, lambda deferred: self._load_once(chunk, deferred=deferred)
        )
        if outcome.present or outcome.waits:
            return outcome
        worker = f"{platform.node()}:{os.getpid()}"
        seconds = round(time.monotonic() - clock, 6)
        return replace(outcome, time=ChunkTime(chunk.number, worker, began, seconds))

    def load_rejects(self, chunk: Chunk, entry: Entry) -> Outcome:
        """Load again, from rejects/, what was left out of a chunk that is in.

        Raises as `load`. A row that the target has under such a key is not this run's, unless the
        ledger says that an interrupted call has put some of them in already: these are updated.
        """
        rejects = msgspec.structs.replace(chunk, file=f"rejects/{Path(chunk.file).name}")
        return self._persistently(
            rejects, lambda deferred: self._load_rejects_once(rejects, entry, deferred=deferred)
        )

    def _persistently(self, chunk: Chunk, load: Callable[[bool], Outcome]) -> Outcome:
        """Try again after errors that are not the data's, with foreign keys off if need be."""
        deferred = chunk.cyclic
        pauses = iter(self._asked.pauses)
        while True:
            try:
                return load(deferred)
            except _DeferForeignKeys:
                deferred = True
            except (DatabaseError, DeserializationError) as error:
                pause = None
                if is_transient(error):
                    self._connection.close()
                    pause = next(pauses, None)
                if pause is None:
                    raise _not_loaded(chunk, error, self._connection) from error
                self._notify(f"{chunk.file}: {server_message(error)}; trying again in {pause} s")
                time.sleep(pause)
            # What was found in a transaction that is rolled back may be gone.
            self._resolver.forget()

    def _load_once(self, chunk: Chunk, *, deferred: bool) -> Outcome:
        started = time.monotonic()
        if not self._has_predecessors(chunk):
            return Outcome(Entry(chunk.number, chunk.sha256), waits=True)
        with _collector_at_rest(), chunk_transaction(self._connection) as opened:
            reload = chunk.number in self._options.reload
            if not self._ledger.begin(chunk.number, chunk.sha256, opened.begin, reload=reload):
                transaction.set_rollback(True, using=self._alias)
                return Outcome(Entry(chunk.number, chunk.sha256), present=True)
            loaded = self._load_rows(chunk, deferred=deferred)
            if loaded.problems:
                self._leave_out(chunk, loaded.problems)
            entry = _entry(chunk, loaded, started)
            self._ledger.complete(entry, opened.end)
        if not self._saver_options.fresh:
            # Rows that are updated may take another natural key.
            self._resolver.forget()
        if not self._asked.dry_run and not loaded.problems:
            remove_rejects(self._directory, Path(chunk.file).name)
        return Outcome(entry, edited=loaded.sha256 != chunk.sha256)

    def _has_predecessors(self, chunk: Chunk) -> bool:
        """Whether the chunks that this one needs are in.

        Asked on each new connection: the server may have crashed, and lost chunks that it had
        confirmed (innodb_flush_log_at_trx_commit other than 1).
        """
        self._connection.ensure_connection()
        if self._asked.dry_run or self._seen is self._connection.connection:
            return True
        needed = numbers_in(chunk.after) - self._options.absent
        if needed and not needed <= self._ledger.numbers():
            return False
        self._seen = self._connection.connection
        return True

    def _load_rejects_once(self, chunk: Chunk, entry: Entry, *, deferred: bool) -> Outcome:
        with transaction.atomic(using=self._alias):
            loaded = self._load_rows(chunk, deferred=deferred, left_out=entry.rejected)
            if loaded.problems and not self._rejects:
                raise refused_chunk(chunk.file, loaded.problems)
            entry = _with_recovered(entry, loaded.models)
            self._ledger.complete(entry)
        # Only now: until the objects are in, this file is the only place that has them.
        if loaded.problems:
            self._write_rejects(chunk, loaded.problems)
        else:
            remove_rejects(self._directory, Path(chunk.file).name)
        return Outcome(entry)

    def _load_rows(
        self, chunk: Chunk, *, deferred: bool, left_out: Mapping[str, int] | None = None
    ) -> _Loaded:
        """Load a file. `left_out` counts what of it the ledger says is not in; by default all."""
        path = self._path(chunk)
        if not path.is_file():
            raise ChunkFileError(path, "there is no such file")
        if self._asked.loader == "stock":
            command = StockCommand()
            sha256 = file_sha256(path)
            call_command(command, str(path), database=self._alias, verbosity=0)
            return _Loaded(command.loaded, [], sha256)
        read = self._reader.read(path, deferred=deferred)
        may_be_in = chunk.second_pass or chunk.number in self._options.reload
        if left_out is not None:
            may_be_in = chunk.second_pass or len(read.objects) > sum(left_out.values())
        return self._load_fast(read, may_be_in=may_be_in)

    def _path(self, chunk: Chunk) -> Path:
        return (self._directory.path / chunk.file).absolute()

    def _load_fast(self, read: ReadChunk, *, may_be_in: bool) -> _Loaded:
        options = self._saver_options
        saver = ChunkSaver(
            self._alias,
            packet_size(self._connection),
            self._resolver,
            replace(options, fresh=False, is_kept=None) if may_be_in else options,
            deferred=read.deferred,
            meanwhile=self._reader.step,
        )
        with self._connection.constraint_checks_disabled() if read.deferred else nullcontext():
            saver.save(read)
            if read.deferred:
                check_references(self._connection, saver, self._catalog)
        if not read.deferred and any(p.code in NO_SUCH_ROW for p in saver.problems):
            raise _DeferForeignKeys
        return _Loaded(saver.models, saver.problems, read.sha256)

    def _leave_out(self, chunk: Chunk, problems: list[RowProblem]) -> None:
        if not self._rejects:
            raise refused_chunk(chunk.file, problems)
        if not self._asked.dry_run:
            self._write_rejects(chunk, problems)

    def _write_rejects(self, chunk: Chunk, problems: list[RowProblem]) -> None:
        write_rejects(
            self._directory,
            Path(chunk.file).name,
            [problem.object for problem in problems],
            [reason_of(problem) for problem in problems],
        )


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        # What is there counts as old now: it is not looked through as soon as that may be.
        gc.freeze()
        gc.unfreeze()
        gc.enable()


def _not_loaded(chunk: Chunk, error: Exception, connection: BaseDatabaseWrapper) -> LoadError:
    """The error of a chunk that is not in, for a reason that is not one row's."""
    text = f"{chunk.file} was not loaded: {server_message(error)}"
    if not is_transient(error):
        hint = f"{hint_for(error)} When that is fixed, continue with `fixturepipe load`."
        return LoadError(text, hint=hint.strip(), chunk=chunk.file)
    blocker = blocker_of(error, connection)
    then = "Then" if blocker else "When the server is back,"
    hint = f"{blocker} {then} continue with `fixturepipe load`."
    return TransientLoadError(text, hint=hint.lstrip(), chunk=chunk.file)


def _entry(chunk: Chunk, loaded: _Loaded, started: float) -> Entry:
    seconds = round(time.monotonic() - started, 6)
    # Objects that come again, whole, were counted when they came first.
    models = {label: n for label, n in loaded.models.items() if n and not chunk.second_pass}
    rejected = dict(Counter(str(problem.object["model"]) for problem in loaded.problems))
    return Entry(chunk.number, loaded.sha256, models, rejected, seconds)


def _with_recovered(entry: Entry, loaded: dict[str, int]) -> Entry:
    """The entry, with what was rejected and is in now; counted once, however often it is said."""
    models, rejected = Counter(entry.models), Counter(entry.rejected)
    recovered = rejected & Counter(loaded)
    return replace(entry, models=dict(models + recovered), rejected=dict(rejected - recovered))
