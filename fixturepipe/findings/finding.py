"""What `check` and `verify` report apart from differing rows: a problem, and what to do about it.

The first digit of an id says what the finding is about:

    FP1xx  values of the source            FP3xx  tables and columns
    FP2xx  references and uniqueness       FP4xx  servers, privileges, space and time
    FP5xx  what the target holds after a load

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
from typing import Any, Literal, TypeAlias

import msgspec

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")

# The number of rows that a finding names.
EXAMPLES = 5
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


@dataclass(frozen=True)
class Finding:
    """One problem of one column, table or server.

    `level`: an error would fail or arrive changed, a warning will behave differently, a note is
    worth knowing. `model` is a label, or empty; `field` may name several columns, joined by
    commas. `count` is the number of rows, or 1 for a finding that is not about rows; `rows` has all
    that `check` found, and the first that `verify` found. `consequence`
    says what happens if nothing is done, `hint` what to do. `fixed_by` is the declared fix that
    fixes all of its rows, or "".
    """

    id: str
    level: Level
    model: str
    field: str
    count: int
    rows: Rows
    consequence: str
    hint: str
    fixed_by: str = ""

    @property
    def examples(self) -> tuple[Example, ...]:
        """The first rows."""
        return tuple(islice(self.rows, EXAMPLES))

    @property
    def stands(self) -> bool:
        """Whether it is an error that no declared fix removes."""
        return self.level == "error" and not self.fixed_by


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
