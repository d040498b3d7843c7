"""Cutting objects into chunks: bounded files, filled in the order in which objects come.

A chunk ends before the object that would take it over a limit, so that an object larger than
the limit has a chunk to itself. A *draft* is a chunk whose number is not known yet: models
are cut in parallel while their objects come in, and numbered in load order when all are done.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, MutableSequence, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from fixturepipe.artifacts.catalog import CatalogWriter
from fixturepipe.artifacts.records import FixtureWriter
from fixturepipe.artifacts.rundir import appended_file

_SEPARATOR = 2  # bytes between two objects, counted for each
_FRAME = 5 - _SEPARATOR  # bytes before the first and after the last, which has none after it
_HELD = 1 << 16  # bytes of a chunk that wait in memory before they are written


@dataclass(frozen=True)
class Limits:
    """The most objects and bytes of a chunk."""

    objects: int
    bytes: int


@dataclass
class Draft:
    """A chunk on disk that has no number yet.

    `needs` holds the indexes (from 1) of the drafts of the same stream that it refers to.
    `second_pass` marks a chunk whose objects are all in already, with keys still null.
    """

    path: Path
    models: dict[str, int]
    objects: int
    bytes: int
    sha256: str
    needs: frozenset[int] = frozenset()
    cyclic: bool = False
    second_pass: bool = False


class DraftFiles:
    """Hands out the files of drafts, and notes in the catalog what is in each."""

    def __init__(self, directory: Path, catalog: CatalogWriter) -> None:
        self.directory = directory
        self._catalog = catalog
        self._count = 0

    def new(self) -> Path:
        self._count += 1
        return self.directory / f"{self._count}.draft"

    def record(self, path: Path, label: str, lookup_keys: array[int]) -> None:
        self._catalog.add(path.name, label, lookup_keys)

    def forget(self, path: Path) -> None:
        """Remove a draft that another one replaces."""
        self._catalog.remove(path.name)
        path.unlink()


class ModelStream:
    """Cuts the objects of one model, which come while those of other models do."""

    def __init__(self, files: DraftFiles, label: str, limits: Limits) -> None:
        self._files = files
        self._label = label
        self._limits = limits
        self.drafts: list[Draft] = []
        self._begin()

    def _begin(self) -> None:
        self._path: Path | None = None
        self._writer: FixtureWriter | None = None
        self._lines: list[bytes] = []
        self._lookup_keys = array("q")
        self._held = 0
        self._bytes = _FRAME

    def add(self, lookup_key: int, line: bytes) -> None:
        """Append one object; `lookup_key` is what the catalog finds it by."""
        self.extend((lookup_key,), (line,))

    def extend(self, lookup_keys: Sequence[int], lines: Sequence[bytes]) -> None:
        """Append objects."""
        ends = list(accumulate(map(len, lines)))
        first, start = 0, 0  # of what is not appended yet: its number, and its byte
        while first < len(lines):
            held = len(self._lookup_keys)
            room = self._limits.bytes - self._bytes
            # A separator comes with each object: the more of them, the less room.
            last = (
                bisect_right(
                    range(first, min(len(lines), first + self._limits.objects - held)),
                    room,
                    key=lambda at: ends[at] - start + (at + 1 - first) * _SEPARATOR,
                )
                + first
            )
            if last == first and held:
                self.close()
                continue
            last = max(last, first + 1)
            self._append(lookup_keys[first:last], lines[first:last], ends[last - 1] - start)
            first, start = last, ends[last - 1]

    def _append(self, lookup_keys: Sequence[int], lines: Sequence[bytes], size: int) -> None:
        size += len(lines) * _SEPARATOR
        self._lookup_keys.extend(lookup_keys)
        self._lines.extend(lines)
        self._bytes += size
        self._held += size
        if self._held >= _HELD:
            self._write()

    def _write(self) -> None:
        if self._path is None:
            self._path = self._files.new()
        with appended_file(self._path) as file:
            if self._writer is None:
                self._writer = FixtureWriter(file)
            self._writer.continue_in(file)
            self._writer.write(self._lines)
        self._lines.clear()
        self._held = 0

    def close(self) -> None:
        """End the chunk in hand, if it holds anything."""
        if not self._lookup_keys:
            return
        self._write()
        writer, path = self._writer, self._path
        assert writer is not None
        assert path is not None
        with appended_file(path) as file:
            writer.continue_in(file)
            writer.close()
        models = {self._label: writer.objects}
        self.drafts.append(Draft(path, models, writer.objects, writer.bytes, writer.sha256))
        self._files.record(path, self._label, self._lookup_keys)
        self._begin()


class ComponentStream:
    """Cuts the objects of a component, which come in an order that is right already.

    `chunk_indexes` holds for each object's node the index, from 1, of its chunk among the drafts of
    this stream; 0 until it has one. Within a chunk objects of one model are brought together
    as far as references allow, so that they can be inserted many at a time.
    """

    def __init__(
        self,
        files: DraftFiles,
        labels: Sequence[str],
        limits: Limits,
        chunk_indexes: MutableSequence[int] | memoryview[int],
    ) -> None:
        self._files = files
        self._ranks = {label: rank for rank, label in enumerate(labels)}
        self._mixed = len(labels) > 1
        self._most_objects, self._most_bytes = limits.objects, limits.bytes
        self._chunks = chunk_indexes
        self._repeating: Collection[int] | None = None
        self.drafts: list[Draft] = []
        self._begin()

    def _begin(self) -> None:
        self._chunk = len(self.drafts) + 1
        self._lines: list[bytes] = []
        self._lookup_keys = array("q")
        self._labels: list[str] = []
        # For each node in the chunk: the changes of model on the longest way along its
        # references inside the chunk, and its model.
        self._levels: dict[int, tuple[int, str]] = {}
        self._bytes = _FRAME
        self._needs = set(self._repeating or ())
        self._cyclic = False

    @property
    def last_chunk(self) -> int:
        """The index of the last chunk that holds something."""
        return len(self.drafts) + bool(self._lines)

    def make_room(self, objects: int, size: int) -> None:
        """End the chunk in hand if this many more objects and bytes do not fit in."""
        if self._lines and (
            len(self._lines) + objects > self._most_objects
            or self._bytes + size + objects * _SEPARATOR > self._most_bytes
        ):
            self.close()

    def fits(self, objects: int, size: int) -> bool:
        """Whether so much can be one chunk."""
        room = self._most_bytes - _FRAME
        return objects <= self._most_objects and size + objects * _SEPARATOR <= room

    def add(
        self, node: int, label: str, lookup_key: int, line: bytes, targets: Iterable[int]
    ) -> None:
        """Put one object, which refers to these nodes, into the chunk in hand.

        Chunks end where `make_room` is called, not here.
        """
        here, chunk_indexes = self._chunk, self._chunks
        level = 0
        for target in targets:
            chunk = chunk_indexes[target]
            if chunk == here:
                if self._mixed and target in self._levels:
                    below, other = self._levels[target]
                    level = max(level, below + (other != label))
            elif chunk:
                self._needs.add(chunk)
        if self._mixed:
            self._levels[node] = level, label
            self._labels.append(label)
        self._lines.append(line)
        self._lookup_keys.append(lookup_key)
        self._bytes += len(line) + _SEPARATOR
        if self._repeating is None:
            chunk_indexes[node] = here

    def mark_cyclic(self) -> None:
        """The chunk in hand holds objects that refer to each other in a cycle."""
        self._cyclic = True

    def repeat(self, needs: Collection[int] | None) -> None:
        """From now on objects come whole that are in already, in the chunks with these indexes.

        None ends that.
        """
        self.close()
        self._repeating = needs
        self._begin()

    def close(self) -> None:
        """End the chunk in hand, if it holds anything."""
        if not self._lines:
            return
        if self._mixed:
            self._sort()
        path = self._files.new()
        with appended_file(path) as file:
            writer = FixtureWriter(file)
            writer.write(self._lines)
            writer.close()
        models = self._record(path)
        self.drafts.append(
            Draft(
                path,
                models,
                writer.objects,
                writer.bytes,
                writer.sha256,
                frozenset(self._needs),
                self._cyclic,
                self._repeating is not None,
            )
        )
        self._begin()

    def _sort(self) -> None:
        """By level, then by model; otherwise as they came."""
        levels = [level for level, _ in self._levels.values()]
        order = sorted(
            range(len(self._lines)), key=lambda i: (levels[i], self._ranks[self._labels[i]])
        )
        self._lines = [self._lines[i] for i in order]
        self._lookup_keys = array("q", [self._lookup_keys[i] for i in order])
        self._labels = [self._labels[i] for i in order]

    def _record(self, path: Path) -> dict[str, int]:
        """Tell the catalog; the number of objects by label, in load order."""
        if not self._mixed:
            (label,) = self._ranks
            self._files.record(path, label, self._lookup_keys)
            return {label: len(self._lines)}
        models = Counter(self._labels)
        for label in models:
            lookup_keys = (
                key
                for key, own in zip(self._lookup_keys, self._labels, strict=True)
                if own == label
            )
            self._files.record(path, label, array("q", lookup_keys))
        return dict(sorted(models.items(), key=lambda item: self._ranks[item[0]]))
