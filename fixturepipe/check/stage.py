"""`check`: every row and every setting that would fail or change on the way, before the move.

Reads only. Each problem is a finding with an id, the first keys with their values, what will
happen if nothing is done, and what to do.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from django.apps import apps
from django.db import connections, models

from fixturepipe.check import schema, server
from fixturepipe.check.constraints import broken_checks
from fixturepipe.check.references import dangling_generic_keys, dangling_keys, unproven_natural_keys
from fixturepipe.check.scan import TableScan
from fixturepipe.check.schema import left_out
from fixturepipe.check.target import Target
from fixturepipe.check.uniqueness import duplicate_values
from fixturepipe.databases import forks
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints, connection_to
from fixturepipe.databases.introspection import coverage
from fixturepipe.databases.tables import Table
from fixturepipe.errors import FixturepipeError
from fixturepipe.events import Listener, StageAdvanced, StageFinished, StageStarted
from fixturepipe.findings.finding import LEVELS, Finding
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.declarations import FIXES_FOR, Declaration
from fixturepipe.fixes.fixes import Fixes, suggestions

Model = type[models.Model]

# So many times as long as check takes a run from dump to verify (`make bench WHAT=scaling`): both
# go by the rows and their width, on the same machine.
RUN_TO_CHECK = 20


@dataclass(frozen=True)
class CheckOptions:
    """`ignore` holds ids, each alone or with a label ("FP203" or "FP203:shop.order");
    `labels` and `exclude` are apps or models, as dumpdata takes them. `workdir` is where the
    run directory is to be. `fix` are the declared remedies.
    """

    ignore: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    workdir: Path = Path("fixturepipe-run")
    fix: tuple[Declaration, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """About what a run takes: bytes in the run directory, seconds from dump to verify."""

    bytes: int
    seconds: float


@dataclass(frozen=True)
class CheckResult:
    """The findings, errors first. `ignored` counts those that the options left out."""

    findings: tuple[Finding, ...]
    ignored: int
    seconds: float
    estimate: Estimate

    @property
    def ok(self) -> bool:
        """Whether nothing will fail or change on the way but what declared remedies change."""
        return not any(finding.stands for finding in self.findings)


def check(endpoints: Endpoints, options: CheckOptions, listener: Listener) -> CheckResult:
    """Look for everything that would go wrong. A target that is missing or empty is a note.

    Raises ConfigurationError for a remedy that makes no sense.
    """
    begun = time.monotonic()
    Fixes(options.fix)  # raises before anything is looked at
    endpoints.open()
    source = connection_to(SOURCE)
    target = _target()
    with endpoints.bound_to_source() as alias:
        covered = coverage(source, alias)
    chosen = [m for m in covered.models if _is_asked_for(m._meta.label_lower, options)]
    totals = {model: Table(model, source).count() for model in chosen}
    listener(StageStarted("check", sum(totals.values())))
    found = [f for f in left_out(covered.not_covered, source) if _is_asked_for(f.model, options)]
    found += _findings_of_target(endpoints, chosen, target)
    needed = _bytes_needed(totals)
    found += server.space(options.workdir, needed)
    found += _findings_of_rows(totals, target, options.fix, listener)
    kept = [_with_suggestions(f) for f in found if not _is_ignored(f, options)]
    kept.sort(key=lambda finding: LEVELS.index(finding.level))
    seconds = time.monotonic() - begun
    listener(StageFinished("check", sum(totals.values()), seconds))
    estimate = Estimate(needed, seconds * RUN_TO_CHECK)
    return CheckResult(tuple(kept), len(found) - len(kept), seconds, estimate)


def _findings_of_rows(
    totals: dict[Model, int], target: Target, fix: tuple[Declaration, ...], listener: Listener
) -> Iterator[Finding]:
    """What reading the models finds, and what the databases find by themselves.

    Two processes share the work. The other begins with the questions to the databases, this one
    with reading from the first model on; who is done goes on with what the other has left, from
    the last model on.
    """
    source, fixes, last_first = connection_to(SOURCE), Fixes(fix), list(reversed(totals))
    read: dict[Model, list[Finding]] = {}
    asked: dict[Model, list[Finding]] = {}
    with _beside() as pool:
        answers = {m: pool.submit(_ask, m._meta.label, fix) for m in totals}
        readings = {m: pool.submit(_read, m._meta.label, fix) for m in last_first}
        for model, rows in totals.items():
            if readings[model].cancel():
                read[model] = list(TableScan(model, source, target, fixes).read())
                listener(StageAdvanced("check", rows, model._meta.label_lower))
        for model in last_first:
            if answers[model].cancel():
                asked[model] = _asked(model, target, fixes)
        for model, rows in totals.items():
            if model not in read:
                read[model] = readings[model].result()
                listener(StageAdvanced("check", rows, model._meta.label_lower))
            yield from read[model]
            yield from asked[model] if model in asked else answers[model].result()


_beside_us = threading.local()


def _ask(label: str, fix: tuple[Declaration, ...]) -> list[Finding]:
    return _asked(apps.get_model(label), _target_beside(), Fixes(fix))


def _asked(model: Model, target: Target, fixes: Fixes) -> list[Finding]:
    """What the databases find by themselves about a model."""
    source = connection_to(SOURCE)
    return [
        *TableScan(model, source, target, fixes).ask(),
        *dangling_keys(model, source, fixes),
        *dangling_generic_keys(model, source),
        *unproven_natural_keys(model, source),
        *duplicate_values(model, source, target, fixes),
        *broken_checks(model, source, target),
    ]


def _read(label: str, fix: tuple[Declaration, ...]) -> list[Finding]:
    """What reading a model's values finds."""
    source = connection_to(SOURCE)
    return list(TableScan(apps.get_model(label), source, _target_beside(), Fixes(fix)).read())


def _target_beside() -> Target:
    if not hasattr(_beside_us, "target"):
        _beside_us.target = _target()
    target: Target = _beside_us.target
    return target


@contextmanager
def _beside() -> Iterator[Executor]:
    """Waits for the databases' own work while this process reads and judges values.

    A forked process has Python's lock for itself; where none may be forked, it is a thread. It has
    connections of its own and closes them at the end.
    """
    pool: Executor
    if forks.start_method() == "fork":
        connection_to(SOURCE).close()  # SQLite's locks do not bear to be carried over
        context = multiprocessing.get_context("fork")
        pool = ProcessPoolExecutor(1, context, initializer=forks.begin)
    else:
        pool = ThreadPoolExecutor(1)
    try:
        yield pool
        pool.submit(_close_connections).result()
    except BrokenExecutor as error:
        raise FixturepipeError(
            f"The second process of check died: {error}", hint="Give the same command again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _close_connections() -> None:
    connections.close_all()


def _target() -> Target:
    return Target(connection_to(TARGET) if TARGET in connections.settings else None)


def _findings_of_target(
    endpoints: Endpoints, covered: list[Model], target: Target
) -> Iterator[Finding]:
    if not target.is_server:
        return
    yield from server.strictness(target)
    yield from server.privileges(target)
    if endpoints.target is not None:
        yield from server.connection_charset(endpoints.target)
    yield from schema.time_zones(target)
    yield from schema.promises(endpoints)
    yield from schema.postgresql_kinds(covered)
    if not target.has_tables:
        yield RULES["FP301"].finding("", "")
        return
    yield from schema.migrations(connection_to(SOURCE), target)
    yield from schema.columns(covered, target)
    yield from schema.tables(covered, target)
    yield from schema.collations(covered, target)


def _bytes_needed(totals: dict[Model, int]) -> int:
    """About what the run directory will take: each row twice, in a dump and in a chunk.

    The size of a row is that of the first ones of its table.
    """
    source, needed = connection_to(SOURCE), 0
    for model, rows in totals.items():
        table = Table(model, source)
        page = next(table.pages(rows=50), [])
        names = sum(len(field.name) + 6 for field in table.fields)
        size = sum(len(repr(row)) for row in page) // max(1, len(page))
        needed += 2 * rows * (size + names + len(model._meta.label) + 30)
    return needed


def _is_asked_for(label: str, options: CheckOptions) -> bool:
    names = {label, label.partition(".")[0]}
    chosen = not options.labels or any(each.lower() in names for each in options.labels)
    return chosen and not any(each.lower() in names for each in options.exclude)


def _with_suggestions(finding: Finding) -> Finding:
    """The finding with the declarations that would mend it, told after its remedy."""
    if not finding.model or finding.id not in FIXES_FOR:
        return finding
    model = apps.get_model(finding.model)
    fields = [model._meta.get_field(name) for name in finding.field.split(", ")]
    told = [f'"{each.target}" = "{each.fix}"' for each in suggestions(finding.id, model, fields)]
    if not told:
        return finding
    text = f"{finding.hint} Or declare in [tool.fixturepipe.fix]: {' or '.join(told)}."
    return replace(finding, hint=text)


def _is_ignored(finding: Finding, options: CheckOptions) -> bool:
    for ignored in options.ignore:
        rule, _, label = ignored.partition(":")
        if rule.upper() == finding.id and label.lower() in ("", finding.model):
            return True
    return False
