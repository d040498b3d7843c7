"""What `check` finds in the rows of the source, model by model, in two processes.

The second process begins with the questions that databases answer by themselves, this one with
reading rows from the first model on; whichever is done takes over what the other has left, from
the last model on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from django.apps import apps
from django.db import models

from fixturepipe.check.constraints import broken_checks
from fixturepipe.check.parallel import second_process
from fixturepipe.check.references import dangling_generic_keys, dangling_keys, unproven_natural_keys
from fixturepipe.check.scan import TableScan, Transform
from fixturepipe.check.target import ServerFacts, TargetServer
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
    here = _Questions(target, altering)
    read: dict[Model, list[Finding]] = {}
    asked: dict[Model, list[Finding]] = {}
    known = target.facts if target.is_server else None
    with second_process(partial(_begin_elsewhere, known, altering)) as pool:
        answers = {m: pool.submit(_ask_elsewhere, m._meta.label) for m in totals}
        readings = {m: pool.submit(_read_elsewhere, m._meta.label) for m in last_first}
        for model, rows in totals.items():
            if readings[model].cancel():
                read[model] = here.read(model)
                listener(StageAdvanced("check", rows, model._meta.label_lower))
        for model in last_first:
            if answers[model].cancel():
                asked[model] = here.ask(model)
        for model, rows in totals.items():
            if model not in read:
                read[model] = readings[model].result()
                listener(StageAdvanced("check", rows, model._meta.label_lower))
            yield from read[model]
            yield from asked[model] if model in asked else answers[model].result()


class _Questions:
    """What this process (or thread) finds about a model, by its own connections."""

    def __init__(self, target: TargetServer, altering: Altering) -> None:
        self._target = target
        self._altering = altering

    @cached_property
    def _tables(self) -> Tables:
        return Tables(connection_to(SOURCE))

    def read(self, model: Model) -> list[Finding]:
        """What reading the rows finds."""
        return list(self._altering.scan(model, self._target).read())

    def ask(self, model: Model) -> list[Finding]:
        """What the databases find by themselves."""
        tables, target, fixes = self._tables, self._target, Fixes(self._altering.fix)
        return [
            *self._altering.scan(model, target).ask(),
            *dangling_keys(model, tables, fixes),
            *dangling_generic_keys(model, tables),
            *unproven_natural_keys(model, tables),
            *duplicate_values(model, tables.connection, target, fixes),
            *broken_checks(model, tables.connection, target),
        ]


_elsewhere = threading.local()


def _begin_elsewhere(known: ServerFacts | None, altering: Altering) -> None:
    _elsewhere.questions = _Questions(TargetServer.registered(known), altering)


def _ask_elsewhere(label: str) -> list[Finding]:
    found: list[Finding] = _elsewhere.questions.ask(apps.get_model(label))
    return found


def _read_elsewhere(label: str) -> list[Finding]:
    found: list[Finding] = _elsewhere.questions.read(apps.get_model(label))
    return found
