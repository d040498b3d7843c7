"""`verify`: proof that the target holds what the source holds, row by row and value by value.

Every table of the source is compared with the target's, many-to-many tables included; with a
run's manifest, only the tables that were dumped. The target is also asked whether every
reference finds its row, every unique constraint exists, and no old key will be allocated again.
No run is needed: any two databases of the same models can be compared, whoever moved the data.
Then automatic many-to-many rows are compared by what they link, as other tools renumber them.
"""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from fixturepipe.artifacts.accounts import Accounts
from fixturepipe.artifacts.fixtures import model_label
from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.databases.coverage import coverage
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints, connection_to
from fixturepipe.databases.fields import Model, key_fields, root_field
from fixturepipe.databases.integrity import UniqueIndexes
from fixturepipe.databases.ledger import Ledger
from fixturepipe.databases.leftout import left_out
from fixturepipe.databases.mysql import further_connections, round_trip
from fixturepipe.databases.packets import row_counts
from fixturepipe.databases.pages import PAGE_ROWS
from fixturepipe.databases.sequences import highest_keys
from fixturepipe.databases.tablenames import folded, table_name
from fixturepipe.databases.tables import EVERYTHING, Bounds, Condition, Key, Table
from fixturepipe.databases.threads import connected_threads, worthwhile
from fixturepipe.errors import ConfigurationError, UsageError
from fixturepipe.events import Listener, StageAdvanced, StageFinished, StageStarted
from fixturepipe.findings.finding import Finding, Level
from fixturepipe.verify import soundness
from fixturepipe.verify.comparison import (
    Difference,
    ModelComparison,
    RowChanges,
    RowPair,
    Sink,
)
from fixturepipe.verify.modelpair import ModelPair
from fixturepipe.verify.naturalrows import NaturalRows
from fixturepipe.verify.options import VerifyOptions
from fixturepipe.wording import counted, listed

_ROW_HINT = "Name a row as in --row shop.order:17; a key of several columns is a JSON list."

# The rows of a model that a thread compares at a time: few enough to keep all threads busy.
_PART_ROWS = 50_000
# What a row costs this machine, about.
_SECONDS_A_ROW = 8e-6


@dataclass(frozen=True)
class VerifyResult:
    """The comparison of each model, and `findings` about the target's references, unique
    constraints and next keys.
    """

    models: tuple[ModelComparison, ...]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether source and target are equal and the target is sound."""
        wrong = any(finding.level == "error" for finding in self.findings)
        return all(each.ok for each in self.models) and not wrong

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The differences of all models."""
        return tuple(each for model in self.models for each in model.differences)


def verify(
    endpoints: Endpoints,
    options: VerifyOptions,
    listener: Listener,
    manifest: Manifest | None = None,
    accounts: Accounts | None = None,
    sink: Sink | None = None,
    known: Collection[ModelComparison] = (),
) -> VerifyResult:
    """Compare the two endpoints.

    The rows of `accounts` do not count as differences. With a `sink`, which takes every row that
    differs, the target's soundness is examined only if nothing does. The models of `known`, which
    have been compared already, are not compared again. Raises ConfigurationError if there is no
    target or it lacks tables, and UsageError for options that make no sense.
    """
    begun = time.monotonic()
    check_options(options)
    endpoints.open()
    covered = _models_to_compare(endpoints, manifest)
    _require_tables(covered)
    labels = {each.model for each in known}
    compared_now = [model for model in covered if model._meta.label_lower not in labels]
    totals = {model: Table(model, connection_to(SOURCE)).count() for model in compared_now}
    listener(StageStarted("verify", sum(totals.values())))
    accounts = accounts or Accounts()
    comparing = _Comparing(manifest, accounts, options, listener, sink)
    findings: tuple[Finding, ...] = ()
    with comparing.begun(totals) as compared:
        if sink is None:
            findings = tuple(_findings(covered, manifest))
    if sink is not None and all(each.ok for each in compared):
        findings = tuple(_findings(covered, manifest))
    seconds = time.monotonic() - begun
    listener(StageFinished("verify", sum(each.compared for each in compared), seconds))
    return VerifyResult((*known, *compared), findings, seconds)


def compare_changed(
    endpoints: Endpoints, manifest: Manifest, changes: RowChanges, sink: Sink, listener: Listener
) -> None:
    """Compare only the rows that have changed in the source; those that differ go to `sink`."""
    endpoints.open()
    covered = _models_to_compare(endpoints, manifest)
    _require_tables(covered)
    comparing = _Comparing(manifest, Accounts(), VerifyOptions(), listener, sink)
    for model in covered:
        pair = comparing.pair(model)
        for keys in changes.changed(model):
            pair.compare_keys(keys)
        for keys in changes.gone(model):
            pair.find_gone(keys)


def compare_row(endpoints: Endpoints, row: str, manifest: Manifest | None = None) -> RowPair:
    """One row at both endpoints, named as "shop.order:17"; a composite key is a JSON list.

    Raises UsageError for a name that makes no sense.
    """
    endpoints.open()
    label, _, text = row.partition(":")
    covered = {model._meta.label_lower: model for model in _models_to_compare(endpoints, manifest)}
    model = covered.get(manifest.label_of(label) if manifest else model_label(label))
    if model is None:
        raise UsageError(f"No model {label or row!r} is compared", hint=_ROW_HINT)
    return ModelPair(model, NaturalRows(_kept_ids(manifest))).row(_key_from(model, text))


def _key_from(model: Model, text: str) -> Key:
    """A key as a user types it, as Django reads it."""
    fields = key_fields(model)
    try:
        parts = json.loads(text) if len(fields) > 1 else [text]
        return tuple(
            root_field(field).to_python(part) for field, part in zip(fields, parts, strict=True)
        )
    except (ValueError, TypeError, ValidationError):
        raise UsageError(
            f"{text!r} is not a primary key of {model._meta.label_lower}", hint=_ROW_HINT
        ) from None


class _Comparing:
    """Compares models in threads, each with connections of its own.

    While one thread waits for a database, another compares. A large model is cut into ranges
    of its key.
    """

    def __init__(
        self,
        manifest: Manifest | None,
        accounts: Accounts,
        options: VerifyOptions,
        listener: Listener,
        sink: Sink | None,
    ) -> None:
        # Only fixturepipe keeps the ids of many-to-many rows.
        self._keeps_ids = manifest is not None
        self._sink = sink
        self._natural = NaturalRows(_kept_ids(manifest))
        self._accounts = accounts
        self._options = options
        self._listener = listener
        self._one_at_a_time = threading.Lock()

    @contextmanager
    def begun(self, totals: Mapping[Model, int]) -> Iterator[list[ModelComparison]]:
        """Give the list that holds the comparisons, model by model, when the block ends."""
        compared: list[ModelComparison] = []
        wanted = self._options.workers or _worthwhile_threads(totals)
        # Each thread has a connection to both.
        threads = min(further_connections(connection_to(a), wanted) for a in (SOURCE, TARGET))
        if threads <= 1:
            yield compared
            rows = _rows_of_target(totals)
            compared += [
                self._whole(model, [self._part(model, EVERYTHING)], rows[model]) for model in totals
            ]
            return
        with connected_threads(threads) as pool:
            parts = {
                model: [
                    pool.submit(self._part, model, bounds) for bounds in self._ranges(model, rows)
                ]
                for model, rows in totals.items()
            }
            yield compared
            counts = _rows_of_target(totals)
            for model, futures in parts.items():
                found = [future.result() for future in futures]
                compared.append(self._whole(model, found, counts[model]))

    def pair(self, model: Model) -> ModelPair:
        """The model at both endpoints, over this thread's connections."""
        return ModelPair(
            model,
            self._natural,
            self._accounts,
            self._options,
            links_by_ends=self._is_compared_by_links(model),
            sink=self._sink,
        )

    def _is_compared_by_links(self, model: Model) -> bool:
        return bool(model._meta.auto_created) and not self._keeps_ids

    def _ranges(self, model: Model, rows: int) -> list[Bounds]:
        """The model's rows in parts of some ten thousand, by ranges of an integer key."""
        table = Table(model, connection_to(SOURCE), key_fields(model))
        count = rows // _PART_ROWS
        if count < 2 or not table.has_integer_key or self._is_compared_by_links(model):
            return [EVERYTHING]
        first, last = table.key_range()
        marks = [first + (last - first) * number // count for number in range(1, count)]
        edges = [None, *((mark,) for mark in marks), None]
        return [Bounds(after, upto) for after, upto in pairwise(edges)]

    def _part(self, model: Model, bounds: Bounds) -> ModelComparison:
        condition = _later_than(model, self._options.since)
        advanced = partial(self._advanced, model._meta.label_lower)
        return self.pair(model).compare(bounds, condition, advanced)

    def _whole(
        self, model: Model, parts: Sequence[ModelComparison], target: int
    ) -> ModelComparison:
        """The sum of the parts, with the missing and extra rows that only the counts show.

        `target` is the number of its rows there.
        """
        pair, limit = self.pair(model), self._options.limit
        found = pair.counted(target)
        for part in parts:
            found = found.plus(part, limit)
        if self._options.sample is not None or _later_than(model, self._options.since):
            if found.source != found.target:
                # The search by key finds the sample's missing rows again, and all others.
                found = found.without_missing()
                found = found.plus(pair.find_missing(), limit).plus(pair.find_extra(), limit)
        elif pair.has_extra_rows(found):
            found = found.plus(pair.find_extra(), limit)
        return found

    def _advanced(self, label: str, rows: int) -> None:
        with self._one_at_a_time:
            self._listener(StageAdvanced("verify", rows, label))


def _worthwhile_threads(totals: Mapping[Model, int]) -> int:
    """How many threads the comparison of so many rows is worth, by the target's distance."""
    pages = sum(1 + rows // PAGE_ROWS for rows in totals.values())
    working = (1 + sum(totals.values())) * _SECONDS_A_ROW
    return worthwhile(pages * round_trip(connection_to(TARGET)), working)


def _rows_of_target(compared: Iterable[Model]) -> dict[Model, int]:
    """The number of rows of each model's table in the target."""
    target = connection_to(TARGET)
    tables = {model: table_name(model, target) for model in compared}
    found = row_counts(target, tables.values())
    return {model: found.get(table, 0) for model, table in tables.items()}


def check_options(options: VerifyOptions) -> None:
    """Raise UsageError for options that make no sense."""
    if options.sample is not None and not 0 < options.sample <= 1:
        raise UsageError("--sample takes a share from 0% to 100%", hint="Example: --sample 1%")
    if options.workers < 0:
        raise UsageError("--workers takes a number from 0", hint="Example: --workers 4")
    if options.since is not None:
        _datetime(options.since)


def _models_to_compare(endpoints: Endpoints, manifest: Manifest | None) -> list[Model]:
    """The models that the source covers and, with a manifest, that were dumped."""
    with endpoints.bound_to_source() as alias:
        covered = coverage(connection_to(SOURCE), alias, connection_to(TARGET)).models
    dumped = {label for dump in manifest.dumps for label in dump.models} if manifest else set()
    if manifest is not None and manifest.arrangement is not None:
        dumped |= set(manifest.arrangement.models)
    if not dumped:
        return covered
    return [model for model in covered if model._meta.label_lower in dumped]


def _kept_ids(manifest: Manifest | None) -> Collection[str]:
    """The labels of models whose objects have no key in a fixture, and whose ids a run kept."""
    state = Ledger(connection_to(TARGET), manifest.run).state() if manifest is not None else None
    return manifest.natural_ids if manifest is not None and state and state.keeps_ids else ()


def _require_tables(covered: list[Model]) -> None:
    target = connection_to(TARGET)
    there = {folded(name, target) for name in target.introspection.table_names()}
    names = (table_name(model, target) for model in covered)
    lacking = [name for name in names if folded(name, target) not in there]
    if lacking:
        raise ConfigurationError(
            f"The target lacks {counted(len(lacking), 'table')}: {listed(lacking, 5)}",
            hint="Migrate the target, or load into it.",
        )


def _later_than(model: Model, since: str | None) -> Condition | None:
    """Rows made or changed since then; None if the model does not record it."""
    if since is None:
        return None
    source = connection_to(SOURCE)
    parts, parameters = [], []
    for field in model._meta.local_concrete_fields:
        if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
            parts.append(f"{source.ops.quote_name(field.column)} >= %s")
            parameters.append(field.get_db_prep_value(field.to_python(_datetime(since)), source))
    return Condition(" OR ".join(parts), tuple(parameters)) if parts else None


def _datetime(since: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(since)
    except ValueError:
        raise UsageError(
            f"--since {since!r} is not a date or datetime", hint="Example: --since 2026-01-31T12:00"
        ) from None
    if settings.USE_TZ and timezone.is_naive(found):
        return timezone.make_aware(found)
    return found


def _findings(covered: list[Model], manifest: Manifest | None) -> Iterator[Finding]:
    source, target = connection_to(SOURCE), connection_to(TARGET)
    yield from soundness.missing_foreign_keys(covered, target)
    indexes = UniqueIndexes(target)
    changes = manifest.schema_changes if manifest is not None else ()
    declared = {(c.model, c.fields) for c in changes if c.unique and not c.statement}

    @cache
    def unguarded() -> set[tuple[str, tuple[str, ...]]]:
        return declared | {(each.label, each.fields) for each in left_out(target)}

    yield from soundness.dangling_references(covered, target)
    for model in covered:
        yield from soundness.missing_uniqueness(model, target, indexes, unguarded)
    highest = manifest.sequences if manifest is not None else highest_keys(source, covered)
    # `load` promises the next keys; rows that another tool moved can be equal without them.
    level: Level = "error" if Ledger(target, "").exists() else "warning"
    yield from soundness.reused_keys(covered, target, highest, level)
