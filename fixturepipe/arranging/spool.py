"""Lines and numbers that wait on disk: written in one go, then read in any order.

Both are read through the kernel's page cache. Pages that were read count as this process's
memory until they are given back, which is done every so often: what stays is bounded, however
large the file.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Self

_GIVE_BACK = 1 << 24  # bytes read between two returns of pages to the kernel
_BUFFER = 1 << 20


class _Mapped:
    """A file that is mapped once it has been written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w+b", buffering=_BUFFER)
        self._map: mmap.mmap | None = None

    def _mapped(self) -> mmap.mmap | None:
        """The finished file; None where it is empty, which cannot be mapped."""
        self._file.flush()
        if self._map is None and self._file.tell():
            self._map = mmap.mmap(self._file.fileno(), 0)
        return self._map

    def give_back(self) -> None:
        """Let the kernel have the pages back; their content stays in the file."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Forget and remove the file."""
        if self._map is not None:
            # Where an error still holds a view, the map goes when the error does.
            with suppress(BufferError):
                self._map.close()
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class NumberFile(_Mapped):
    """Numbers of one width (`code` as in `array`), appended and then read by place."""

    def __init__(self, path: Path, code: str) -> None:
        super().__init__(path)
        self._code = code
        self._view: memoryview[int] | None = None

    def extend(self, numbers: Iterable[int]) -> None:
        self._file.write(array(self._code, numbers).tobytes())

    def numbers(self) -> memoryview[int] | array[int]:
        """All numbers, to be read and changed in place; nothing can be appended any more."""
        if self._view is None:
            whole = self._mapped()
            if whole is None:
                return array(self._code)
            self._view = memoryview(whole).cast(self._code)  # type: ignore[call-overload]
        return self._view

    def close(self) -> None:
        self._view = None
        super().close()


class LineSpool(_Mapped):
    """Lines of bytes, appended and then read by their number, from 0."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._ends = NumberFile(path.with_name(path.name + ".ends"), "q")
        self._ends.extend((0,))
        self._end = 0
        self._read = 0
        self.count = 0

    def extend(self, lines: Sequence[bytes]) -> None:
        self._file.write(b"".join(lines))
        ends = list(accumulate(map(len, lines), initial=self._end))
        self._end = ends[-1]
        self._ends.extend(ends[1:])
        self.count += len(lines)

    def __getitem__(self, number: int) -> bytes:
        ends = self._ends.numbers()
        start, end = ends[number], ends[number + 1]
        whole = self._map or self._mapped()
        if whole is None:
            return b""
        self._read += end - start + 64
        if self._read > _GIVE_BACK:
            self._read = 0
            self.give_back()
            self._ends.give_back()
        return whole[start:end]

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self.count):
            yield self[number]

    def close(self) -> None:
        self._ends.close()
        super().close()
