"""Which chunks a load is to load: the run directory's, less those that the ledger has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from fixturepipe.artifacts.manifest import Chunk
from fixturepipe.artifacts.ranges import format_ranges, numbers_in
from fixturepipe.artifacts.records import file_sha256
from fixturepipe.databases.ledger import Entry
from fixturepipe.errors import LoadError, UsageError
from fixturepipe.load.task import LoadTask


class LoadPlan:
    """The chunks of a run, and which of them are in.

    `reload` are those that are in and whose files were edited since, if such are to be loaded
    again (`changed`). Raises LoadError where the ledger holds chunks that are not the directory's.
    """

    def __init__(self, task: LoadTask, entries: Mapping[int, Entry]) -> None:
        self._directory = task.directory
        self._chunks = task.chunks
        self._entries = entries
        self._by_number = {chunk.number: chunk for chunk in task.chunks}
        changed = task.options.changed
        strange = {n for n, entry in entries.items() if self._is_strange(entry, changed=changed)}
        self.reload = frozenset(strange & self._by_number.keys() if changed else ())
        if strange - self.reload:
            raise LoadError(
                f"The target has chunks that differ from those in {task.directory.path}:"
                f" {format_ranges(strange - self.reload)}",
                hint="They were arranged or edited after they were loaded. `fixturepipe load"
                " --changed` loads them again. To start over, run `fixturepipe clean` and use an"
                " empty target.",
            )

    def _is_strange(self, entry: Entry, *, changed: bool) -> bool:
        """Whether another file was loaded than is there; by the manifest's sums if they agree."""
        chunk = self._by_number.get(entry.number)
        if chunk is None:
            return True
        if not changed and entry.sha256 == chunk.sha256:
            return False
        path = self._directory.path / chunk.file
        return not path.is_file() or file_sha256(path) != entry.sha256

    def edited(self) -> list[int]:
        """The chunks that are in and are left as they are, though their files were edited since.

        Only files are read whose time is later than that of the manifest, which is written last.
        """
        arranged = self._directory.manifest.stat().st_mtime_ns
        found = []
        for number in sorted(self._entries.keys() - self.reload):
            path = self._directory.path / self._by_number[number].file
            newer = path.is_file() and path.stat().st_mtime_ns > arranged
            if newer and file_sha256(path) != self._entries[number].sha256:
                found.append(number)
        return found

    def pending(self, *, only: int | None = None, start: int | None = None) -> list[Chunk]:
        """The chunks to load: all that are missing, one alone, or those from a number on.

        Raises UsageError for a number that no chunk has.
        """
        for number in (only, start):
            if number is not None:
                self._require(number)
        return [
            chunk
            for chunk in self._chunks
            if (chunk.number not in self._entries or chunk.number in self.reload)
            and (only is None or chunk.number == only)
            and (start is None or chunk.number >= start)
        ]

    def absent(self, pending: Collection[Chunk]) -> frozenset[int]:
        """The numbers of chunks that the pending ones need, and that are neither in nor pending."""
        there = {chunk.number for chunk in pending} | self._entries.keys()
        spans = {span for chunk in pending for span in chunk.after}
        return frozenset(numbers_in(spans) - there)

    def with_rejects(self) -> list[Chunk]:
        """The chunks that are in but for the objects in rejects/. Raises UsageError without any."""
        names = {path.name for path in self._directory.rejects.glob("*.json")}
        chunks = [
            c for c in self._chunks if c.number in self._entries and Path(c.file).name in names
        ]
        if not chunks:
            raise UsageError(
                f"{self._directory.rejects} has nothing to load again",
                hint="`fixturepipe load --on-error reject` writes what the target refuses there.",
            )
        return chunks

    def _require(self, number: int) -> None:
        if number not in self._by_number:
            raise UsageError(
                f"There is no chunk {number}",
                hint=f"The chunks are {format_ranges(self._by_number)}.",
            )
