"""The objects of one tangled component: they wait on disk until their order is known.

Each object is a *node*, numbered as it came. Its line waits in a spool. Its names (the keys it
can be referred to by) and its references go to tables of a temporary SQLite file; once all
objects are in, one join turns them into edges between nodes, which are kept as plain files of
numbers: some thirty bytes for a node, six for an edge.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

from fixturepipe.arranging.keys import Key
from fixturepipe.arranging.spool import LineSpool, NumberFile

Name = tuple[int, Key]  # the number of a kind, and the key
Use = tuple[int, int, Key]  # the place of a reference in its model, and the name it refers to

_ROWS = 4000
_HELD = 1 << 22  # bytes of lines


class ComponentObjects:
    """The objects of a component and, after `link`, what each refers to within it.

    `starts` and `targets` are as `dependency_groups` takes them; `slots` gives for each edge
    the place of its reference among its model's references. `models` and `marks` hold, for each
    node, the number of its model and what the catalog finds it by. `places` holds a number for
    each node that whoever orders them may set, 0 at first. `loose` names the places of the
    references of a node that may mean any object; these few are in memory.
    """

    def __init__(self, directory: Path, number: int, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._names_table, self._uses_table = f"names_{number}", f"uses_{number}"
        connection.execute(f"CREATE TABLE {self._names_table} (kind, key, node)")
        connection.execute(f"CREATE TABLE {self._uses_table} (node, slot, kind, key)")
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
        self._marks = array("q")
        self._names: list[tuple[int, Key, int]] = []
        self._uses: list[tuple[int, int, int, Key]] = []

    def add(
        self, model: int, mark: int, line: bytes, names: Sequence[Name], uses: Sequence[Use]
    ) -> None:
        """Take one object in."""
        node = self.count
        self.count = node + 1
        self._held += len(line)
        self._lines.append(line)
        self._models.append(model)
        self._marks.append(mark)
        for kind, key in names:
            self._names.append((kind, key, node))
        for slot, kind, key in uses:
            self._uses.append((node, slot, kind, key))
        if len(self._lines) >= _ROWS or self._held >= _HELD:
            self._flush()

    def _flush(self) -> None:
        if not self._lines:
            return
        self.lines.extend(self._lines)
        self._files["models"].extend(self._models)
        self._files["marks"].extend(self._marks)
        self._files["places"].extend([0] * len(self._lines))
        execute = self._connection.executemany
        execute(f"INSERT INTO {self._names_table} VALUES (?, ?, ?)", self._names)
        execute(f"INSERT INTO {self._uses_table} VALUES (?, ?, ?, ?)", self._uses)
        self._begin()

    def link(self, untold: Iterable[int]) -> None:
        """Find the node that each reference means. References that lead elsewhere fall away.

        `untold` are the numbers of kinds whose keys some objects do not tell: a reference by
        one of these that finds no node is *loose*, it may mean any.

        The uses are read in the order they were written, which is that of the nodes; a name is
        found through an index.
        """
        self._flush()
        names, uses = self._names_table, self._uses_table
        self._connection.execute(f"CREATE INDEX {names}_by_key ON {names} (kind, key, node)")
        self._find_loose(untold)
        found = self._connection.execute(
            f"SELECT u.node, u.slot, n.node FROM {uses} u CROSS JOIN {names} n"
            " ON n.kind = u.kind AND n.key = u.key ORDER BY u.rowid"
        )
        edges = node = 0
        while rows := found.fetchmany(_ROWS):
            starts = array("q")
            for source, _, _ in rows:
                while node <= source:
                    starts.append(edges)
                    node += 1
                edges += 1
            self._files["starts"].extend(starts)
            self._files["slots"].extend(slot for _, slot, _ in rows)
            self._files["targets"].extend(target for _, _, target in rows)
        for first in range(node, self.count + 1, _ROWS):
            last = min(first + _ROWS, self.count + 1)
            self._files["starts"].extend([edges] * (last - first))
        for table in (names, uses):
            self._connection.execute(f"DROP TABLE {table}")
        self.starts = self._files["starts"].numbers()
        self.targets = self._files["targets"].numbers()
        self.slots = self._files["slots"].numbers()
        self.models = self._files["models"].numbers()
        self.marks = self._files["marks"].numbers()
        self.places = self._files["places"].numbers()

    def _find_loose(self, untold: Iterable[int]) -> None:
        kinds = ", ".join(map(str, untold))
        if not kinds:
            return
        rows = self._connection.execute(
            f"SELECT u.node, u.slot FROM {self._uses_table} u WHERE u.kind IN ({kinds}) AND NOT"
            f" EXISTS (SELECT 1 FROM {self._names_table} n WHERE n.kind = u.kind AND n.key = u.key)"
        )
        for node, slot in rows:
            self.loose.setdefault(node, []).append(slot)

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


_FILES = {"models": "H", "marks": "q", "starts": "q", "targets": "i", "slots": "H", "places": "i"}
