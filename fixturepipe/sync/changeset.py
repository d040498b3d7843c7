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
from pathlib import Path
from typing import Any, Literal

from django.db import models

from fixturepipe.artifacts.changes import Change
from fixturepipe.artifacts.manifest import Dump
from fixturepipe.artifacts.records import FixtureWriter, fixture_writer, key_text
from fixturepipe.artifacts.rundir import RunDirectory, atomic_file
from fixturepipe.artifacts.syncs import DELETES, LoadedObject
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.tables import Key
from fixturepipe.dump.keyedrows import KeyedRows, Written
from fixturepipe.dump.serializer import Problem
from fixturepipe.errors import SourceDataError
from fixturepipe.sync.differences import DifferingRow, DifferingRows
from fixturepipe.sync.foreign import ForeignRows
from fixturepipe.sync.ownership import Ownership, different_fields
from fixturepipe.wording import in_lines

Object = dict[str, Any]
_NAMED = 20


@dataclass(frozen=True)
class ModelRows:
    """One model at both endpoints. `is_replaced`: rows that change are deleted and inserted."""

    model: type[models.Model]
    ours: KeyedRows
    theirs: KeyedRows
    is_replaced: bool

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
        with ExitStack() as files, atomic_file(self._directory.path / DELETES) as deletes:
            for table in tables:
                for batch in self._found.batches(table.label):
                    gone = self._sort_batch(table, batch, files)
                    lines = (json.dumps({"model": table.label, "pk": pk}) for pk in gone)
                    deletes.writelines(f"{line}\n".encode() for line in lines)
        if self._problems:
            raise self._unserializable()
        self.dumps = [self._dump(app) for app in self._files]

    def leave_out(self, rejected: Mapping[str, int]) -> None:
        """Orphans among the upserts are not loaded, as in the run."""
        self.inserted -= Counter(rejected)

    def _sort_batch(
        self, table: ModelRows, batch: Sequence[DifferingRow], files: ExitStack
    ) -> list[Any]:
        """Write a batch's upserts; give the keys of the rows to delete."""
        judged = _Batch(table, batch, self._ownership)
        gone: list[Any] = []
        for position, row in enumerate(batch):
            ours, theirs = judged.ours[position], judged.theirs[position]
            if ours is not None and ours.problems:
                if row.kind != "missing" or not self._was_unserializable(table, ours):
                    self._problems += ours.problems
            elif ours is None or ours.line is None:
                if theirs is not None and row.theirs is not None:
                    gone += self._delete(table, judged, row.theirs, theirs)
            elif theirs is None:
                self._insert(table, judged, ours, files)
            elif row.theirs is not None and _differs(table, row, ours, theirs):
                self._update(table, judged, row.theirs, ours, theirs, files)
            if ours is not None:
                self.changes += ours.changes
        return gone

    def _was_unserializable(self, table: ModelRows, ours: Written) -> bool:
        """Whether the run has left the row out already."""
        key = key_text(ours.problems[0].pk)
        return key in self._left_out.get(table.label, {})

    def _insert(self, table: ModelRows, judged: _Batch, ours: Written, files: ExitStack) -> None:
        assert ours.line is not None
        new = json.loads(ours.line)
        text = key_text(new.get("pk"))
        if self._left_out.get(table.label, {}).get(text) == new:
            return
        is_left_out = text in self._left_out.get(table.label, {})
        if not is_left_out and judged.was_loaded(new) and not self._may("deleted", table, new):
            return
        self.inserted[table.label] += 1
        self._write(table, ours.line, files)

    def _update(
        self,
        table: ModelRows,
        judged: _Batch,
        key: Key,
        ours: Written,
        theirs: Object,
        files: ExitStack,
    ) -> None:
        assert ours.line is not None
        if not judged.is_own(theirs) and not self._may("changed", table, theirs):
            return
        self.updated[table.label] += 1
        self._see(table, key, judged.lines.get(key))
        if table.is_replaced:
            self._found.remove(table.label, [key])
        else:
            self._found.keep(table.label, key_text(json.loads(ours.line).get("pk")))
        self._write(table, ours.line, files)

    def _delete(self, table: ModelRows, judged: _Batch, key: Key, theirs: Object) -> list[Any]:
        if table.is_natural:
            return []
        if not judged.is_own(theirs) and not self._may("added", table, theirs):
            return []
        self._see(table, key, judged.lines.get(key))
        self.deleted[table.label] += 1
        self._found.remove(table.label, [key])
        return [theirs.get("pk")]

    def _see(self, table: ModelRows, key: Key, line: bytes | None) -> None:
        """Note how somebody else would find the row, unless it may be given up."""
        if self._existing == "refuse" and line is not None and not table.is_natural:
            self._found.see(table.label, key, line)

    def _may(
        self, act: Literal["added", "changed", "deleted"], table: ModelRows, row: Object
    ) -> bool:
        """Whether somebody else's row is given up."""
        if self._existing == "refuse":
            self.foreign.add(table.label, act, row.get("pk"))
        return self._existing == "delete" or (self._existing == "update" and act != "added")

    def _write(self, table: ModelRows, line: bytes, files: ExitStack) -> None:
        app = table.model._meta.app_label
        if app not in self._files:
            self._paths[app] = self._directory.dumps / f"{app}.json"
            self._files[app] = files.enter_context(fixture_writer(self._paths[app]))
            self._models[app] = Counter()
        self._files[app].write([line])
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


class _Batch:
    """A batch of rows that differ, read from both databases and from what was loaded."""

    def __init__(
        self, table: ModelRows, batch: Sequence[DifferingRow], ownership: Ownership
    ) -> None:
        self._table = table
        self._ownership = ownership
        self.ours = _read(table.ours, [row.ours for row in batch])
        held = _read(table.theirs, [row.theirs for row in batch])
        self.theirs = [_object(row, each) for row, each in zip(batch, held, strict=True)]
        # The target's rows as lines, by raw key.
        self.lines = {
            row.theirs: each.line
            for row, each in zip(batch, held, strict=True)
            if row.theirs is not None and each is not None
        }
        self._loaded: dict[str, LoadedObject] = {}
        if not table.is_natural:
            self._loaded = ownership.find(table.model, self._keys(batch))
            there = (each for each in self.theirs if each is not None and "pk" in each)
            pairs = ((self._loaded.get(key_text(each["pk"])), each) for each in there)
            ownership.look_up(table.model, ((a, b) for a, b in pairs if a is not None))

    def _keys(self, batch: Sequence[DifferingRow]) -> list[Any]:
        """The keys of the target's rows, and of those that only the source has."""
        keys = [each["pk"] for each in self.theirs if each is not None and "pk" in each]
        for row, each in zip(batch, self.ours, strict=True):
            if row.kind == "missing" and each is not None and each.line is not None:
                keys.append(json.loads(each.line).get("pk"))
        return [key for key in keys if key is not None]

    def was_loaded(self, ours: Object) -> bool:
        """Whether the run or a sync has put this row of the source into the target."""
        return "pk" in ours and key_text(ours["pk"]) in self._loaded

    def is_own(self, theirs: Object) -> bool:
        """Whether a row of the target is as the run or the last sync has left it.

        An object without a key is a content type's or a permission's, or has its key from one.
        """
        if "pk" not in theirs:
            return True
        before = self._loaded.get(key_text(theirs["pk"]))
        return before is not None and self._ownership.is_own(self._table.model, before, theirs)


def _read(rows: KeyedRows, keys: Sequence[Key | None]) -> list[Written | None]:
    """The row of each key; None where there is no key."""
    found = iter(rows.of([key for key in keys if key is not None]))
    return [None if key is None else next(found) for key in keys]


def _object(row: DifferingRow, held: Written | None) -> Object | None:
    """The target's row. One that cannot be read as an object is nobody's: it has no fields."""
    if held is None:
        return None
    if held.line is None:
        key = row.theirs or ()
        return {"pk": key[0] if len(key) == 1 else list(key), "fields": {}}
    found: Object = json.loads(held.line)
    return found


def _differs(table: ModelRows, row: DifferingRow, ours: Written, theirs: Object) -> bool:
    """Whether a row differs in what the transform makes of it too."""
    if not ours.changes:
        return True
    changed = {change.field for change in ours.changes if change.field is not None}
    if not set(row.fields) <= changed:
        return True
    assert ours.line is not None
    return bool(different_fields(table.model, json.loads(ours.line), theirs, changed))
