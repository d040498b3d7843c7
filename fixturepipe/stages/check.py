"""`check`: every row and every setting that would fail or change on the way, before the move.

Reads only. Each problem is a finding with an id, the first keys with their values, what will
happen if nothing is done, and what to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import models

from fixturepipe.databases.checks.references import dangling_generic_keys, dangling_keys
from fixturepipe.databases.checks.scan import TableScan
from fixturepipe.databases.checks.target import Target
from fixturepipe.databases.checks.uniqueness import duplicate_values
from fixturepipe.databases.ends import SOURCE, TARGET, Ends, connection_to
from fixturepipe.databases.findings import LEVELS, Finding
from fixturepipe.databases.introspection import coverage
from fixturepipe.databases.tables import Table
from fixturepipe.events import Listener, StageAdvanced, StageFinished, StageStarted

Model = type[models.Model]


@dataclass(frozen=True)
class CheckOptions:
    """`ignore` holds ids, each alone or with a label ("FP203" or "FP203:shop.order");
    `labels` and `exclude` are apps or models, as dumpdata takes them.
    """

    ignore: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """The findings, errors first. `ignored` counts those that the options left out."""

    findings: tuple[Finding, ...]
    ignored: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing will fail or change on the way."""
        return not any(finding.level == "error" for finding in self.findings)


def check(ends: Ends, options: CheckOptions, listener: Listener) -> CheckResult:
    """Look for everything that would go wrong. A target that is missing or empty is a note."""
    begun = time.monotonic()
    ends.open()
    source = connection_to(SOURCE)
    target = Target(connection_to(TARGET) if ends.target is not None else None)
    with ends.bound_to_source() as alias:
        covered = [m for m in coverage(source, alias).models if _is_chosen(m, options)]
    totals = {model: Table(model, source).count() for model in covered}
    listener(StageStarted("check", sum(totals.values())))
    found: list[Finding] = []
    for model, rows in totals.items():
        found += _findings_of(model, target)
        listener(StageAdvanced("check", rows, model._meta.label_lower))
    kept = [finding for finding in found if not _is_ignored(finding, options)]
    kept.sort(key=lambda finding: LEVELS.index(finding.level))
    seconds = time.monotonic() - begun
    listener(StageFinished("check", sum(totals.values()), seconds))
    return CheckResult(tuple(kept), len(found) - len(kept), seconds)


def _findings_of(model: Model, target: Target) -> Iterator[Finding]:
    source = connection_to(SOURCE)
    yield from TableScan(model, source, target).findings()
    yield from dangling_keys(model, source)
    yield from dangling_generic_keys(model, source)
    yield from duplicate_values(model, source, target)


def _is_chosen(model: Model, options: CheckOptions) -> bool:
    names = {model._meta.label_lower, model._meta.app_label}
    chosen = not options.labels or any(label.lower() in names for label in options.labels)
    return chosen and not any(label.lower() in names for label in options.exclude)


def _is_ignored(finding: Finding, options: CheckOptions) -> bool:
    for ignored in options.ignore:
        rule, _, label = ignored.partition(":")
        if rule.upper() == finding.id and label.lower() in ("", finding.model):
            return True
    return False
