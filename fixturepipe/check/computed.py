"""Values that the target computes itself: generated columns, and what triggers do on load.

MySQL divides, rounds, folds and casts by other rules than SQLite. So the rows of the source go into
a temporary table with the generated columns of the model, and what the target computes there is
compared with what the source holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check.rowtrial import DefinitionTrial, RowWriter
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.endpoints import SOURCE, connection_to
from fixturepipe.databases.fields import Field, Model, generated_fields, stored_fields
from fixturepipe.databases.integrity import example_of
from fixturepipe.databases.packets import refused_rows
from fixturepipe.databases.queries import executed
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tables import Row, Table
from fixturepipe.databases.tablesql import CreateTable, statements_if_writable
from fixturepipe.databases.values import Column, Reader
from fixturepipe.findings.finding import Example, Finding, RowCollector, collected
from fixturepipe.findings.rules import RULES

_FIRING = ("INSERT", "UPDATE")


def triggers(covered: Sequence[Model], target: TargetServer) -> Iterator[Finding]:
    """FP330 for each trigger that fires when a load writes rows."""
    assert target.connection is not None
    labels = {table_name(m, target.connection).lower(): m._meta.label_lower for m in covered}
    for trigger in target.catalog.triggers:
        label = labels.get(trigger.table.lower())
        if label is not None and trigger.event in _FIRING:
            quoted = target.connection.ops.quote_name(trigger.name)
            yield RULES["FP330"].finding(label, quoted=quoted, **asdict(trigger))


def generated_values(covered: Sequence[Model], target: TargetServer) -> Iterator[Finding]:
    """FP331 for each generated column that the target computes otherwise for some row, FP335 for
    each that it cannot compute.
    """
    if target.connection is None or not target.may_make_temporary_tables:
        return
    for model in covered:
        if generated_fields(model):
            yield from _Trial(model, connection_to(SOURCE), target.connection).findings()


class _Trial:
    """The rows of one model, computed by the target in a temporary table."""

    def __init__(
        self, model: Model, source: BaseDatabaseWrapper, target: BaseDatabaseWrapper
    ) -> None:
        self._model = model
        self._target = target
        self._stored, self._generated = stored_fields(model), generated_fields(model)
        self._source_rows = Table(model, source, (*self._stored, *self._generated))
        self._write = RowWriter(self._stored, source, target)
        keys = self._source_rows.key
        self._target_rows = Table(model, target, (*keys, *self._generated))
        self._columns = {
            field: Column(
                field,
                Reader(field, source, self._source_rows.name),
                Reader(field, target, self._target_rows.name),
            )
            for field in (*self._stored, *self._generated)
        }
        self._refuses = False
        self._differing = {field: RowCollector() for field in self._generated}

    def findings(self) -> Iterator[Finding]:
        """FP331 and FP335 for each column; nothing if the target refuses the table."""
        statements = statements_if_writable(self._model, self._target)
        if statements is None:
            return
        create = statements.create.apart()[0]
        try:
            executed(self._target, create.temporary())
        except DatabaseError:
            return
        try:
            for page in self._source_rows.pages():
                self._compare(page)
        finally:
            executed(self._target, f"DROP TEMPORARY TABLE `{create.table}`")
        label = self._model._meta.label_lower
        for field, differing in self._differing.items():
            if differing:
                yield RULES["FP331"].finding(label, field.name, len(differing), differing.rows())
        if self._refuses:
            for field in self._generated:
                yield from self._refused(field, create)

    def _refused(self, field: Field, create: CreateTable) -> Iterator[Finding]:
        source, definition = self._source_rows.connection, create.columns()[field.column]
        trial = DefinitionTrial(self._model, source, self._target, create, definition)
        rows = collected(example_of(row, trial.width) for row in trial.refused())
        if rows:
            label = self._model._meta.label_lower
            yield RULES["FP335"].finding(label, field.name, len(rows), rows)

    def _compare(self, page: list[Row]) -> None:
        rows = [row for row in map(self._write, page) if row is not None]
        self._refuses = bool(self._insert(rows)) or self._refuses
        keys = self._source_rows.key
        at = {field: number for number, field in enumerate(self._source_rows.fields)}
        ours = {
            key: row
            for row, *key_parts in zip(page, *self._keys(page, keys, at), strict=True)
            for key in (tuple(key_parts),)
        }
        theirs = [row for found in self._target_rows.pages() for row in found]
        executed(self._target, f"TRUNCATE `{self._target_rows.name}`")
        there = {field: number for number, field in enumerate(self._target_rows.fields)}
        found_keys = [self._columns[key].found([row[there[key]] for row in theirs]) for key in keys]
        for row, *key_parts in zip(theirs, *found_keys, strict=True):
            source_row = ours.get(tuple(key_parts))
            if source_row is None:
                continue
            for field in self._generated:
                self._note(field, source_row, source_row[at[field]], row[there[field]])

    def _keys(
        self, page: list[Row], keys: Sequence[Field], at: dict[Field, int]
    ) -> list[list[Any]]:
        return [self._columns[key].expected([row[at[key]] for row in page]) for key in keys]

    def _note(self, field: Field, row: Row, ours: Any, theirs: Any) -> None:
        column = self._columns[field]
        if not column.differing([ours], [theirs]):
            return
        here, there = column.both(ours, theirs)
        key = "|".join(str(part) for part in row[: len(self._source_rows.key)])
        self._differing[field].add(Example(key, f"{here!r} -> {there!r}"))

    def _insert(self, rows: list[list[Any]]) -> list[int]:
        """Insert rows; gives the positions of those that the target refuses."""
        quote = self._target.ops.quote_name
        names = ", ".join(quote(field.column) for field in self._stored)
        return refused_rows(self._target, f"{quote(self._target_rows.name)} ({names})", rows)
