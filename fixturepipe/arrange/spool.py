"""Lines and numbers that wait on disk: written in one go, then read in any order.

Numbers are read through a map of their file. Pages that were read count as this process's memory
until they are given back, which whoever reads does every so often: what stays is bounded, however
large the file. Lines are read with calls, several at once where they are asked for in a row.
"""

from __future__ import annotations

import mmap
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

_BUFFER = 1 << 16


class NumberFile:
    """Numbers of one width (`code` as in `array`), appended and then read by index."""

    def __init__(self, path: Path, code: str) -> None:
        self._path = path
        self._file = path.open("w+b", buffering=_BUFFER)
        self._code = code
        self._map: mmap.mmap | None = None
        self._view: memoryview[int] | None = None

    def extend(self, numbers: Iterable[int]) -> None:
        """Append numbers."""
        self._file.write(array(self._code, numbers).tobytes())

    def numbers(self) -> memoryview[int] | array[int]:
        """All numbers, to be read and changed in place; nothing can be appended any more."""
        if self._view is None:
            self._file.flush()
            if not self._file.tell():
                return array(self._code)  # an empty file cannot be mapped
            self._map = mmap.mmap(self._file.fileno(), 0)
            self._view = memoryview(self._map).cast(self._code)  # type: ignore[call-overload]
        return self._view

    def give_back(self) -> None:
        """Let the kernel have the pages back; their content stays in the file."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Forget and remove the file."""
        self._view = None
        if self._map is not None:
            # Where an error still holds a view, the map goes when the error does.
            with suppress(BufferError):
                self._map.close()
            self._map = None
        self._file.close()
        self._path.unlink(missing_ok=True)


class LineSpool:
    """Lines of bytes, appended and then read by their number, from 0."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w+b", buffering=_BUFFER)
        self._ends = NumberFile(path.with_name(path.name + ".ends"), "q")
        self._ends.extend((0,))
        self._end = 0
        self._flushed = False
        self._block = b""
        self._block_start = self._next = 0
        self.count = 0

    def extend(self, lines: Sequence[bytes]) -> None:
        """Append lines."""
        self._file.write(b"".join(lines))
        ends = list(accumulate(map(len, lines), initial=self._end))
        self._end = ends[-1]
        self._ends.extend(ends[1:])
        self.count += len(lines)

    def __getitem__(self, number: int) -> bytes:
        if not self._flushed:
            self._file.flush()
            self._flushed = True
        ends = self._ends.numbers()
        start, end = ends[number], ends[number + 1]
        at = start - self._block_start
        if at >= 0 and end - self._block_start <= len(self._block):
            self._next = end
            return self._block[at : at + end - start]
        if start != self._next:
            self._next = end
            return os.pread(self._file.fileno(), end - start, start)
        # The line after the last one: more of them will follow.
        self._next = end
        self._block = os.pread(self._file.fileno(), max(end - start, _BUFFER), start)
        self._block_start = start
        return self._block[: end - start]

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.count):
            yield self[number]

    def give_back(self) -> None:
        """Let the kernel have the pages of the lines' places back."""
        self._ends.give_back()

    def close(self) -> None:
        """Forget and remove the files."""
        self._ends.close()
        self._file.close()
        self.path.unlink(missing_ok=True)
