"""What `check` finds in the rows of the source, model by model, in two processes.

The second process begins with the questions that databases answer by themselves, this one with
reading rows from the first model on; whichever is done takes over what the other has left, from
the last model on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db import models

from fixturepipe.check.constraints import broken_checks
from fixturepipe.check.parallel import second_process
from fixturepipe.check.references import dangling_generic_keys, dangling_keys, unproven_natural_keys
from fixturepipe.check.scan import TableScan, Transform
from fixturepipe.check.target import TargetServer
from fixturepipe.check.uniqueness import duplicate_values
from fixturepipe.databases.coverage import Tables
from fixturepipe.databases.endpoints import SOURCE, connection_to
from fixturepipe.events import Listener, StageAdvanced
from fixturepipe.findings.finding import Finding
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.fixes import Fixes

Model = type[models.Model]


@dataclass(frozen=True)
class Altering:
    """What changes values on their way: the declared fixes, and the project's transform."""

    fix: tuple[Declaration, ...] = ()
    transform: Transform | None = None

    def scan(self, model: Model, target: TargetServer) -> TableScan:
        """The scan of a model's table, as this process's connection reads it."""
        source = connection_to(SOURCE)
        return TableScan(model, source, target, Fixes(self.fix), self.transform)


def findings_of_rows(
    totals: dict[Model, int],
    target: TargetServer,
    altering: Altering,
    listener: Listener,
) -> Iterator[Finding]:
    """The findings about these models' rows; `totals` has the number of rows of each."""
    last_first = list(reversed(totals))
    tables = Tables(connection_to(SOURCE))
    read: dict[Model, list[Finding]] = {}
    asked: dict[Model, list[Finding]] = {}
    with second_process() as pool:
        answers = {m: pool.submit(_ask_elsewhere, m._meta.label, altering) for m in totals}
        readings = {m: pool.submit(_read_elsewhere, m._meta.label, altering) for m in last_first}
        for model, rows in totals.items():
            if readings[model].cancel():
                read[model] = list(altering.scan(model, target).read())
                listener(StageAdvanced("check", rows, model._meta.label_lower))
        for model in last_first:
            if answers[model].cancel():
                asked[model] = _ask(model, tables, target, altering)
        for model, rows in totals.items():
            if model not in read:
                read[model] = readings[model].result()
                listener(StageAdvanced("check", rows, model._meta.label_lower))
            yield from read[model]
            yield from asked[model] if model in asked else answers[model].result()


def _ask(model: Model, tables: Tables, target: TargetServer, altering: Altering) -> list[Finding]:
    """What the databases find by themselves about a model; `tables` are those of the source."""
    source, fixes = tables.connection, Fixes(altering.fix)
    return [
        *altering.scan(model, target).ask(),
        *dangling_keys(model, tables, fixes),
        *dangling_generic_keys(model, tables),
        *unproven_natural_keys(model, tables),
        *duplicate_values(model, source, target, fixes),
        *broken_checks(model, source, target),
    ]


_elsewhere = threading.local()


def _ask_elsewhere(label: str, altering: Altering) -> list[Finding]:
    return _ask(apps.get_model(label), _tables_elsewhere(), _target_elsewhere(), altering)


def _read_elsewhere(label: str, altering: Altering) -> list[Finding]:
    return list(altering.scan(apps.get_model(label), _target_elsewhere()).read())


def _tables_elsewhere() -> Tables:
    """The source's tables, which this process (or thread) lists once."""
    if not hasattr(_elsewhere, "tables"):
        _elsewhere.tables = Tables(connection_to(SOURCE))
    tables: Tables = _elsewhere.tables
    return tables


def _target_elsewhere() -> TargetServer:
    """The target as this process (or thread) knows it; its catalog is read once."""
    if not hasattr(_elsewhere, "target"):
        _elsewhere.target = TargetServer.registered()
    target: TargetServer = _elsewhere.target
    return target
