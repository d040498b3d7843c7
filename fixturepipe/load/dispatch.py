"""Where the chunks are loaded: in this process one by one, or in workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from fixturepipe.artifacts.manifest import Chunk
from fixturepipe.artifacts.ranges import format_ranges
from fixturepipe.databases.forks import start_method
from fixturepipe.databases.mysql import further_connections, round_trip
from fixturepipe.databases.threads import worthwhile
from fixturepipe.errors import FixturepipeError
from fixturepipe.load.chunkloader import ChunkLoader, ChunkOptions, Outcome
from fixturepipe.load.loadplan import LoadPlan
from fixturepipe.load.progress import LoadProgress
from fixturepipe.load.task import LoadTask
from fixturepipe.load.workers import WorkerSetup, executor_for, loaded_in_parallel

# Starting a process takes as long as loading so many objects.
_WORTH_A_PROCESS = {"fork": 5_000, "spawn": 50_000}
# Of a chunk, and of an object: what a process waits, and what it works.
_ROUND_TRIPS = 4
_SECONDS_AN_OBJECT = 12e-6


class Dispatch:
    """Loads the chunks of one call of `load`, after its `plan`."""

    def __init__(
        self, task: LoadTask, plan: LoadPlan, progress: LoadProgress, *, keeps_ids: bool
    ) -> None:
        self._task = task
        self._plan = plan
        self._progress = progress
        self._chunk_options = ChunkOptions(task.options, keeps_ids, plan.reload)
        # The objects that this call loaded, by chunk.
        self._objects: dict[int, int] = {}

    def load(self, pending: Sequence[Chunk]) -> int:
        """Load these chunks; gives the number of objects that they brought.

        Raises LoadError, TransientLoadError or ChunkFileError for the chunk that stops the load.
        """
        todo = list(pending)
        self._chunk_options = replace(self._chunk_options, absent=self._plan.absent(pending))
        while todo:
            self._load(todo)
            lost = {chunk.number for chunk in self._lost()}
            waiting = {chunk.number for chunk in todo} - self._objects.keys()
            todo = [chunk for chunk in self._task.chunks if chunk.number in lost | waiting]
        return sum(self._objects.values())

    def _load(self, pending: Sequence[Chunk]) -> None:
        workers = self._workers(pending)
        if workers > 1 or self._task.options.executor:
            self._load_in_parallel(pending, workers)
        else:
            self._load_one_by_one(pending)

    def _lost(self) -> list[Chunk]:
        """Chunks that were confirmed and are not in: a server that is set up to lose its last
        commits (innodb_flush_log_at_trx_commit other than 1) has crashed since.
        """
        confirmed = self._progress.entries.keys()
        self._progress.read_ledger()
        numbers = confirmed - self._progress.entries.keys()
        if numbers:
            self._task.warn(
                f"The server lost chunks that it had confirmed: {format_ranges(numbers)}."
                " They are loaded again."
            )
        return [chunk for chunk in self._task.chunks if chunk.number in numbers]

    def _workers(self, pending: Sequence[Chunk]) -> int:
        """How many processes; one where starting another takes longer than the work."""
        options = self._task.options
        if options.dry_run or options.rejects or not os.environ.get("DJANGO_SETTINGS_MODULE"):
            return 1
        connection = self._task.target.connection
        wanted = min(options.workers, len(pending))
        wanted = wanted or worthwhile_processes(pending, round_trip(connection))
        return max(1, further_connections(connection, wanted))

    def _load_in_parallel(self, pending: Sequence[Chunk], workers: int) -> None:
        failures: list[tuple[Chunk, FixturepipeError]] = []
        setup = WorkerSetup(
            settings=os.environ["DJANGO_SETTINGS_MODULE"],
            path=tuple(sys.path),
            endpoints=self._task.endpoints,
            directory=self._task.directory.path.absolute(),
            options=self._chunk_options,
        )
        with executor_for(self._task.options.executor, workers) as executor:
            for chunk, report in loaded_in_parallel(executor, workers, setup, pending):
                for note in report.notes:
                    self._task.warn(note)
                if report.failure is not None:
                    failures.append((chunk, report.failure))
                elif report.outcome is not None:
                    self._loaded(chunk, report.outcome)
        if failures:
            chunk, error = min(failures, key=lambda failure: failure[0].number)
            self._progress.failed(chunk, error)
            raise error

    def _load_one_by_one(self, pending: Sequence[Chunk]) -> None:
        task, options = self._task, self._chunk_options
        loader = ChunkLoader(task.alias, task.directory, task.manifest, options, task.warn)
        for chunk, then in zip_longest(pending, pending[1:]):
            outcome = self._load_chunk(loader, chunk, then)
            self._loaded(chunk, outcome)
            if outcome.waits:
                return

    def _load_chunk(self, loader: ChunkLoader, chunk: Chunk, then: Chunk | None) -> Outcome:
        try:
            if self._task.options.rejects:
                return loader.load_rejects(chunk, self._progress.entries[chunk.number])
            return loader.load(chunk, then)
        except FixturepipeError as error:
            self._progress.failed(chunk, error)
            raise

    def _loaded(self, chunk: Chunk, outcome: Outcome) -> None:
        if outcome.waits:
            return
        before = self._progress.entries.get(chunk.number)
        self._progress.loaded(chunk, outcome)
        recovered_before = before.objects if before and self._task.options.rejects else 0
        self._objects[chunk.number] = outcome.entry.objects - recovered_before


def worthwhile_processes(chunks: Sequence[Chunk], round_trip: float) -> int:
    """How many processes the work is worth: one per core, more if they wait for a far server.

    `round_trip` is the time in seconds to the server and back.
    """
    objects = sum(chunk.objects for chunk in chunks)
    waiting = len(chunks) * _ROUND_TRIPS * round_trip
    useful = worthwhile(waiting, max(objects, 1) * _SECONDS_AN_OBJECT)
    return max(1, min(useful, objects // _WORTH_A_PROCESS[start_method()], len(chunks)))
