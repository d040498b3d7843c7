"""Which chunks may be loaded now: those whose predecessors are all in.

    chunk 1 ──┬── chunk 2 ──┐
              └── chunk 3 ──┴── chunk 4      2 and 3 in parallel, 4 after both

Pure: it knows numbers and nothing of files or databases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from fixturepipe.artifacts.manifest import Chunk


class Schedule:
    """The chunks that are to be loaded, taken in number order as they become free.

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
        given: Collection[int] = {chunk.number for chunk in taken}
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
