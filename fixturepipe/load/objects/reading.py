"""Chunks read, the next one while the server works on this one.

Not by a thread: parsing holds Python's lock, and whoever waits for it is given it up to five
milliseconds late. Instead the work is cut into steps, and whoever waits for the server takes one
after the other until the answer is there. What is left to do for a chunk once its turn has come
is to ask what its natural keys mean, and to send.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db import Error as DatabaseError

from fixturepipe.load.objects.fixturefiles import read_fixture
from fixturepipe.load.objects.groups import Group, by_model, groups_of, in_file_order
from fixturepipe.load.objects.modelplan import ModelPlans
from fixturepipe.load.objects.rows import FixtureObject, RowProblem

# So many changes from model to model make groups too short for multi-row statements.
_MOST_GROUPS = 50


@dataclass(frozen=True)
class ReadChunk:
    """A chunk's objects, and the sha256 of the bytes that they were read from.

    `deferred` says that `groups` are a model's objects each, and that foreign keys are to be off
    while they go in. The others stand for objects of no model.
    """

    path: Path
    objects: list[FixtureObject]
    sha256: str
    deferred: bool
    groups: list[Group | list[RowProblem]]


class ChunkReader:
    """Reads chunks; once one is read, `step` works for the one that is expected next."""

    def __init__(self, plans: ModelPlans) -> None:
        self._plans = plans
        self._expected: tuple[Path, bool] | None = None
        self._chunk: ReadChunk | None = None
        self._given: ReadChunk | None = None
        self._done: ReadChunk | None = None
        self._steps: Iterator[None] = iter(())

    def expect(self, path: Path, *, deferred: bool) -> None:
        """Say which chunk will probably be asked for after the next one."""
        self._expected = path, deferred

    def step(self) -> bool:
        """Do some milliseconds' work for the expected chunk; False if there is none left.

        Asks the server for nothing that a row depends on. What goes wrong goes wrong again, and
        is named, when the chunk is asked for.
        """
        if self._done is not None:
            # To free so many objects takes milliseconds, too.
            self._done = None
            return True
        try:
            return next(self._steps, self) is None
        except DatabaseError:  # of the statement under way
            raise
        except Exception:  # noqa: BLE001  (a file that is none, a model that no plan is made for)
            self._chunk = None
            return False

    def read(self, path: Path, *, deferred: bool) -> ReadChunk:
        """The chunk. Raises ChunkFileError where the file is no fixture."""
        chunk, self._chunk = self._chunk, None
        if chunk is None or chunk.path != path or chunk.deferred < deferred:
            chunk = self._read(path, deferred)
        self._steps = iter(()) if self._expected is None else self._work(*self._expected)
        self._done, self._given, self._expected = self._given, chunk, None
        return chunk

    def _work(self, path: Path, deferred: bool) -> Iterator[None]:
        self._chunk = chunk = self._read(path, deferred)
        yield
        for group in chunk.groups:
            if isinstance(group, Group):
                group.read()
                yield
                yield from group.convert()

    def _read(self, path: Path, deferred: bool) -> ReadChunk:
        fixture = read_fixture(path)
        parts = in_file_order(fixture.objects)
        deferred = deferred or len(parts) > _MOST_GROUPS
        if deferred:
            parts = by_model(fixture.objects)
        groups = list(groups_of(parts, self._plans))
        return ReadChunk(path, fixture.objects, fixture.sha256, deferred, groups)
