"""Sets of keys too many for memory: which objects there are, which ones are referred to.

Whole numbers go into bitmaps of 65,536 keys a page, a bit each, since most primary keys are
dense. Keys that are anything else, and numbers too far apart for that, go to disk. Ten million
dense keys take 1.3 MB; any others take a bounded buffer.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from fixturepipe.arrange.keys import Key

_PAGES = 4096  # of 8 KiB each, for all sets of a store together: 32 MiB
_NODE_PAGES = 2048  # of 16 KiB each, for all components together: 32 MiB
_BUFFER = 2000
_REPEATED = 100
_CACHE = -16_384  # KiB, as SQLite's pragma takes it


def open_index(path: Path) -> sqlite3.Connection:
    """A temporary SQLite file: nothing is worth saving if the process dies."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size={_CACHE}"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    return connection


class KeyStore:
    """Makes sets of keys that share one bound of memory and one file on disk."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._pages_left = _PAGES
        self._node_pages_left = _NODE_PAGES
        self._sets: list[KeySet] = []

    def new(self) -> KeySet:
        """An empty set."""
        self._sets.append(KeySet(self, f"keys_{len(self._sets)}"))
        return self._sets[-1]

    def settle(self) -> None:
        """File what was noted in any set."""
        for each in self._sets:
            each.settle()

    def take_page(self) -> bytearray | None:
        """A page of bits, as long as there is memory for one."""
        if self._pages_left == 0:
            return None
        self._pages_left -= 1
        return bytearray(8192)

    def take_node_page(self) -> array[int] | None:
        """A page of 4,096 numbers of nodes, as long as there is memory for one."""
        if self._node_pages_left == 0:
            return None
        self._node_pages_left -= 1
        return array("i", bytes(4 * 4096))


class KeySet:
    """A set of keys. Finding one is quick for what has a page, a query otherwise.

    `note` takes a key in, `note_all` several; `settle` is to be called every thousand keys or so.
    """

    def __init__(self, store: KeyStore, table: str) -> None:
        self._store = store
        self._table = table
        self._noted: list[Key] = []
        self.note = self._noted.append
        self.note_all = self._noted.extend
        self._pages: dict[int, bytearray] = {}
        self._recent: set[Key] = set()
        self._repeated: set[Key] = set()
        self._stored = False
        self._indexed = False

    def settle(self) -> None:
        """File what was noted."""
        if not self._noted:
            return
        keys = set(self._noted)
        if len(keys) < len(self._noted):
            self._note_repeated(key for key, n in Counter(self._noted).items() if n > 1)
        self._noted.clear()
        if {type(key) for key in keys} == {int} and self._settle_range(keys):
            return
        for key in keys:
            if type(key) is int:
                self._settle_number(key)
            else:
                self._settle_other(key)

    def _note_repeated(self, keys: Iterable[Key]) -> None:
        """Remember a few of the keys that came more than once; which ones does not matter."""
        self._repeated.update(islice(keys, max(0, _REPEATED - len(self._repeated))))

    def _settle_range(self, keys: Collection[Any]) -> bool:
        """Whether the keys are all the numbers of a range within a page, which is then set."""
        first, last = min(keys), max(keys)
        if last - first + 1 != len(keys) or first >> 16 != last >> 16 or len(keys) < 32:
            return False
        page = self._page(first >> 16)
        if page is None:
            return False
        low, high = first >> 3 & 8191, (last >> 3 & 8191) + 1
        held = int.from_bytes(page[low:high], "little")
        bits = ((1 << len(keys)) - 1) << (first & 7)
        if held & bits:
            return False
        page[low:high] = (held | bits).to_bytes(high - low, "little")
        return True

    def _page(self, number: int) -> bytearray | None:
        page = self._pages.get(number)
        if page is None:
            page = self._store.take_page()
            if page is not None:
                self._pages[number] = page
        return page

    def _settle_number(self, key: int) -> None:
        page = self._page(key >> 16)
        if page is None:
            self._settle_other(key)
            return
        at, bit = key >> 3 & 8191, 1 << (key & 7)
        if page[at] & bit:
            self._note_repeated((key,))
        page[at] |= bit

    def _settle_other(self, key: Key) -> None:
        if key in self._recent:
            self._note_repeated((key,))
        self._recent.add(key)
        if len(self._recent) >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        connection = self._store.connection
        if not self._stored:
            connection.execute(f"CREATE TABLE {self._table} (key)")
            self._stored = True
        rows = [(key,) for key in self._recent]
        connection.executemany(f"INSERT INTO {self._table} VALUES (?)", rows)
        self._recent.clear()

    def __contains__(self, key: Key) -> bool:
        self.settle()
        if type(key) is int:
            page = self._pages.get(key >> 16)
            if page is not None and page[key >> 3 & 8191] & 1 << (key & 7):
                return True
        if key in self._recent:
            return True
        if not self._stored:
            return False
        self._index()
        query = f"SELECT 1 FROM {self._table} WHERE key = ?"
        return self._store.connection.execute(query, (key,)).fetchone() is not None

    def __bool__(self) -> bool:
        return bool(self._noted or self._pages or self._recent or self._stored)

    def _index(self) -> None:
        if not self._indexed:
            sql = f"CREATE INDEX {self._table}_by_key ON {self._table} (key)"
            self._store.connection.execute(sql)
            self._indexed = True

    def repeated(self) -> Iterator[Key]:
        """Keys that were noted more than once, or a few of them."""
        self.settle()
        yield from self._repeated
        if not self._stored:
            return
        self._flush()
        self._index()
        query = f"SELECT key FROM {self._table} GROUP BY key HAVING COUNT(*) > 1"
        yield from (row[0] for row in self._store.connection.execute(query))

    def without(self, others: KeySet) -> Iterator[Key]:
        """The keys of this set that the other lacks, each once."""
        self.settle()
        others.settle()
        for number, page in sorted(self._pages.items()):
            bits = int.from_bytes(page, "little")
            theirs = others._pages.get(number)
            if theirs is not None:
                bits &= ~int.from_bytes(theirs, "little")
            for key in _numbers(bits, number << 16):
                if not others._has_other(key):
                    yield key
        yield from self._others_without(others)

    def _has_other(self, key: Key) -> bool:
        return (self._stored or bool(self._recent)) and key in self

    def _others_without(self, others: KeySet) -> Iterator[Key]:
        if not self._stored:
            yield from (key for key in sorted(self._recent, key=str) if key not in others)
            return
        self._flush()
        query = f"SELECT DISTINCT key FROM {self._table}"
        if others._stored:
            others._flush()
            query += f" EXCEPT SELECT key FROM {others._table}"
        for (key,) in self._store.connection.execute(query):
            if key not in others:
                yield key


def _numbers(bits: int, first: int) -> Iterator[int]:
    """The numbers that set bits mean, ascending."""
    text = bin(bits)[:1:-1]
    at = text.find("1")
    while at >= 0:
        yield first + at
        at = text.find("1", at + 1)


def batches(keys: Iterable[Key], size: int) -> Iterator[list[Key]]:
    """The keys in lists of at most `size`."""
    left = iter(keys)
    while batch := list(islice(left, size)):
        yield batch
