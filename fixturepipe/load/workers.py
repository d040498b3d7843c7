"""Chunks loaded in other processes: this machine's, or another engine's.

The work goes through a `concurrent.futures.Executor`: a pool of processes, or a Dask cluster's.
A task is a function of a `WorkerSetup`, which says where the project, the run directory and the
target are, and of a chunk. Each process sets Django up once (a forked one has it) and keeps its
connection. A task gives its errors back in its report, so that nothing depends on how an engine
carries exceptions.

The password of the target travels to the workers inside the setup: through a pipe, or through
the cluster's own connections, never on a command line.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import django

from fixturepipe import errors
from fixturepipe.artifacts.manifest import Chunk, read_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases import forks
from fixturepipe.databases.endpoints import Endpoints
from fixturepipe.load.chunkloader import ChunkLoader, ChunkOptions, Outcome

_DASK = "dask:"


@dataclass(frozen=True)
class WorkerSetup:
    """All that a process needs to load chunks of a run; the rest it reads from the manifest."""

    settings: str
    path: tuple[str, ...]
    endpoints: Endpoints
    directory: Path
    options: ChunkOptions


@dataclass(frozen=True)
class Report:
    """What came of a task: an outcome or a failure, and sentences for the user's log."""

    outcome: Outcome | None = None
    failure: errors.FixturepipeError | None = None
    notes: tuple[str, ...] = ()


class _Worker:
    """This process's loader for one setup."""

    def __init__(self, setup: WorkerSetup) -> None:
        self.setup = setup
        self.notes: list[str] = []
        self._open = ExitStack()
        directory = RunDirectory(setup.directory)
        manifest = read_manifest(directory)
        setup.endpoints.open()
        alias = self._open.enter_context(setup.endpoints.bound_to_target())
        self._loader = ChunkLoader(alias, directory, manifest, setup.options, self.notes.append)
        # atexit knows nothing of forked processes.
        self._at_exit = multiprocessing.util.Finalize(None, self._close, exitpriority=1)

    def load(self, chunk: Chunk, then: Chunk | None) -> Outcome:
        self.notes.clear()
        return self._loader.load(chunk, then)

    def close(self) -> None:
        """Close the connection, as the end of the process does."""
        self._at_exit()

    def _close(self) -> None:
        self._open.close()


_worker: _Worker | None = None


def load_in_worker(setup: WorkerSetup, chunk: Chunk) -> Report:
    """Load a chunk in this process, which is set up for it first if it is not yet."""
    global _worker
    _set_up_django(setup)
    if _worker is None or _worker.setup != setup:
        if _worker is not None:
            _worker.close()
        _worker = _Worker(setup)
    try:
        outcome = _worker.load(chunk, None)
    except errors.FixturepipeError as error:
        return Report(failure=error, notes=tuple(_worker.notes))
    return Report(outcome, notes=tuple(_worker.notes))


class Schedule:
    """The chunks that are to be loaded, taken in number order as their predecessors are in.

        chunk 1 ──┬── chunk 2 ──┐
                  └── chunk 3 ──┴── chunk 4      2 and 3 in parallel, 4 after both

    A predecessor that is not among them counts as loaded.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._waiting = sorted(chunks, key=lambda chunk: chunk.number)
        self._missing = {chunk.number for chunk in chunks}
        # Every chunk with a lower number is loaded.
        self._low = min(self._missing, default=0)

    def __len__(self) -> int:
        return len(self._missing)

    def take(self, most: int) -> list[Chunk]:
        """At most so many chunks that may be loaded now; each is taken once."""
        taken = [chunk for chunk, _ in zip(self._free(), range(most), strict=False)]
        given = {chunk.number for chunk in taken}
        self._waiting = [chunk for chunk in self._waiting if chunk.number not in given]
        return taken

    def loaded(self, number: int) -> None:
        """The chunk is in."""
        self._missing.discard(number)
        while self._missing and self._low not in self._missing:
            self._low += 1

    def _free(self) -> Iterator[Chunk]:
        for chunk in self._waiting:
            if not any(self._any_missing(*span) for span in chunk.after):
                yield chunk

    def _any_missing(self, first: int, last: int) -> bool:
        return any(number in self._missing for number in range(max(first, self._low), last + 1))


def loaded_in_parallel(
    executor: Executor, workers: int, setup: WorkerSetup, chunks: Sequence[Chunk]
) -> Iterator[tuple[Chunk, Report]]:
    """Load chunks as their predecessors allow; gives each with its report as it ends.

    After a failure, or a chunk that waits for one that the server lost, no further chunk is begun;
    those under way are waited for and given too.
    Raises TransientLoadError where a worker dies.
    """
    schedule = Schedule(chunks)
    running: dict[Future[Report], Chunk] = {}
    stopped = False
    try:
        while True:
            if not stopped:
                # One more than there are workers: none waits for us between two chunks.
                for chunk in schedule.take(workers + 1 - len(running)):
                    running[executor.submit(load_in_worker, setup, chunk)] = chunk
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                chunk, report = running.pop(future), future.result()
                waits = report.outcome is not None and report.outcome.waits
                stopped = stopped or report.failure is not None or waits
                if not stopped:
                    schedule.loaded(chunk.number)
                yield chunk, report
    except BrokenExecutor as error:
        raise errors.TransientLoadError(
            f"A worker process died: {error}",
            hint="Its chunk was rolled back; continue with `fixturepipe load`.",
        ) from error


@contextmanager
def executor_for(name: str | None, workers: int) -> Iterator[Executor]:
    """The executor that is asked for: None for processes of this machine, or "dask:ADDRESS"."""
    if name is not None:
        with _dask_executor(name) as executor:
            yield executor
        return
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context(forks.start_method()), initializer=_begin
    )
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _dask_executor(name: str) -> Iterator[Executor]:
    if not name.startswith(_DASK):
        raise errors.UsageError(
            f"There is no executor {name!r}", hint="Write it as dask:ADDRESS, or leave it out."
        )
    try:
        from distributed import Client  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise errors.ConfigurationError(
            "Dask is not installed", hint="Install it: pip install 'fixturepipe[dask]'."
        ) from None
    try:
        client = Client(name.removeprefix(_DASK), timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise errors.ConfigurationError(
            f"The Dask scheduler does not respond: {error}", hint="Check its address."
        ) from error
    with client, client.get_executor(pure=False) as executor:
        yield executor


def _begin() -> None:
    global _worker
    forks.keep_for_good(_worker)
    _worker = None
    forks.begin()


def _set_up_django(setup: WorkerSetup) -> None:
    if django.apps.apps.ready:
        return
    sys.path[:] = list(dict.fromkeys([*setup.path, *sys.path]))
    os.environ["DJANGO_SETTINGS_MODULE"] = setup.settings
    django.setup()
