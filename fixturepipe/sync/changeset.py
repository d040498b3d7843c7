"""What a sync moves: each row that differs becomes an upsert, a delete, or somebody else's row.

A row of the target is changed or deleted only if it is as the run or the last sync left it. The
run directory tells: the chunks hold what was loaded. Upserts are objects as the run's dumps hold
them; a row of a table with unique columns is deleted first, so that rows can trade their values.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from django.db import models

from fixturepipe.artifacts.changes import Change
from fixturepipe.artifacts.manifest import Dump
from fixturepipe.artifacts.records import FixtureWriter, fixture_writer, key_text
from fixturepipe.artifacts.rundir import RunDirectory, atomic_file
from fixturepipe.artifacts.syncs import DELETES, LoadedObject
from fixturepipe.databases.fields import Model, key_fields
from fixturepipe.databases.integrity import UniqueIndexes
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.tables import Key
from fixturepipe.dump.keyedrows import KeyedRows, Written
from fixturepipe.dump.serializer import Problem
from fixturepipe.errors import SourceDataError
from fixturepipe.sync.differences import DifferingRow, DifferingRows
from fixturepipe.sync.ownership import Act, ForeignRows, Ownership, different_fields
from fixturepipe.wording import in_lines

Object = dict[str, Any]
_NAMED = 20


@dataclass(frozen=True)
class ModelRows:
    """One model at both endpoints. `indexes` are those of the target."""

    model: Model
    ours: KeyedRows
    theirs: KeyedRows
    indexes: UniqueIndexes

    @cached_property
    def is_replaced(self) -> bool:
        """Whether rows that change are deleted and inserted.

        They are where rows can be in each other's way by more than their keys.
        """
        key = frozenset(field.column for field in key_fields(self.model))
        constraints = self.model._meta.constraints
        # The columns of a constraint on an expression are not known.
        special = (isinstance(c, models.UniqueConstraint) and c.expressions for c in constraints)
        return bool(self.indexes.of(self.model) - {key}) or any(special)

    @property
    def label(self) -> str:
        return self.model._meta.label_lower

    @property
    def is_natural(self) -> bool:
        """Whether every database makes such rows itself: none of them is somebody else's."""
        return self.label in NATURAL_PRIMARY


class ChangeSet:
    """Sorts the rows that differ, and writes what is to be loaded and deleted."""

    def __init__(
        self,
        directory: RunDirectory,
        found: DifferingRows,
        ownership: Ownership,
        existing: Literal["refuse", "update", "delete"],
        left_out: Mapping[str, Mapping[str, Object]],
    ) -> None:
        self._directory = directory
        self._found = found
        self._ownership = ownership
        self._existing = existing
        self._left_out = left_out
        self._files: dict[str, FixtureWriter] = {}
        self._paths: dict[str, Path] = {}
        self._models: dict[str, Counter[str]] = {}
        self.inserted: Counter[str] = Counter()
        self.updated: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self.foreign = ForeignRows()
        self.changes: list[Change] = []
        self.dumps: list[Dump] = []
        self._problems: list[Problem] = []
        self._open = ExitStack()

    @property
    def rows(self) -> int:
        """How many rows change."""
        return self.inserted.total() + self.updated.total() + self.deleted.total()

    @property
    def touched(self) -> list[str]:
        """The labels of the models whose rows change."""
        return list(dict.fromkeys([*self.inserted, *self.updated, *self.deleted]))

    def sort(self, tables: Sequence[ModelRows]) -> None:
        """Sort all rows, model by model. Raises SourceDataError for what no fixture can hold."""
        with self._open, atomic_file(self._directory.path / DELETES) as deletes:
            for table in tables:
                for batch in self._found.batches(table.label):
                    gone = self._sort_batch(table, batch)
                    lines = (json.dumps({"model": table.label, "pk": pk}) for pk in gone)
                    deletes.writelines(f"{line}\n".encode() for line in lines)
        if self._problems:
            raise self._unserializable()
        self.dumps = [self._dump(app) for app in self._files]

    def leave_out(self, rejected: Mapping[str, int]) -> None:
        """Orphans among the upserts are not loaded, as in the run."""
        self.inserted -= Counter(rejected)

    def _sort_batch(self, table: ModelRows, batch: Sequence[DifferingRow]) -> list[Any]:
        """Write a batch's upserts; give the keys of the rows to delete."""
        left_out = self._left_out.get(table.label, {})
        gone: list[Any] = []
        for pair in self._pairs(table, batch):
            ours = pair.ours
            if ours is not None and ours.problems:
                was_left_out = key_text(ours.problems[0].pk) in left_out
                if pair.row.kind != "missing" or not was_left_out:
                    self._problems += ours.problems
            elif ours is None or pair.line is None:
                if pair.theirs is not None:
                    gone += self._delete(table, pair)
            elif pair.theirs is None:
                self._insert(table, pair, left_out)
            elif _differs(table, pair, ours.changes):
                self._update(table, pair)
            if ours is not None:
                self.changes += ours.changes
        return gone

    def _pairs(self, table: ModelRows, batch: Sequence[DifferingRow]) -> list[_Pair]:
        """A batch of rows, read from both databases and from what was loaded."""
        ours = _read(table.ours, [row.ours for row in batch])
        held = _read(table.theirs, [row.theirs for row in batch])
        pairs = [_Pair(*each) for each in zip(batch, ours, held, strict=True)]
        if not table.is_natural:
            keys = {key_text(pair.pk): pair.pk for pair in pairs if pair.pk is not None}
            loaded = self._ownership.find(table.model, list(keys.values()))
            for pair in pairs:
                pair.before = None if pair.pk is None else loaded.get(key_text(pair.pk))
            both = ((pair.before, pair.theirs) for pair in pairs)
            self._ownership.look_up(table.model, ((a, b) for a, b in both if a and b))
        return pairs

    def _insert(self, table: ModelRows, pair: _Pair, left_out: Mapping[str, Object]) -> None:
        before = left_out.get(key_text(pair.pk))
        if before == pair.new:
            return
        was_loaded = before is None and pair.before is not None
        if was_loaded and not self._may("deleted", table, pair):
            return
        self.inserted[table.label] += 1
        self._write(table, pair)

    def _update(self, table: ModelRows, pair: _Pair) -> None:
        if not self._is_own(table, pair) and not self._may("changed", table, pair):
            return
        self.updated[table.label] += 1
        self._see(table, pair)
        if table.is_replaced:
            self._found.remove(table.label, [pair.key])
        else:
            self._found.keep(table.label, key_text(pair.new.get("pk")))
        self._write(table, pair)

    def _delete(self, table: ModelRows, pair: _Pair) -> list[Any]:
        if table.is_natural:
            return []
        if not self._is_own(table, pair) and not self._may("added", table, pair):
            return []
        self._see(table, pair)
        self.deleted[table.label] += 1
        self._found.remove(table.label, [pair.key])
        return [pair.pk]

    def _is_own(self, table: ModelRows, pair: _Pair) -> bool:
        """Whether the target's row is as the run or the last sync has left it.

        An object without a key is a content type's or a permission's, or has its key from one.
        """
        if pair.pk is None or pair.theirs is None:
            return True
        return pair.before is not None and self._ownership.is_own(
            table.model, pair.before, pair.theirs
        )

    def _see(self, table: ModelRows, pair: _Pair) -> None:
        """Note how somebody else would find the row, unless it may be given up."""
        line = pair.held.line if pair.held is not None else None
        if self._existing == "refuse" and line is not None and not table.is_natural:
            self._found.see(table.label, pair.key, line)

    def _may(self, act: Act, table: ModelRows, pair: _Pair) -> bool:
        """Whether somebody else's row is given up."""
        if self._existing == "refuse":
            self.foreign.add(table.label, act, pair.pk)
        return self._existing == "delete" or (self._existing == "update" and act != "added")

    def _write(self, table: ModelRows, pair: _Pair) -> None:
        assert pair.line is not None
        app = table.model._meta.app_label
        if app not in self._files:
            self._paths[app] = self._directory.dumps / f"{app}.json"
            self._files[app] = self._open.enter_context(fixture_writer(self._paths[app]))
            self._models[app] = Counter()
        self._files[app].write([pair.line])
        self._models[app][table.label] += 1

    def _dump(self, app: str) -> Dump:
        writer = self._files[app]
        return Dump(
            app=app,
            file=str(self._paths[app].relative_to(self._directory.path)),
            objects=writer.objects,
            bytes=writer.bytes,
            sha256=writer.sha256,
            models=dict(self._models[app]),
        )

    def _unserializable(self) -> SourceDataError:
        named = in_lines(self._problems, _NAMED)
        return SourceDataError(
            "\n".join(["The source holds values that a fixture cannot hold:", *named]),
            hint="Nothing was changed. Correct the rows in the source, then repeat"
            " `fixturepipe sync`.",
        )


@dataclass
class _Pair:
    """A row that differs, in the source and in the target, and `before`, as it was loaded last."""

    row: DifferingRow
    ours: Written | None
    held: Written | None
    before: LoadedObject | None = None

    @property
    def line(self) -> bytes | None:
        """The source's row as a line of a fixture; None where there is none."""
        return None if self.ours is None else self.ours.line

    @cached_property
    def new(self) -> Object:
        """The source's row as an object; without fields where there is none."""
        return {"fields": {}} if self.line is None else json.loads(self.line)

    @cached_property
    def theirs(self) -> Object | None:
        """The target's row. One that cannot be read as an object is nobody's: it has no fields."""
        if self.held is None:
            return None
        if self.held.line is None:
            return {"pk": self.key[0] if len(self.key) == 1 else list(self.key), "fields": {}}
        found: Object = json.loads(self.held.line)
        return found

    @property
    def key(self) -> Key:
        """The raw key of the target's row."""
        return self.row.theirs or ()

    @property
    def pk(self) -> Any:
        """The key of the object in fixture form."""
        return (self.new if self.theirs is None else self.theirs).get("pk")


def _read(rows: KeyedRows, keys: Sequence[Key | None]) -> list[Written | None]:
    """The row of each key; None where there is no key."""
    found = iter(rows.of([key for key in keys if key is not None]))
    return [None if key is None else next(found) for key in keys]


def _differs(table: ModelRows, pair: _Pair, changes: Sequence[Change]) -> bool:
    """Whether a row differs in what the transform makes of it too."""
    changed = {change.field for change in changes if change.field is not None}
    if not changes or not set(pair.row.fields) <= changed or pair.theirs is None:
        return True
    return bool(different_fields(table.model, pair.new, pair.theirs, changed))
