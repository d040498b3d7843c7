"""`check`: find every row and setting that would fail or change in the move, before it begins.

Reads only. Each problem is a finding with an id, the first keys with their values, the
consequence, and what to do about it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.apps import apps

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.check import computed, emptytarget, promises, schema, server
from fixturepipe.check.options import CheckOptions
from fixturepipe.check.rowfindings import Altering, findings_of_rows
from fixturepipe.check.scan import Transform
from fixturepipe.check.schema import left_out
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.coverage import coverage
from fixturepipe.databases.endpoints import EMBEDDED, SOURCE, Endpoints, connection_to
from fixturepipe.databases.fields import Model
from fixturepipe.databases.scratch import scratch
from fixturepipe.databases.tables import Table
from fixturepipe.errors import UsageError
from fixturepipe.events import Listener, StageFinished, StageStarted, ignore
from fixturepipe.findings.finding import LEVELS, Finding, spooled_in
from fixturepipe.findings.record import NAME, write_findings
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.declarations import FIXES_FOR
from fixturepipe.fixes.fixes import Fixes, suggestions

# A run takes so many times as long as check does (`make bench WHAT=scaling`): the time of both
# grows with the rows and their width.
RUN_TO_CHECK = 20
# How often a run waits for a far target (`make bench WHAT=far`): around the chunks, for each table
# that it makes, and for a megabyte of the run directory, by several processes at once.
_WAITS, _WAITS_A_TABLE, _WAITS_A_MEGABYTE = 100, 10, 0.5
# So often the check of the rows waits for it.
_CHECK_WAITS = 5
# A load takes about so many times as long where the data does not fit into the buffer pool.
_SMALL_POOL = 3


@dataclass(frozen=True)
class Estimate:
    """What a run takes, about: bytes in the run directory, seconds from dump to verify."""

    bytes: int
    seconds: float


@dataclass(frozen=True)
class CheckResult:
    """The findings, errors first. `ignored` counts the findings that the options leave out.

    `saw_tables` says whether the target had tables to ask about; `check_tables` asks later. `file`
    has every row of every finding.
    """

    findings: tuple[Finding, ...]
    ignored: int
    seconds: float
    estimate: Estimate
    saw_tables: bool = True
    file: Path = field(default_factory=lambda: Path(NAME))

    @property
    def ok(self) -> bool:
        """Whether nothing would fail or change in the move, except by declared fixes."""
        return not any(finding.stands for finding in self.findings)

    def plus(self, found: Sequence[Finding], options: CheckOptions, scratch: Path) -> CheckResult:
        """The result with further findings, except those that the options leave out.

        Replaces `findings.jsonl` in the run directory, by way of a scratch directory.
        """
        reported = [each for each in found if _is_reported(each, options)]
        every = (*self.findings, *reported)
        kept = [_with_suggestions(each, every) for each in reported]
        together = sorted([*self.findings, *kept], key=lambda f: LEVELS.index(f.level))
        file = options.workdir / NAME
        written = write_findings(file, together, scratch)
        ignored = self.ignored + len(found) - len(kept)
        return replace(self, findings=tuple(written), ignored=ignored, file=file)


def check(
    endpoints: Endpoints,
    options: CheckOptions,
    listener: Listener,
    transform: Transform | None = None,
) -> CheckResult:
    """Look for everything that would go wrong; `findings.jsonl` in the run directory has all rows.

    `transform` is what `options.transform` names, ready to be asked about single values.

    A target that is missing or empty is a note. Raises ConfigurationError for a fix that cannot
    apply and as the transform does, UsageError for a finding that does not exist,
    RunDirectoryError if the run directory cannot be written.
    """
    begun = time.monotonic()
    _require_known(options)
    fixes = Fixes(options.fix)
    RunDirectory(options.workdir).create()
    endpoints.open()
    target = TargetServer.registered()
    totals, found = _tables_of_source(endpoints, options, target)
    listener(StageStarted("check", sum(totals.values())))
    needed = _bytes_needed(totals)
    altering = Altering(options.fix, transform)
    with scratch(RunDirectory(options.workdir)) as spool, spooled_in(spool):
        found += findings_of_rows(totals, target, altering, listener)
        working = time.monotonic() - begun
        found += server.space(options.workdir, needed)
        found += server.account_limits(target, len(totals), needed)
        if endpoints.target is not None and endpoints.target.name != EMBEDDED:
            found += server.buffer_pool(target, needed)
        migrates = options.schema == "migrate"
        found += _findings_of_target(endpoints, list(totals), target, fixes, migrates=migrates)
        if target.has_tables:
            found += schema.existing_rows(totals, target)
        new_tables = len(totals) if target.is_server and not target.has_tables else 0
        pool = target.facts.buffer_pool if target.is_server else None
        estimate = Estimate(
            needed,
            seconds_of_run(
                working, needed, distance=target.distance, new_tables=new_tables, pool=pool
            ),
        )
        seconds = time.monotonic() - begun
        saw_tables = target.has_tables or not target.is_server
        result = CheckResult((), 0, seconds, estimate, saw_tables).plus(found, options, spool)
    listener(StageFinished("check", sum(totals.values()), seconds))
    return result


def _tables_of_source(
    endpoints: Endpoints, options: CheckOptions, target: TargetServer
) -> tuple[dict[Model, int], list[Finding]]:
    """The chosen models that can be read, with their rows, and findings about all others."""
    source = connection_to(SOURCE)
    with endpoints.bound_to_source() as alias:
        covered = coverage(source, alias, target.connection)
    found = [f for f in left_out(covered.not_covered, source) if is_asked_for(f.model, options)]
    chosen = [m for m in covered.models if is_asked_for(m._meta.label_lower, options)]
    found += schema.source_columns(chosen, source)
    unreadable = {f.model for f in found if f.id == "FP325"}
    readable = (model for model in chosen if model._meta.label_lower not in unreadable)
    return {model: Table(model, source).count() for model in readable}, found


def check_tables(
    endpoints: Endpoints,
    options: CheckOptions,
    before: CheckResult,
    listener: Listener = ignore,
    transform: Transform | None = None,
) -> CheckResult:
    """Complete the result of a check on an empty target, now that the target has tables.

    Models whose tables have other types or more constraints in the target than in the project, as
    migrations may make them, are read a second time.
    """
    endpoints.open()
    source, target = connection_to(SOURCE), TargetServer.registered()
    with endpoints.bound_to_source() as alias:
        covered = coverage(source, alias).models
    chosen = [m for m in covered if is_asked_for(m._meta.label_lower, options)]
    found = list(_findings_of_tables(chosen, target))
    differing = {f.model for f in found if f.id in ("FP307", "FP316")}
    differing |= {m._meta.label_lower for m in chosen if target.has_more_constraints(m)}
    totals = {m: Table(m, source).count() for m in chosen if m._meta.label_lower in differing}
    with scratch(RunDirectory(options.workdir)) as spool, spooled_in(spool):
        altering = Altering(options.fix, transform)
        found += findings_of_rows(totals, target, altering, listener)
        old = [f for f in before.findings if not (f.model in differing and f.id < "FP300")]
        kept = tuple(f for f in old if f.id != "FP301")
        return replace(before, findings=kept).plus(found, options, spool)


def _findings_of_target(
    endpoints: Endpoints,
    covered: list[Model],
    target: TargetServer,
    fixes: Fixes,
    *,
    migrates: bool,
) -> Iterator[Finding]:
    if not target.is_server or endpoints.target is None:
        return
    assert target.connection is not None
    yield from server.settings(target, endpoints.target)
    yield from server.read_only(target)
    yield from server.privileges(target)
    if endpoints.target.name != EMBEDDED:
        yield from schema.time_zones(target)
    yield from server.driver(target.connection)
    yield from promises.lost(covered, target.connection)
    yield from promises.django_checks(endpoints)
    yield from schema.unquotable_names(covered)
    yield from schema.postgresql_kinds(covered)
    yield from computed.generated_values(covered, target)
    if not target.has_tables:
        yield RULES["FP301"].finding()
        yield from server.default_charset(target)
        yield from emptytarget.questions(endpoints, covered, target, fixes, migrates=migrates)
        return
    yield from _findings_of_tables(covered, target)


def _findings_of_tables(covered: list[Model], target: TargetServer) -> Iterator[Finding]:
    """What only real tables can answer."""
    if others := list(schema.other_copier(target)):
        yield from others
        return
    yield from schema.migrations(connection_to(SOURCE), target)
    yield from schema.columns(covered, target)
    yield from schema.tables(covered, target)
    yield from schema.collations(covered, target)
    yield from computed.triggers(covered, target)


def seconds_of_run(
    checking: float, size: int, *, distance: float = 0.0, new_tables: int = 0, pool: int | None
) -> float:
    """How long a run takes, about, that writes `size` bytes into the run directory.

    `checking` is how many seconds the check of the rows took, `distance` how many a round trip to
    the target takes, `pool` the bytes of its buffer pool.
    """
    working = max(0.0, checking - _CHECK_WAITS * distance) * RUN_TO_CHECK
    if pool is not None and pool < size:
        working *= _SMALL_POOL
    waits = _WAITS + _WAITS_A_TABLE * new_tables + _WAITS_A_MEGABYTE * size / 1e6
    return working + waits * distance


def _bytes_needed(totals: dict[Model, int]) -> int:
    """The bytes that the run directory needs, about: each row is in a dump and in a chunk.

    The first rows of a table give the size of all.
    """
    source, needed = connection_to(SOURCE), 0
    for model, rows in totals.items():
        table = Table(model, source)
        page = next(table.pages(rows=50), [])
        names = sum(len(field.name) + 6 for field in table.fields)
        size = sum(len(repr(row)) for row in page) // max(1, len(page))
        needed += 2 * rows * (size + names + len(model._meta.label) + 30)
    return needed


def _with_suggestions(finding: Finding, all_findings: Iterable[Finding]) -> Finding:
    """The finding with the declarations that would fix it, named in its hint.

    They name the finding where another one of the column has fixes, too: a key stands once in a
    table.
    """
    if finding.fixed_by or not finding.field or finding.id not in FIXES_FOR:
        return finding
    model = apps.get_model(finding.model)
    fields = [model._meta.get_field(name) for name in finding.field.split(", ")]
    is_alone = not any(_share_a_column(finding, each) for each in all_findings)
    suggested = suggestions(finding.id, model, fields, with_id=not is_alone)
    found = [f'"{each.target}" = "{each.fix}"' for each in suggested]
    if not found:
        return finding
    text = f"{finding.hint} Or declare in [tool.fixturepipe.fix]: {' or '.join(found)}."
    return replace(finding, hint=text)


def _share_a_column(one: Finding, other: Finding) -> bool:
    """Whether two findings with different fixes concern the same column of a model."""
    is_other = other.id != one.id and other.id in FIXES_FOR and other.model == one.model
    return is_other and not set(one.field.split(", ")).isdisjoint(other.field.split(", "))


def _require_known(options: CheckOptions) -> None:
    """Raises UsageError for a finding or a model that does not exist."""
    for option, chosen in (("--ignore", options.ignore), ("--only", options.only_findings)):
        for each in chosen:
            rule, _, label = each.partition(":")
            if rule.upper() not in RULES:
                raise UsageError(
                    f"{option} {each}: there is no finding {rule}",
                    hint="docs/findings.md has them all: FP101 and so on.",
                )
            if label and not _is_model(label):
                raise UsageError(
                    f"{option} {each}: the project has no model {label}",
                    hint=f"Name a model as APP.MODEL: {rule.upper()}:shop.order.",
                )


def _is_reported(finding: Finding, options: CheckOptions) -> bool:
    """Whether the options leave the finding in."""
    only = not options.only_findings or _is_among(finding, options.only_findings)
    return only and not _is_among(finding, options.ignore)


def is_asked_for(label: str, options: CheckOptions) -> bool:
    """Whether the options choose a model or a table, by its label."""
    names = {label.lower(), label.lower().partition(".")[0]}
    chosen = not options.labels or any(each.lower() in names for each in options.labels)
    return chosen and not any(each.lower() in names for each in options.exclude)


def _is_among(finding: Finding, chosen: Iterable[str]) -> bool:
    for each in chosen:
        rule, _, label = each.partition(":")
        if rule.upper() == finding.id and label.lower() in ("", finding.model.lower()):
            return True
    return False


def _is_model(label: str) -> bool:
    with suppress(LookupError, ValueError):
        return bool(apps.get_model(label))
    return False
