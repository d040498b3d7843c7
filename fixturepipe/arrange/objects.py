"""The objects of one cyclic component: they wait on disk until their order is known.

Each object is a *node*, numbered as it came. Its line waits in a spool. The keys it can be
referred to by are kept so that a node can be found by them: whole numbers in pages of 4,096, as
most primary keys are dense, anything else in a table of a temporary SQLite file. Its references
wait in plain files of numbers, with text keys in a table. Once all objects are in, the
references are followed in the order they came, and become edges between nodes.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from fixturepipe.arrange.keys import Key
from fixturepipe.arrange.keysets import KeyStore
from fixturepipe.arrange.spool import LineSpool, NumberFile

KeyRef = tuple[int, Key]  # the number of a kind, and the key
FieldRef = tuple[int, int, Key]  # the index of a reference in its model, and the key it refers to

_ROWS = 4000
_HELD = 1 << 22  # bytes of lines
_TEXT = 1 << 15  # added to the index of a reference whose key is in the table


class NodeIndex:
    """Finds nodes by their keys."""

    def __init__(self, store: KeyStore, table: str) -> None:
        self._store = store
        self._table = table
        self._pages: dict[int, dict[int, array[int]]] = {}
        self._rows: list[tuple[int, Key, int]] = []
        self._numbers_in_table = False
        store.connection.execute(f"CREATE TABLE {table} (kind, key, node)")

    def add(self, kind: int, key: Key, node: int) -> None:
        """Note that a node has a key."""
        if type(key) is int:
            pages = self._pages.get(kind)
            if pages is None:
                pages = self._pages[kind] = {}
            page = pages.get(key >> 12)
            if page is None:
                page = self._store.take_node_page()
                if page is None:
                    self._numbers_in_table = True
                    self._rows.append((kind, key, node))
                    return
                pages[key >> 12] = page
            page[key & 4095] = node + 1
        else:
            self._rows.append((kind, key, node))

    def flush(self) -> None:
        """Write what the table is to hold."""
        query = f"INSERT INTO {self._table} VALUES (?, ?, ?)"
        self._store.connection.executemany(query, self._rows)
        self._rows.clear()

    def finish(self) -> None:
        """All nodes are named: they can be asked for from now on."""
        self.flush()
        sql = f"CREATE INDEX {self._table}_by_key ON {self._table} (kind, key, node)"
        self._store.connection.execute(sql)

    def node_by_number(self, kind: int, key: int) -> int:
        """The node whose key is this whole number, or -1."""
        page = self._pages.get(kind, {}).get(key >> 12)
        if page is not None:
            return page[key & 4095] - 1
        if not self._numbers_in_table:
            return -1
        query = f"SELECT node FROM {self._table} WHERE kind = ? AND key = ?"
        found = self._store.connection.execute(query, (kind, key)).fetchone()
        return found[0] if found else -1

    def nodes_by_text(self, uses: str) -> Iterator[tuple[int, int | None]]:
        """For each row of the table `uses` its kind and the node that has its key."""
        yield from self._store.connection.execute(
            f"SELECT u.kind, (SELECT node FROM {self._table} n WHERE n.kind = u.kind"
            f" AND n.key = u.key LIMIT 1) FROM {uses} u ORDER BY u.rowid"
        )

    def drop(self) -> None:
        """Forget all names."""
        self._pages.clear()
        self._store.connection.execute(f"DROP TABLE {self._table}")


class ComponentObjects:
    """The objects of a component and, after `resolve`, what each refers to within it.

    `starts` and `targets` are as `dependency_groups` takes them; `field_indexes` gives for each
    edge the index of its reference among its model's references. `models` and `lookup_keys` hold,
    for each node, the number of its model and what the catalog finds it by. `chunk_indexes` holds a
    number for each node that whoever orders them may set, 0 at first. `loose` gives the indexes of
    the references of a node that may mean any object; these few are in memory.
    """

    def __init__(self, directory: Path, number: int, store: KeyStore) -> None:
        self._connection: sqlite3.Connection = store.connection
        self._names = NodeIndex(store, f"names_{number}")
        self._table = f"uses_{number}"
        self._connection.execute(f"CREATE TABLE {self._table} (kind, key)")
        self.lines = LineSpool(directory / f"{number}.lines")
        self._files = {
            name: NumberFile(directory / f"{number}.{name}", code) for name, code in _FILES.items()
        }
        self.count = 0
        self.loose: dict[int, list[int]] = {}
        self._begin()

    def _begin(self) -> None:
        self._held = 0
        self._lines: list[bytes] = []
        self._models = array("H")
        self._lookup_keys = array("q")
        self._use_nodes, self._use_fields = array("i"), array("H")
        self._use_kinds, self._use_keys = array("H"), array("q")
        self._texts: list[tuple[int, str]] = []

    def add(
        self,
        model: int,
        lookup_key: int,
        line: bytes,
        names: Sequence[KeyRef],
        uses: Sequence[FieldRef],
    ) -> None:
        """Take one object in."""
        node = self.count
        self.count = node + 1
        self._held += len(line)
        self._lines.append(line)
        self._models.append(model)
        self._lookup_keys.append(lookup_key)
        for kind, key in names:
            self._names.add(kind, key, node)
        for at, kind, key in uses:
            self._use_nodes.append(node)
            self._use_kinds.append(kind)
            if type(key) is int:
                self._use_fields.append(at)
                self._use_keys.append(key)
            else:
                self._use_fields.append(at | _TEXT)
                self._use_keys.append(0)
                self._texts.append((kind, str(key)))
        if len(self._lines) >= _ROWS or self._held >= _HELD:
            self._flush()

    def _flush(self) -> None:
        if not self._lines:
            return
        self.lines.extend(self._lines)
        for name, numbers in (
            ("models", self._models),
            ("lookup_keys", self._lookup_keys),
            ("chunk_indexes", array("i", [0] * len(self._lines))),
            ("use_nodes", self._use_nodes),
            ("use_fields", self._use_fields),
            ("use_kinds", self._use_kinds),
            ("use_keys", self._use_keys),
        ):
            self._files[name].extend(numbers)
        self._names.flush()
        self._connection.executemany(f"INSERT INTO {self._table} VALUES (?, ?)", self._texts)
        self._begin()

    def resolve(self, unknown: set[int]) -> None:
        """Find the node that each reference means. References that lead elsewhere fall away.

        `unknown` are the numbers of kinds that some objects do not show: a reference by
        one of these that finds no node is loose, it may mean any.
        """
        self._flush()
        self._names.finish()
        files = self._files
        starts, targets, field_indexes = array("q"), array("i"), array("H")
        pending = {"starts": starts, "targets": targets, "field_indexes": field_indexes}

        def write() -> None:
            for name, numbers in pending.items():
                files[name].extend(numbers)
                del numbers[:]

        edges = 0
        following = 0  # the node whose edges begin next
        for node, at, target in self._edges(unknown):
            while following <= node:
                starts.append(edges)
                following += 1
            targets.append(target)
            field_indexes.append(at)
            edges += 1
            if len(targets) >= _ROWS:
                write()
        write()
        for first in range(following, self.count + 1, _ROWS):
            files["starts"].extend([edges] * (min(first + _ROWS, self.count + 1) - first))
        self._names.drop()
        self._connection.execute(f"DROP TABLE {self._table}")
        self._open()

    def _open(self) -> None:
        files = self._files
        self.starts = files["starts"].numbers()
        self.targets = files["targets"].numbers()
        self.field_indexes = files["field_indexes"].numbers()
        self.models = files["models"].numbers()
        self.lookup_keys = files["lookup_keys"].numbers()
        self.chunk_indexes = files["chunk_indexes"].numbers()

    def _edges(self, unknown: set[int]) -> Iterator[tuple[int, int, int]]:
        """Node, index of the reference and node it leads to, in the order of the first."""
        columns = [self._files[f"use_{name}"] for name in ("nodes", "fields", "kinds", "keys")]
        texts = self._names.nodes_by_text(self._table)
        by_number = self._names.node_by_number
        uses = zip(*(column.numbers() for column in columns), strict=True)
        for done, (node, at, kind, key) in enumerate(uses):
            target: int | None
            if at & _TEXT:
                at -= _TEXT
                _, target = next(texts)
            else:
                target = by_number(kind, key)
            if target is not None and target >= 0:
                yield node, at, target
            elif kind in unknown:
                self.loose.setdefault(node, []).append(at)
            if done % (1 << 16) == 0:
                for column in columns:
                    column.give_back()
        for column in columns:
            column.close()

    def give_back(self) -> None:
        """Let the kernel have back the memory of what was read."""
        self.lines.give_back()
        for file in self._files.values():
            file.give_back()

    def close(self) -> None:
        """Remove what waited."""
        self.lines.close()
        for file in self._files.values():
            file.close()


_FILES = {
    "models": "H",
    "lookup_keys": "q",
    "chunk_indexes": "i",
    "use_nodes": "i",
    "use_fields": "H",
    "use_kinds": "H",
    "use_keys": "q",
    "starts": "q",
    "targets": "i",
    "field_indexes": "H",
}
