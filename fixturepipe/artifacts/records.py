"""Fixture files as fixturepipe writes them: a JSON array in UTF-8, one object a line.

    [
    {"model": "shop.tag", "pk": 1, "fields": {"slug": "red"}},
    {"model": "shop.tag", "pk": 2, "fields": {"slug": "blue"}}
    ]

The form is Django's (https://docs.djangoproject.com/en/stable/topics/serialization/), so that
stock `loaddata` reads them; the line per object is ours, so that people and line tools do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fixturepipe.artifacts.rundir import atomic_file

_OPEN, _BETWEEN, _CLOSE = b"[\n", b",\n", b"\n]\n"


class FixtureWriter:
    """Writes objects, each already encoded as one line of JSON without its line end.

    Keeps count of `objects` and `bytes` and the running `sha256` of what was written.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.objects = 0
        self.bytes = 0
        self._put(_OPEN)

    def write(self, lines: Sequence[bytes]) -> None:
        """Append objects."""
        if not lines:
            return
        joined = _BETWEEN.join(lines)
        self._put(_BETWEEN + joined if self.objects else joined)
        self.objects += len(lines)

    def close(self) -> None:
        """End the array; the file itself stays its owner's."""
        self._put(_CLOSE if self.objects else b"]\n")

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)


@contextmanager
def fixture_writer(path: Path) -> Iterator[FixtureWriter]:
    """A writer whose file appears at `path` when the block ends well, and not otherwise."""
    with atomic_file(path) as file:
        writer = FixtureWriter(file)
        yield writer
        writer.close()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
