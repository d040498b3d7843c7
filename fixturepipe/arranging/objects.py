"""The objects of one tangled component: they wait on disk until their order is known.

Each object is a *node*, numbered as it came. Its line waits in a spool. Its names (the keys it
can be referred to by) and its references go to tables of a temporary SQLite file; once all
objects are in, one join turns them into edges between nodes, which are kept as plain files of
numbers: eight bytes for a node, six for an edge.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from fixturepipe.arranging.keys import Key
from fixturepipe.arranging.spool import LineSpool, NumberFile

Name = tuple[int, Key]  # the number of a kind, and the key
Use = tuple[int, int, Key]  # the place of a reference in its model, and the name it refers to

_ROWS = 5000


class ComponentObjects:
    """The objects of a component and, after `link`, what each refers to within it.

    `starts` and `targets` are as `dependency_groups` takes them; `slots` gives for each edge
    the place of its reference among its model's references. `models` and `marks` hold, for each
    node, the number of its model and what the catalog finds it by.
    """

    def __init__(self, directory: Path, number: int, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._names_table, self._uses_table = f"names_{number}", f"uses_{number}"
        connection.execute(f"CREATE TABLE {self._names_table} (kind, key, node)")
        connection.execute(f"CREATE TABLE {self._uses_table} (node, slot, kind, key)")
        self._names: list[tuple[int, Key, int]] = []
        self._uses: list[tuple[int, int, int, Key]] = []
        self.lines = LineSpool(directory / f"{number}.lines")
        files = {
            name: NumberFile(directory / f"{number}.{name}", code)
            for name, code in (
                ("models", "H"),
                ("marks", "q"),
                ("starts", "q"),
                ("targets", "i"),
                ("slots", "H"),
                ("places", "i"),
            )
        }
        self._files = files

    def __len__(self) -> int:
        return self.lines.count

    def add(
        self, model: int, mark: int, line: bytes, names: Sequence[Name], uses: Sequence[Use]
    ) -> None:
        """Take one object in."""
        node = self.lines.count
        self.lines.append(line)
        self._files["models"].append(model)
        self._files["marks"].append(mark)
        for kind, key in names:
            self._names.append((kind, key, node))
        for slot, kind, key in uses:
            self._uses.append((node, slot, kind, key))
        if len(self._names) >= _ROWS or len(self._uses) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        execute = self._connection.executemany
        execute(f"INSERT INTO {self._names_table} VALUES (?, ?, ?)", self._names)
        execute(f"INSERT INTO {self._uses_table} VALUES (?, ?, ?, ?)", self._uses)
        self._names.clear()
        self._uses.clear()

    def link(self) -> None:
        """Find the node that each reference means. References that lead elsewhere fall away.

        The uses are read in the order they were written, which is that of the nodes; a name is
        found through an index.
        """
        self._flush()
        names, uses = self._names_table, self._uses_table
        self._connection.execute(f"CREATE INDEX {names}_by_key ON {names} (kind, key, node)")
        found = self._connection.execute(
            f"SELECT u.node, u.slot, n.node FROM {uses} u CROSS JOIN {names} n"
            " ON n.kind = u.kind AND n.key = u.key ORDER BY u.rowid"
        )
        starts, targets, slots = (self._files[x] for x in ("starts", "targets", "slots"))
        edges = node = 0
        starts.append(0)
        for source, slot, target in found:
            while node < source:
                starts.append(edges)
                node += 1
            targets.append(target)
            slots.append(slot)
            edges += 1
        for _ in range(node, len(self)):
            starts.append(edges)
        for _ in range(len(self)):
            self._files["places"].append(0)
        for table in (names, uses):
            self._connection.execute(f"DROP TABLE {table}")

    @property
    def starts(self) -> Sequence[int]:
        return self._files["starts"].numbers()

    @property
    def targets(self) -> Sequence[int]:
        return self._files["targets"].numbers()

    @property
    def slots(self) -> Sequence[int]:
        return self._files["slots"].numbers()

    @property
    def models(self) -> Sequence[int]:
        return self._files["models"].numbers()

    @property
    def marks(self) -> Sequence[int]:
        return self._files["marks"].numbers()

    @property
    def places(self) -> memoryview[int]:
        """For each node a number that whoever orders them may set; 0 at first."""
        numbers = self._files["places"].numbers()
        return numbers if isinstance(numbers, memoryview) else memoryview(numbers)

    def close(self) -> None:
        """Remove what waited."""
        self.lines.close()
        for file in self._files.values():
            file.close()
