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
from django.db import transaction

from fixturepipe.artifacts.fixtures import model_label
from fixturepipe.artifacts.manifest import Chunk
from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.fields import Model
from fixturepipe.databases.ledger import Entry
from fixturepipe.databases.packets import in_batches, row_counts
from fixturepipe.databases.plainquery import every_row
from fixturepipe.errors import ConfigurationError
from fixturepipe.load.objects.fixturefiles import read_fixture
from fixturepipe.load.objects.modelplan import ModelPlan
from fixturepipe.load.objects.rows import FixtureObject
from fixturepipe.load.server.target import own_rows_matter
from fixturepipe.load.task import LoadTask

_BATCH = 1_000
_NAMED_KEYS = 5


class ExistingRows:
    """Looks at the tables of the covered models, content types and permissions left out.

    `models` are those of the covered models that have a table here.
    """

    def __init__(self, task: LoadTask, covered: Sequence[Model]) -> None:
        self._directory = task.directory
        self._target = task.target
        tables = {table.lower() for table in task.target.tables}
        self.models = [
            m for m in covered if own_rows_matter(m) and m._meta.db_table.lower() in tables
        ]
        self._chunks = task.chunks
        self._options = task.options

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
        lines = [f"{self._target.title} has rows that this run did not write:"]
        for model, count in counts.items():
            try:
                keys = list(islice(self._keys(model, entries), _NAMED_KEYS + 1))
            except _UnknownKeysError:
                keys = []
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
                    self._delete_others(self._plan(model), entries)

    def _delete_others(self, plan: ModelPlan, entries: Mapping[int, Entry]) -> None:
        keys = self._keys(plan.model, entries)
        try:
            for batch in in_batches(self._target.connection, keys, _BATCH):
                self._target.delete_where(plan.model, plan.key_condition(batch))
        except _UnknownKeysError:
            raise ConfigurationError(
                f"{self._target.title} has rows of {plan.model._meta.label} whose keys do not show"
                " whether this run wrote them",
                hint="Use an empty database, or keep the other rows with --existing update.",
            ) from None

    def _keys(self, model: Model, entries: Mapping[int, Entry]) -> Iterator[str]:
        """The keys in the table that no loaded chunk has, as literals.

        Raises _UnknownKeysError where the server gave keys, or where a field's own code makes them.
        """
        plan = self._plan(model)
        with closing(_KeySet()) as known:
            for chunk in self._chunks:
                if chunk.number in entries and model._meta.label_lower in chunk.models:
                    known.add(self._keys_of_file(plan, chunk))
            for keys in _keys_in_table(plan, self._target.alias):
                yield from known.others(keys)

    def _keys_of_file(self, plan: ModelPlan, chunk: Chunk) -> list[str]:
        objects = read_fixture(self._directory.path / chunk.file).objects
        own = [each for each in objects if model_label(each["model"]) == plan.label]
        plain = all(column.quick for column in plan.key_columns)
        if not plain or not all(_has_key(plan, each) for each in own):
            raise _UnknownKeysError
        return plan.keys_in(own)

    def _plan(self, model: Model) -> ModelPlan:
        return ModelPlan(model, self._target.connection)


def _has_key(plan: ModelPlan, each: FixtureObject) -> bool:
    """Whether an object has a primary key, and not a natural key in its place."""
    key = each.get("pk")
    parts = key if plan.composite and isinstance(key, list) else [key]
    return not any(part is None or isinstance(part, list) for part in parts)


class _UnknownKeysError(Exception):
    """The fixtures do not say under which keys their objects are in the target."""


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
        for some in in_batches(connection_to(alias), keys, _BATCH):
            yield plan.keys_of(rows.filter(pk__in=some))
        batch = rows.filter(pk__gt=keys[-1])[:_BATCH]


def _rows_loaded(entries: Mapping[int, Entry]) -> Counter[Model]:
    """The rows of each model that the ledger counts; a proxy's are its concrete model's."""
    loaded: Counter[Model] = Counter()
    for entry in entries.values():
        for label, count in entry.models.items():
            model = apps.get_model(label)
            loaded[model._meta.concrete_model or model] += count
    return loaded
