"""The rows of a finding, all of them: few in memory, many in a file.

`check` names every row that has a problem, and there may be millions. While `spooled_in` is open,
more than a thousand rows of a finding wait in a file of its directory, until `record` writes them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

_IN_MEMORY = 1_000

# The directory of this process and of those that it forks; None keeps all rows in memory.
_directory: Path | None = None


@dataclass(frozen=True)
class Example:
    """A row: its primary key and the wrong value, both as JSON shows them."""

    pk: Any
    value: Any = None


class SpooledRows(Sequence[Example]):
    """Rows in a file, JSON with "pk" and "value" a line, from the byte `begin` on."""

    def __init__(self, file: Path, begin: int, number: int) -> None:
        self.file = file
        self.begin = begin
        self.number = number

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[Example]:
        decoder = msgspec.json.Decoder(Example)
        with self.file.open("rb") as lines:
            lines.seek(self.begin)
            yield from map(decoder.decode, islice(lines, self.number))


Rows: TypeAlias = Sequence[Example]


class RowCollector:
    """Takes rows one by one; `rows` gives them all."""

    def __init__(self) -> None:
        self._waiting: list[Example] = []
        self._file: Path | None = None
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def add(self, row: Example) -> None:
        """Take a row."""
        self._waiting.append(row)
        self._number += 1
        if len(self._waiting) >= _IN_MEMORY and _directory is not None:
            self._write(_directory)

    def rows(self) -> Rows:
        """All rows, in the order in which they came."""
        if self._file is None:
            return tuple(self._waiting)
        self._write(self._file.parent)
        return SpooledRows(self._file, 0, self._number)

    def _write(self, directory: Path) -> None:
        if self._file is None:
            descriptor, name = tempfile.mkstemp(dir=directory)  # with mode 0600
            os.close(descriptor)
            self._file = Path(name)
        with self._file.open("ab") as file:
            for row in self._waiting:
                file.write(msgspec.json.encode(row, enc_hook=str) + b"\n")
        self._waiting = []


def collected(rows: Iterable[Example]) -> Rows:
    """All these rows."""
    collector = RowCollector()
    for row in rows:
        collector.add(row)
    return collector.rows()


@contextmanager
def spooled_in(directory: Path) -> Iterator[None]:
    """While in the block, rows beyond the first of a finding go to files in a directory."""
    global _directory
    before, _directory = _directory, directory
    try:
        yield
    finally:
        _directory = before
