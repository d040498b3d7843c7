"""When each chunk was loaded, and by which process: `chunktimes.jsonl`, one chunk per line.

    [12, "db1:4711", 1769860800.25, 0.135]

The chunk's number, the worker (host and process id), the beginning as seconds since 1970, and the
seconds until the commit. The file is for the report; the ledger says what is in.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fixturepipe.artifacts.jsonfile import add_line, read_lines
from fixturepipe.artifacts.rundir import RunDirectory

NAME = "chunktimes.jsonl"


class ChunkTime(msgspec.Struct, frozen=True, array_like=True):
    """When a chunk was loaded; times are in seconds."""

    number: int
    worker: str
    began: float
    seconds: float


def forget_chunk_times(directory: RunDirectory) -> None:
    """The load begins with its first chunk."""
    (directory.path / NAME).unlink(missing_ok=True)


def add_chunk_time(directory: RunDirectory, chunk: ChunkTime) -> None:
    """Add a line, if the disk takes it."""
    add_line(directory.path / NAME, chunk)


def read_chunk_times(directory: RunDirectory) -> Iterator[ChunkTime]:
    """The last time of each chunk, in the order of their beginnings."""
    found = {each.number: each for each in read_lines(directory.path / NAME, ChunkTime)}
    yield from sorted(found.values(), key=lambda each: each.began)
