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
from typing import Literal, NamedTuple

from django.apps import apps

from fixturepipe.artifacts.fixtures import model_label
from fixturepipe.check.constraints import broken_checks
from fixturepipe.check.parallel import SharedTasks, second_process
from fixturepipe.check.references import dangling_generic_keys, dangling_keys, unproven_natural_keys
from fixturepipe.check.scan import TableScan, Transform
from fixturepipe.check.target import ServerFacts, TargetServer
from fixturepipe.check.uniqueness import duplicate_values
from fixturepipe.databases.coverage import Tables
from fixturepipe.databases.endpoints import SOURCE, connection_to
from fixturepipe.databases.fields import Model
from fixturepipe.events import Listener, StageAdvanced
from fixturepipe.findings.finding import Finding
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.fixes import Fixes


class _Task(NamedTuple):
    """What is to be found about a model, given by its label."""

    does: Literal["ask", "read"]
    label: str


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
    totals: dict[Model, int], target: TargetServer, altering: Altering, listener: Listener
) -> Iterator[Finding]:
    """The findings about these models' rows; `totals` has the number of rows of each."""
    here = _Questions(target, altering)
    known = target.facts if target.is_server else None
    labels = {model._meta.label: rows for model, rows in totals.items()}
    tasks = [_Task("ask", label) for label in labels]
    tasks += [_Task("read", label) for label in reversed(labels)]
    found: dict[_Task, list[Finding]] = {}
    with second_process(partial(_begin_elsewhere, known, altering)) as pool:
        shared = SharedTasks(pool, _answer_elsewhere, tasks)
        for task in shared:
            found[task] = here.answer(task)
            if task.does == "read":
                listener(StageAdvanced("check", labels[task.label], model_label(task.label)))
        for label, rows in labels.items():
            read, ask = _Task("read", label), _Task("ask", label)
            if read not in found:
                found[read] = shared.result(read)
                listener(StageAdvanced("check", rows, model_label(label)))
            yield from found[read]
            yield from found[ask] if ask in found else shared.result(ask)


class _Questions:
    """What this process (or thread) finds about a model, by its own connections."""

    def __init__(self, target: TargetServer, altering: Altering) -> None:
        self._target = target
        self._altering = altering

    @cached_property
    def _tables(self) -> Tables:
        return Tables(connection_to(SOURCE))

    def answer(self, task: _Task) -> list[Finding]:
        model = apps.get_model(task.label)
        if task.does == "ask":
            return self._ask(model)
        return list(self._altering.scan(model, self._target).read())

    def _ask(self, model: Model) -> list[Finding]:
        """What the databases find by themselves."""
        tables, target, fixes = self._tables, self._target, Fixes(self._altering.fix)
        scan = self._altering.scan(model, target)
        altered = scan.altered if scan.alters else None
        return [
            *scan.ask(),
            *dangling_keys(model, tables, fixes),
            *dangling_generic_keys(model, tables),
            *unproven_natural_keys(model, tables),
            *duplicate_values(model, tables.connection, target, fixes),
            *broken_checks(model, tables.connection, target, altered),
        ]


_elsewhere = threading.local()


def _begin_elsewhere(known: ServerFacts | None, altering: Altering) -> None:
    _elsewhere.questions = _Questions(TargetServer.registered(known), altering)


def _answer_elsewhere(task: _Task) -> list[Finding]:
    found: list[Finding] = _elsewhere.questions.answer(task)
    return found
