"""Loads one chunk: its rows and its ledger row in one transaction, or neither.

Errors that have nothing to do with the data (the server gone, a deadlock) are answered with
another try, after a pause that grows; the transaction was rolled back, so nothing is loaded
twice. Objects that the server refuses stop the chunk, or are written to rejects/ before the
transaction that leaves them out is committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import Error as DatabaseError
from django.db import connections, transaction

from fixturepipe.artifacts.manifest import Chunk
from fixturepipe.artifacts.records import file_sha256
from fixturepipe.artifacts.rejects import remove_rejects, write_rejects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.fixturefiles import FixtureReader
from fixturepipe.databases.ledger import Entry, Ledger
from fixturepipe.databases.loaddata import FastCommand, StockCommand
from fixturepipe.databases.rejection import reason_of, refused_chunk
from fixturepipe.databases.rows import RowProblem
from fixturepipe.databases.saver import ChunkSaver, ModelPlans, SaverOptions
from fixturepipe.databases.servererrors import NO_SUCH_ROW, hint_for, is_transient, said_by
from fixturepipe.databases.session import LoadingSession
from fixturepipe.errors import FixtureError, LoadError, TransientLoadError

# Seconds before each further try: about half a minute in all, as long as a server restarts.
PAUSES = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class ChunkOptions:
    """How the chunks of a load are loaded.

    `again` are the chunks that the ledger holds and that are to be loaded over (edited since).
    `dry_run`: the caller holds a transaction around all chunks, and rolls it back.
    """

    run: str
    loader: Literal["fast", "stock"] = "fast"
    reject: bool = False
    dry_run: bool = False
    saver: SaverOptions = field(default_factory=SaverOptions)
    again: frozenset[int] = frozenset()
    pauses: tuple[float, ...] = PAUSES


@dataclass(frozen=True)
class Outcome:
    """What became of a chunk. `present`: another process had loaded it meanwhile."""

    number: int
    entry: Entry
    rejected: dict[str, int] = field(default_factory=dict)
    present: bool = False
    edited: bool = False


class _DeferForeignKeys(Exception):
    """A row refers to one that stands later in the chunk, or nowhere."""


class ChunkLoader:
    """Loads chunks one after the other over the connection `alias`.

    `notify` is called with sentences for the user's log.
    """

    def __init__(
        self,
        alias: str,
        directory: RunDirectory,
        options: ChunkOptions,
        notify: Callable[[str], None],
    ) -> None:
        self._alias = alias
        self._directory = directory
        self._options = options
        self._notify = notify
        self._connection = connections[alias]
        self._session = LoadingSession(self._connection)
        self._ledger = Ledger(self._connection, options.run)
        self._plans = ModelPlans(alias, options.saver)
        self._reader = FixtureReader()
        self._then: Chunk | None = None

    def load(self, chunk: Chunk, then: Chunk | None = None) -> Outcome:
        """Load a chunk, exactly once. `then` is the one that will probably be next.

        Raises LoadError where the target refuses it, TransientLoadError where the server stays
        away, FixtureError where the file is damaged. Nothing of the chunk is in then.
        """
        self._then = then
        for pause in (*self._options.pauses, None):
            try:
                return self._load_in_order_or_not(chunk)
            except (DatabaseError, DeserializationError) as error:
                self._plans.resolver.forget()
                if not is_transient(error):
                    raise self._refused(chunk, error) from error
                self._connection.close()
                if pause is None:
                    raise _gave_up(chunk, error) from error
                self._notify(f"{chunk.file}: {said_by(error)}; trying again in {pause} s")
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Put the session's settings back."""
        self._reader.close()
        if self._connection.connection is not None:
            self._session.restore()

    def _load_in_order_or_not(self, chunk: Chunk) -> Outcome:
        try:
            return self._load_once(chunk, deferred=chunk.cyclic)
        except _DeferForeignKeys:
            self._plans.resolver.forget()
            return self._load_once(chunk, deferred=True)

    def _load_once(self, chunk: Chunk, *, deferred: bool) -> Outcome:
        self._session.apply()
        started = time.monotonic()
        with transaction.atomic(using=self._alias):
            if chunk.number in self._options.again:
                self._ledger.forget(chunk.number)
            if not self._ledger.begin(chunk.number, chunk.sha256):
                transaction.set_rollback(True, using=self._alias)
                return Outcome(chunk.number, Entry(chunk.number, chunk.sha256), present=True)
            outcome = self._load_rows(chunk, deferred=deferred, started=started)
            self._ledger.complete(outcome.entry)
        if self._options.saver.fresh is False:
            # Rows that are updated may take another natural key.
            self._plans.resolver.forget()
        if not self._options.dry_run and self._options.reject and not outcome.rejected:
            remove_rejects(self._directory, Path(chunk.file).name)
        return outcome

    def _load_rows(self, chunk: Chunk, *, deferred: bool, started: float) -> Outcome:
        path = self._path(chunk)
        if not path.is_file():
            raise FixtureError(
                path, "it is not there", hint="Write it again with `fixturepipe arrange`."
            )
        if self._options.loader == "stock":
            return self._load_stock(chunk, path, started)
        return self._load_fast(chunk, path, deferred=deferred, started=started)

    def _path(self, chunk: Chunk) -> Path:
        return (self._directory.path / chunk.file).absolute()

    def _load_stock(self, chunk: Chunk, path: Path, started: float) -> Outcome:
        command = StockCommand()
        sha256 = file_sha256(path)
        call_command(command, str(path), database=self._alias, verbosity=0)
        entry = _entry(chunk, sha256, command.loaded, 0, started)
        return Outcome(chunk.number, entry, edited=sha256 != chunk.sha256)

    def _load_fast(self, chunk: Chunk, path: Path, *, deferred: bool, started: float) -> Outcome:
        deferred_for_good = deferred

        def saver_for(deferred: bool) -> ChunkSaver:
            nonlocal deferred_for_good
            deferred_for_good = deferred
            if self._then is not None:  # this chunk is read, the reader is free
                self._reader.ahead(self._path(self._then))
            options = self._options.saver
            if chunk.again or chunk.number in self._options.again:
                options = replace(options, fresh=False)
            return ChunkSaver(self._alias, self._plans, options, deferred=deferred)

        command = FastCommand(self._reader, saver_for, deferred=deferred)
        call_command(command, str(path), database=self._alias, verbosity=0)
        saver = command.saver
        assert saver is not None
        if not deferred_for_good and any(p.code in NO_SUCH_ROW for p in saver.problems):
            raise _DeferForeignKeys
        if saver.problems:
            self._leave_out(chunk, saver.problems)
        rejected = _counted(saver.problems)
        entry = _entry(chunk, command.sha256, saver.models, len(saver.problems), started)
        return Outcome(chunk.number, entry, rejected, edited=command.sha256 != chunk.sha256)

    def _leave_out(self, chunk: Chunk, problems: list[RowProblem]) -> None:
        if not self._options.reject:
            raise refused_chunk(chunk.file, problems)
        if not self._options.dry_run:
            write_rejects(
                self._directory,
                Path(chunk.file).name,
                [problem.object for problem in problems],
                [reason_of(problem) for problem in problems],
            )

    def _refused(self, chunk: Chunk, error: Exception) -> LoadError:
        """An error that is not one row's: a missing table, a privilege, Django's own loader."""
        said = said_by(error)
        return LoadError(
            f"{chunk.file} was not loaded: {said}",
            hint=f"{hint_for(error)} When it is mended, `fixturepipe load` goes on.".strip(),
        )


def _gave_up(chunk: Chunk, error: Exception) -> TransientLoadError:
    return TransientLoadError(
        f"{chunk.file} was not loaded: {said_by(error)}",
        hint="When the server is back, `fixturepipe load` goes on from here.",
    )


def _entry(
    chunk: Chunk, sha256: str, models: dict[str, int], rejected: int, started: float
) -> Entry:
    seconds = round(time.monotonic() - started, 6)
    # Objects that come again, whole, were counted when they came first.
    loaded = {label: count for label, count in models.items() if count and not chunk.again}
    return Entry(chunk.number, sha256, sum(loaded.values()), rejected, seconds, loaded)


def _counted(problems: list[RowProblem]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for problem in problems:
        label = str(problem.object["model"])
        counts[label] = counts.get(label, 0) + 1
    return counts
