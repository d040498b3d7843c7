"""When each stage ran and when each chunk was loaded, for the report.

`stages.jsonl` has a line (here two) for each time that a stage ended. A process that is killed
leaves none of the stage at hand.

    {"stage": "load", "command": "run", "began": "2026-01-31T12:00:00+00:00", "seconds": 4.2,
     "objects": 107000, "finished": true, "versions": {"fixturepipe": "0.1.0", …}}

`chunktimes.jsonl` has a line for each chunk: its number, the worker (host and process id), the
beginning as seconds since 1970, and the seconds until the commit.

    [12, "db1:4711", 1769860800.25, 0.135]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from fixturepipe.artifacts.jsonfile import add_line, now, read_lines
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.events import Event, Listener, StageFinished, StageStarted

STAGES, CHUNKS = "stages.jsonl", "chunktimes.jsonl"


class StageTime(msgspec.Struct, frozen=True):
    """One time that a stage ran. `command` is "sync" for the stages of a sync, else "run".

    `began` is an ISO datetime in UTC. A stage that an error or its user stopped is not `finished`,
    and its `objects` are not known. `versions` has the versions of the programs by name; "source"
    and "target" describe the two databases.
    """

    stage: str
    command: str
    began: str
    seconds: float
    objects: int = 0
    finished: bool = True
    versions: dict[str, str] = {}


class StageRecorder:
    """A listener that writes the times of stages, and hands every event on.

    Nothing is written before the run directory is made. A line that the disk does not take is
    left out: the stage itself goes on.
    """

    def __init__(
        self, directory: RunDirectory, listener: Listener, versions: Callable[[], dict[str, str]]
    ) -> None:
        self._directory = directory
        self._listener = listener
        self._versions = versions
        self._command: str | None = "run"
        self._begun: dict[str, tuple[str, float]] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case StageStarted(stage):
                self._begun[stage] = now(), time.monotonic()
            case StageFinished(stage, objects):
                self._ended(stage, objects, finished=True)
        self._listener(event)

    @contextmanager
    def during(self, command: str | None) -> Iterator[None]:
        """The stages in the block belong to this command; None records none of them."""
        before, self._command = self._command, command
        try:
            yield
        finally:
            self.stopped()
            self._command = before

    def stopped(self) -> None:
        """The stages that have begun and not finished will not finish."""
        for stage in [*self._begun]:
            self._ended(stage, 0, finished=False)

    def _ended(self, stage: str, objects: int, *, finished: bool) -> None:
        begun = self._begun.pop(stage, None)
        if begun is None or self._command is None or not self._directory.dumps.is_dir():
            return
        at, clock = begun
        seconds, versions = round(time.monotonic() - clock, 3), self._versions()
        line = StageTime(stage, self._command, at, seconds, objects, finished, versions)
        add_line(self._directory.path / STAGES, line)


def read_stage_times(directory: RunDirectory) -> list[StageTime]:
    """What the file has, in the order in which the stages ended; a line cut short is left out."""
    return list(read_lines(directory.path / STAGES, StageTime))


class ChunkTime(msgspec.Struct, frozen=True, array_like=True):
    """When a chunk was loaded; times are in seconds."""

    number: int
    worker: str
    began: float
    seconds: float

    @property
    def ended(self) -> float:
        """When its transaction was committed."""
        return self.began + self.seconds


def forget_chunk_times(directory: RunDirectory) -> None:
    """The load begins with its first chunk."""
    (directory.path / CHUNKS).unlink(missing_ok=True)


def add_chunk_time(directory: RunDirectory, chunk: ChunkTime) -> None:
    """Add a line, if the disk takes it."""
    add_line(directory.path / CHUNKS, chunk)


def read_chunk_times(directory: RunDirectory) -> Iterator[ChunkTime]:
    """The last time of each chunk, in the order of their beginnings."""
    found = {each.number: each for each in read_lines(directory.path / CHUNKS, ChunkTime)}
    yield from sorted(found.values(), key=lambda each: each.began)
