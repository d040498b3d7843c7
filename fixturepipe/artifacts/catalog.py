"""An index of the chunks: finding one object among ten million without reading them all.

With the chunks is `.catalog`, a SQLite file with a row for each chunk and model that holds the
*lookup keys* of its objects, sorted: the primary key where it is a whole number of 64 bits, else a
checksum of it. Finding an object is a search in the lookup keys of its model's chunks (eight bytes
an object), then a look into the chunk that has it.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixturepipe.artifacts.manifest import Chunk, Manifest
from fixturepipe.artifacts.records import encode_value, key_text, line_object, object_lines
from fixturepipe.artifacts.rundir import RunDirectory

FILE = ".catalog"
_HEAD, _KEY = b'{"model": "', b'", "pk": '


def lookup_key_of(pk: object) -> int:
    """What an object is found by: its primary key as a number of 64 bits, or a checksum.

    "17" and 17 have one lookup key, as loaddata reads both as the same key. 0 without a key. Two
    keys may have one lookup key: it only says where to look.
    """
    if type(pk) is int and -(1 << 63) <= pk < 1 << 63:
        return pk
    if pk is None:
        return 0
    text = pk if isinstance(pk, str) else json.dumps(pk, default=str)
    if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 19:
        return int(text)
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


_TABLES = (
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "CREATE TABLE content (draft TEXT, label TEXT, first INTEGER, last INTEGER, lookup_keys BLOB)",
    "CREATE TABLE chunk (draft TEXT PRIMARY KEY, number INTEGER)",
    "CREATE TABLE origin (label TEXT, file TEXT)",
    "BEGIN",
)


class CatalogWriter:
    """Takes the lookup keys of each chunk as it is cut, and its number once that is known."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)
        with ExitStack() as failing:
            failing.callback(self._connection.close)
            for statement in _TABLES:
                self._connection.execute(statement)
            failing.pop_all()

    def add(self, draft: str, label: str, lookup_keys: array[int]) -> None:
        """Note which objects of a model a draft holds."""
        ordered = array("q", sorted(lookup_keys))
        row = (draft, label, ordered[0], ordered[-1], ordered.tobytes())
        self._connection.execute("INSERT INTO content VALUES (?, ?, ?, ?, ?)", row)

    def remove(self, draft: str) -> None:
        self._connection.execute("DELETE FROM content WHERE draft = ?", (draft,))

    def number(self, draft: str, number: int) -> None:
        self._connection.execute("INSERT INTO chunk VALUES (?, ?)", (draft, number))

    def origin(self, label: str, file: str) -> None:
        """Note that a fixture holds objects of a model."""
        self._connection.execute("INSERT INTO origin VALUES (?, ?)", (label, file))

    def finish(self) -> None:
        """Make the file whole, and close it."""
        self._connection.execute("CREATE INDEX content_by_label ON content (label, first, last)")
        self._connection.execute("COMMIT")
        self.close()

    def close(self) -> None:
        """Let go of the file; it is of no use if it was not finished."""
        self._connection.close()


@dataclass(frozen=True)
class Found:
    """An object in a chunk: its line, and the fixtures that hold objects of its model."""

    chunk: Chunk
    line: str
    origins: tuple[str, ...]


def find_object(
    directory: RunDirectory, manifest: Manifest, label: str, pk: object
) -> Iterator[Found]:
    """Where the object of a model with this primary key is.

    More than one where it is loaded first with a key null and whole later. None where there is
    no such object or no arrangement. A key may be given as text, as a user types it: a UUID
    without dashes, a key of several columns as JSON. Without a catalog that can be read all chunks
    of the model are read. Raises ChunkFileError for a damaged chunk.
    """
    if manifest.arrangement is None:
        return
    pk = _as_written(pk)
    wanted = key_text(pk)
    numbers, origins = _looked_up(directory, manifest, label, pk)
    for chunk in manifest.arrangement.chunks:
        if label not in chunk.models or (numbers is not None and chunk.number not in numbers):
            continue
        path = directory.path / chunk.file
        for line in object_lines(path):
            found = line_object(path, line)
            if found.get("model") == label and key_text(found.get("pk")) == wanted:
                yield Found(chunk, line.decode(), origins)


def _looked_up(
    directory: RunDirectory, manifest: Manifest, label: str, pk: object
) -> tuple[set[int] | None, tuple[str, ...]]:
    """The chunks that may have the object, and the fixtures that have objects of its model.

    None, and all fixtures, where the catalog is missing or damaged.
    """
    assert manifest.arrangement is not None
    catalog = directory.chunks / FILE
    try:
        with closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)) as connection:
            query = "SELECT file FROM origin WHERE label = ? ORDER BY rowid"
            origins = tuple(row[0] for row in connection.execute(query, (label,)))
            return set(_chunks_with(connection, label, [lookup_key_of(pk)])), origins
    except (sqlite3.Error, ValueError):
        return None, tuple(manifest.arrangement.inputs)


def _as_written(pk: object) -> object:
    """A key as a fixture has it."""
    if isinstance(pk, str) and pk.startswith("["):
        with suppress(ValueError):
            return json.loads(pk)
    if isinstance(pk, str) and len(pk) in (32, 36):
        with suppress(ValueError):
            return str(uuid.UUID(pk))
    return pk


def objects_with_keys(
    directory: RunDirectory, manifest: Manifest, label: str, keys: Sequence[object]
) -> dict[str, dict[str, Any]]:
    """The objects of a model that have one of these keys, by key as text, each as it is last.

    Reads each chunk that holds one of them once. A key is as a fixture has it; an object that
    is written without "pk" has the key None.
    """
    catalog = directory.chunks / FILE
    if not keys or manifest.arrangement is None or not catalog.exists():
        return {}
    chunks = {chunk.number: chunk for chunk in manifest.arrangement.chunks}
    wanted = {key_text(key) for key in keys}
    found: dict[str, dict[str, Any]] = {}
    start = _HEAD + label.encode() + _KEY
    written = {form for key in keys for form in _spellings(key)}
    with closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)) as connection:
        lookups = sorted({lookup_key_of(key) for key in keys})
        numbers = list(_chunks_with(connection, label, lookups))
    for number in numbers:
        for line in object_lines(directory.path / chunks[number].file):
            if _may_be(line, start, written):
                each = json.loads(line)
                text = key_text(each.get("pk"))
                if each["model"] == label and text in wanted:
                    found[text] = each
    return found


def _chunks_with(
    connection: sqlite3.Connection, label: str, lookups: Sequence[int]
) -> Iterator[int]:
    """The numbers of the chunks that may hold objects with these lookup keys, both ascending."""
    query = (
        "SELECT chunk.number, first, last, lookup_keys FROM content JOIN chunk USING (draft)"
        " WHERE label = ? AND first <= ? AND last >= ? ORDER BY chunk.number"
    )
    for number, first, last, blob in connection.execute(query, (label, lookups[-1], lookups[0])):
        start = bisect_left(lookups, first)
        among = lookups[start : bisect_right(lookups, last, start)]
        if among:
            held = array("q")
            held.frombytes(blob)
            if not set(among).isdisjoint(held):
                yield number


def _spellings(key: object) -> tuple[bytes, ...]:
    """A key as a line may have it: as JSON, as text, and a number in a text as a number."""
    text = key_text(key)
    return encode_value(key), text.encode(), f'"{text}"'.encode()


def _may_be(line: bytes, start: bytes, keys: Collection[bytes]) -> bool:
    """Whether a line may be a wanted object: a quick look, for lines in our form.

    `start` is what comes before the key; `keys` are the keys as numbers and as text. A key that
    is a list, or text with escapes, has more than one spelling.
    """
    if not line.startswith(start):
        return not line.startswith(_HEAD) or line.startswith(start.removesuffix(_KEY) + b'"')
    key = line[len(start) : line.find(b', "fields": ', len(start))]
    return key in keys or key.startswith(b"[") or b"\\" in key
