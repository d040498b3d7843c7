"""The keys of all rows that differ, on disk, in the order in which the comparison finds them."""

from __future__ import annotations

import ast
import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fixturepipe.databases.tables import Key
from fixturepipe.dump.keyedrows import KeyedRows, comparable_key

Kind = Literal["missing", "differing", "extra"]

_BATCH = 2_000


@dataclass(frozen=True)
class DifferingRow:
    """A row that only the source has ("missing"), only the target ("extra"), or both.

    Keys are raw; `ours` is that of the source, `theirs` that of the target. `fields` names what
    differs.
    """

    kind: Kind
    ours: Key | None
    theirs: Key | None
    fields: tuple[str, ...] = ()


class DifferingRows:
    """The Sink of a comparison: several threads add rows, one reads them afterwards.

    `removals` are the keys of the target's rows that are to be deleted, by label; `seen` are the
    rows that were looked at before, and `kept` those of them that are to be updated in place.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        self._lock = threading.Lock()
        for statement in _TABLES:
            self._connection.execute(statement)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def missing(self, label: str, ours: Sequence[Key]) -> None:
        """Rows that only the source has."""
        self._add([(label, "missing", _text(key), None, "") for key in ours])

    def differing(self, label: str, ours: Key, theirs: Key, fields: Sequence[str]) -> None:
        """A row that both have, and the names of the fields that differ."""
        self._add([(label, "differing", _text(ours), _text(theirs), " ".join(fields))])

    def extras(self, label: str, theirs: Sequence[Key]) -> None:
        """Rows that only the target has."""
        self._add([(label, "extra", None, _text(key), "") for key in theirs])

    def transformed(self, label: str, keys: Sequence[Key]) -> None:
        """Rows that both may have under the same key, and whose values the transform changes."""
        query = (
            "INSERT INTO row SELECT ?1, 'differing', ?2, ?2, '' WHERE NOT EXISTS"
            " (SELECT 1 FROM row WHERE label = ?1 AND ours = ?2)"
        )
        self._connection.executemany(query, [(label, _text(key)) for key in keys])

    def clear(self) -> None:
        """Forget all rows, to begin again."""
        self._connection.execute("DELETE FROM row")

    def count(self) -> int:
        """How many rows differ."""
        (count,) = self._connection.execute("SELECT COUNT(*) FROM row").fetchone()
        return int(count)

    def batches(self, label: str) -> Iterator[list[DifferingRow]]:
        """Yield a model's rows, a few thousand at a time."""
        for rows in self._pages("SELECT rowid, kind, ours, theirs, fields FROM row", label):
            yield [
                DifferingRow(kind, _key(ours), _key(theirs), tuple(fields.split()))
                for _, kind, ours, theirs, fields in rows
            ]

    def remove(self, label: str, keys: Sequence[Key]) -> None:
        """Note rows of the target that are to be deleted, for good or to be written again."""
        rows = [(label, _text(key)) for key in keys]
        self._connection.executemany("INSERT INTO removal VALUES (?, ?)", rows)

    def removals(self, label: str) -> Iterator[list[Key]]:
        """Yield the keys that `remove` has noted, a few thousand at a time."""
        for rows in self._pages("SELECT rowid, theirs FROM removal", label):
            yield [key for _, text in rows if (key := _key(text)) is not None]

    def see(self, label: str, key: Key, line: bytes) -> None:
        """Note how a row of the target was when it was decided to change or delete it."""
        row = label, _text(key), _digest(line)
        self._connection.execute("INSERT INTO seen VALUES (?, ?, ?)", row)

    def changed_since(self, label: str, rows: KeyedRows) -> Iterator[tuple[Key, bool]]:
        """Yield the keys of rows that are not as `see` has noted them; whether they are gone."""
        for seen in self._pages("SELECT rowid, theirs, digest FROM seen", label):
            keys = [ast.literal_eval(theirs) for _, theirs, _ in seen]
            for key, row, (_, _, digest) in zip(keys, rows.of(keys), seen, strict=True):
                line = None if row is None else row.line
                if line is None or _digest(line) != digest:
                    yield key, line is None

    def keep(self, label: str, pk: str) -> None:
        """Note an object, by its key as text, whose row of the target is updated in place."""
        self._connection.execute("INSERT OR IGNORE INTO kept VALUES (?, ?)", (label, pk))

    def keeps(self, label: str, pk: str) -> bool:
        """Whether `keep` has noted an object."""
        query = "SELECT 1 FROM kept WHERE label = ? AND pk = ?"
        return self._connection.execute(query, (label, pk)).fetchone() is not None

    def _pages(self, select: str, label: str) -> Iterator[list[tuple[Any, ...]]]:
        """A model's rows of one table, a few thousand at a time. `select` begins with rowid."""
        query = f"{select} WHERE label = ? AND rowid > ? ORDER BY rowid LIMIT ?"
        last = 0
        while rows := self._connection.execute(query, (label, last, _BATCH)).fetchall():
            last = rows[-1][0]
            yield rows

    def _add(self, rows: Sequence[tuple[str | None, ...]]) -> None:
        with self._lock:
            self._connection.executemany("INSERT INTO row VALUES (?, ?, ?, ?, ?)", rows)


_TABLES = (
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "CREATE TABLE row (label TEXT, kind TEXT, ours TEXT, theirs TEXT, fields TEXT)",
    "CREATE INDEX row_by_label ON row (label, ours)",
    "CREATE TABLE removal (label TEXT, theirs TEXT)",
    "CREATE INDEX removal_by_label ON removal (label)",
    "CREATE TABLE seen (label TEXT, theirs TEXT, digest BLOB)",
    "CREATE INDEX seen_by_label ON seen (label)",
    "CREATE TABLE kept (label TEXT, pk TEXT, PRIMARY KEY (label, pk)) WITHOUT ROWID",
    "BEGIN",
)


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line, digest_size=16).digest()


def _text(key: Key) -> str:
    """A raw key as a Python literal; what has none (a datetime, a UUID) as its text."""
    return repr(comparable_key(key))


def _key(text: str | None) -> Key | None:
    return None if text is None else tuple(ast.literal_eval(text))
