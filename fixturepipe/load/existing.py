"""Rows of the target that this run did not write: found, then refused, kept or deleted.

The ledger knows how many rows of each model the run has loaded. Only a table with more rows than
that is searched for the keys that no loaded chunk has.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice

from django.apps import apps
from django.db import models, transaction

from fixturepipe.artifacts.manifest import Chunk
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.ledger import Entry
from fixturepipe.databases.plainquery import every_row
from fixturepipe.errors import ConfigurationError
from fixturepipe.load.objects.fixturefiles import read_fixture
from fixturepipe.load.objects.modelplan import ModelPlan
from fixturepipe.load.objects.valuenotes import ValueNotes
from fixturepipe.load.options import LoadOptions
from fixturepipe.load.server.tablemaker import row_counts
from fixturepipe.load.server.target import LoadTarget, own_rows_matter

Model = type[models.Model]

_BATCH = 1_000
_NAMED_KEYS = 5


class ExistingRows:
    """Looks at the tables of the covered models, content types and permissions left out.

    `models` are those of the covered models that have a table here.
    """

    def __init__(
        self,
        directory: RunDirectory,
        target: LoadTarget,
        covered: Sequence[Model],
        chunks: Sequence[Chunk],
        options: LoadOptions,
    ) -> None:
        self._directory = directory
        self._target = target
        tables = {table.lower() for table in target.tables()}
        self.models = [
            m for m in covered if own_rows_matter(m) and m._meta.db_table.lower() in tables
        ]
        self._chunks = chunks
        self._options = options

    def deal_with(self, entries: Mapping[int, Entry]) -> None:
        """Refuse, keep or delete the rows beyond those of the loaded chunks.

        Raises ConfigurationError with counts and keys where they are refused.
        """
        if self._options.existing == "update":
            return
        counts = self._counts(entries)
        if not counts:
            return
        if self._options.existing == "delete":
            self._delete(counts, entries)
        else:
            raise self._refusal(counts, entries)

    def delete_all(self) -> None:
        """Delete all rows of the models."""
        self._target.delete_rows(self.models)

    def _counts(self, entries: Mapping[int, Entry]) -> dict[Model, int]:
        """How many rows each table has beyond those that the ledger counts."""
        loaded = _rows_loaded(entries)
        # Receivers of the project's write rows that no chunk counts.
        project_writes = self._options.signals or self._options.loader == "stock"
        looked_at = [m for m in self.models if not (project_writes and loaded[m])]
        found = row_counts(self._target.connection, (m._meta.db_table for m in looked_at))
        beyond = {m: found.get(m._meta.db_table, 0) - loaded[m] for m in looked_at}
        return {model: count for model, count in beyond.items() if count > 0}

    def _refusal(
        self, counts: Mapping[Model, int], entries: Mapping[int, Entry]
    ) -> ConfigurationError:
        lines = [f"The target {self._target.name} has rows that this run did not write:"]
        for model, count in counts.items():
            keys = list(islice(self._keys(model, entries), _NAMED_KEYS + 1))
            shown = ", ".join(keys[:_NAMED_KEYS]) + (", …" if len(keys) > _NAMED_KEYS else "")
            lines.append(f"  {model._meta.label}: {count:,}" + (f" (key {shown})" if keys else ""))
        return ConfigurationError(
            "\n".join(lines),
            hint="Use an empty database, or say what to do with them: --existing update keeps"
            " them and writes the fixtures' objects over those with the same key, --existing"
            " delete deletes them.",
        )

    def _delete(self, counts: Mapping[Model, int], entries: Mapping[int, Entry]) -> None:
        loaded = _rows_loaded(entries)
        with transaction.atomic(using=self._target.alias):
            self._target.delete_rows(model for model in counts if not loaded[model])
            for model in counts:
                if loaded[model]:
                    plan = self._plan(model)
                    keys = self._keys(model, entries)
                    while batch := list(islice(keys, _BATCH)):
                        self._target.delete_where(model, plan.key_condition(batch))

    def _keys(self, model: Model, entries: Mapping[int, Entry]) -> Iterator[str]:
        """The keys in the table that no loaded chunk has, as literals."""
        plan = self._plan(model)
        with closing(_KeySet()) as known:
            for chunk in self._chunks:
                if chunk.number in entries and model._meta.label_lower in chunk.models:
                    known.add(self._keys_of_file(plan, chunk))
            for keys in _keys_in_table(plan, self._target.alias):
                yield from known.others(keys)

    def _keys_of_file(self, plan: ModelPlan, chunk: Chunk) -> list[str]:
        objects = read_fixture(self._directory.path / chunk.file).objects
        return plan.keys_in([each for each in objects if each["model"].lower() == plan.label])

    def _plan(self, model: Model) -> ModelPlan:
        return ModelPlan(model, self._target.connection, ValueNotes())


class _KeySet:
    """Keys in a temporary file of SQLite's, so that memory does not grow with their number."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("")
        self._file.execute("CREATE TABLE known (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, keys: Sequence[str]) -> None:
        self._file.executemany("INSERT OR IGNORE INTO known VALUES (?)", ((key,) for key in keys))

    def others(self, keys: Sequence[str]) -> list[str]:
        """The keys that are not in the set."""
        known = "SELECT 1 FROM known WHERE key = ?"
        return [key for key in keys if self._file.execute(known, [key]).fetchone() is None]

    def close(self) -> None:
        self._file.close()


def _keys_in_table(plan: ModelPlan, alias: str) -> Iterator[list[str]]:
    """All keys of a table, in batches."""
    rows = every_row(plan.model, alias).order_by("pk")
    batch = rows[:_BATCH]
    while keys := list(batch.values_list("pk", flat=True)):
        yield plan.keys_of(rows.filter(pk__in=keys))
        batch = rows.filter(pk__gt=keys[-1])[:_BATCH]


def _rows_loaded(entries: Mapping[int, Entry]) -> Counter[Model]:
    """The rows of each model that the ledger counts; a proxy's are its concrete model's."""
    loaded: Counter[Model] = Counter()
    for entry in entries.values():
        for label, count in entry.models.items():
            model = apps.get_model(label)
            loaded[model._meta.concrete_model or model] += count
    return loaded
