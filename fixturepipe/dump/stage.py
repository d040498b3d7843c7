"""Stage 1: each app's rows, from one moment of the source, as a fixture in `1-dump/`.

    snapshot_of       one moment of the source            snapshot
    select           which models                        selection
    repair           the declared fixes, from check      (given by the pipeline)
    choose_keys      which references by natural key     keychoice
    RowPlan          how each model is read and written  rowplan
    dump_models      Django's dumpdata, over the plans   dumpdata

An app's file appears when it is whole, and the manifest says so at once: a dump that is
stopped goes on with the next app, if the source is still what it was.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from django.conf import settings as project_settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import LOOKUP_SEP

from fixturepipe.artifacts.changes import Change, ChangeCounts, changes_path, replace_changes
from fixturepipe.artifacts.manifest import (
    Dump,
    Manifest,
    NotCovered,
    Source,
    open_run,
    write_manifest,
)
from fixturepipe.artifacts.records import FixtureWriter, file_sha256, fixture_writer
from fixturepipe.artifacts.rejects import Reason, rejects_path, remove_rejects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoints
from fixturepipe.databases.introspection import Coverage, applied_migrations, coverage, schema_of
from fixturepipe.databases.sequences import highest_keys
from fixturepipe.dump.changetexts import as_fixture_changes
from fixturepipe.dump.dumpdata import dump_models
from fixturepipe.dump.fingerprint import file_fingerprint, snapshot_fingerprint
from fixturepipe.dump.keychoice import KeyChoice, choose_keys
from fixturepipe.dump.rowplan import RowPlan
from fixturepipe.dump.selection import Selection, select
from fixturepipe.dump.serializer import Problem
from fixturepipe.dump.snapshot import Held, SnapshotKind, snapshot_of
from fixturepipe.dump.transform import Transform
from fixturepipe.errors import SourceDataError
from fixturepipe.events import Listener, Notice, StageAdvanced, StageFinished, StageStarted, ignore
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.fixes import Fixes
from fixturepipe.fixes.rowchange import RowChange

# Part of each dump's fingerprint: when what is written changes, all is dumped anew.
FORM = 1

KEPT_PROBLEMS = 1_000
NAMED_PROBLEMS = 50
SAVED_EVERY = 1.0


@dataclass(frozen=True)
class DumpOptions:
    """What to dump and how.

    `labels` and `exclude` are apps or models, as dumpdata takes them; no labels mean all.
    `natural_keys` is "auto", "all", "none", or labels separated by commas. `on_error` says
    what becomes of objects with values that a fixture cannot carry: "stop" writes no file for
    their app, "reject" writes the objects to `rejects/`. `fix` are the declared remedies, for
    what the target would not take; `transform` is "module:name" (see `databases/transform`).
    """

    labels: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    natural_keys: str = "auto"
    on_error: Literal["stop", "reject"] = "stop"
    snapshot: SnapshotKind = "backup"
    fix: tuple[Declaration, ...] = ()
    transform: str | None = None


@dataclass(frozen=True)
class DumpResult:
    """What the dumps now hold: objects by label. `skipped` apps were dumped before.

    `problems` are the first thousand unfit values; `rejected` counts the objects, by label,
    that were left out for them. `changed` counts the objects that remedies or the transform
    changed, `dropped` those that they left out.
    """

    models: dict[str, int]
    objects: int
    seconds: float
    skipped: tuple[str, ...] = ()
    not_covered: tuple[NotCovered, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    rejected: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


def check_options(options: DumpOptions) -> None:
    """Raise ConfigurationError for remedies and a transform that make no sense."""
    Fixes(options.fix)
    if options.transform is not None:
        Transform(options.transform)


class Repair(Protocol):
    """What applies the declared fixes to the copy of the source before it is read."""

    def __call__(
        self, copy: BaseDatabaseWrapper, chosen: Sequence[type[models.Model]]
    ) -> list[RowChange]:
        """Change rows of the copy and say which."""

    @property
    def unused(self) -> Sequence[Declaration]:
        """The declarations that have changed no row."""

    @property
    def fingerprint_parts(self) -> list[Any]:
        """All that decides what is changed."""


def dump(
    directory: RunDirectory,
    endpoints: Endpoints,
    options: DumpOptions,
    listener: Listener = ignore,
    repair: Repair | None = None,
) -> DumpResult:
    """Write `1-dump/<app>.json` for each app that is not dumped already, and the manifest.

    `repair` is what `options.fix` declares, ready to be applied.

    Raises UsageError for labels and remedies that mean nothing, and SourceDataError where values
    are unfit and `on_error` is "stop": the other apps' files stand then.
    """
    began = time.monotonic()
    remedies = _Alterations(options, repair)
    manifest = open_run(directory)
    marks = file_fingerprint(endpoints)
    with snapshot_of(directory, endpoints, options.snapshot) as held:
        connection = held.connection
        marks |= snapshot_fingerprint(held)
        covered = coverage(connection, connection.alias)
        chosen = _chosen(directory, manifest, marks, covered, options, listener)
        # A key that was given out stays so, though remedies drop its row.
        manifest.sequences = highest_keys(connection, chosen.models)
        remedies.apply(held, chosen, listener)
        choice = choose_keys(chosen.models, connection, options.natural_keys)
        remedies.keep_natural_keys(choice)
        manifest.source = Source(endpoints.alias, connection.vendor, endpoints.source.name, marks)
        _describe(manifest, connection, chosen, choice)
        dumping = _Dumping(directory, manifest, options, remedies, listener)
        dumping.run(chosen, choice, connection)
    return dumping.result(time.monotonic() - began, choice)


def _chosen(
    directory: RunDirectory,
    manifest: Manifest,
    marks: dict[str, Any],
    covered: Coverage,
    options: DumpOptions,
    listener: Listener,
) -> Selection:
    """The models to dump: those named, and those of dumps that stand for the same source.

    So one app can be dumped again without the others; those of an earlier source go, and that
    is said, since files of two moments do not fit together.
    """
    chosen = select(covered, options.labels, options.exclude)
    apps = {model._meta.app_label for model in chosen.models}
    others = [dump for dump in manifest.dumps if dump.app not in apps]
    if not options.labels or not others:
        return chosen
    content = manifest.source.fingerprint.get("content") if manifest.source else None
    stands = content is not None and content == marks.get("content")
    known = {model._meta.label_lower for model in covered.models}
    kept = [d for d in others if stands and not d.rejected and (directory.path / d.file).is_file()]
    if kept:
        listener(Notice("info", f"Kept, the source is as it was: {_files(kept)}"))
    if gone := [dump for dump in others if dump not in kept]:
        text = f"Removed, of another state of the source: {_files(gone)}; `fixturepipe dump`"
        listener(Notice("warning", f"{text} makes all again"))
    labels = (label for dump in kept for label in dump.models if label in known)
    return select(covered, (*options.labels, *labels), options.exclude)


def _files(dumps: Iterable[Dump]) -> str:
    return ", ".join(sorted(dump.file for dump in dumps))


def _describe(
    manifest: Manifest, connection: BaseDatabaseWrapper, chosen: Selection, choice: KeyChoice
) -> None:
    """Write down what later stages need to know of the source's models."""
    manifest.settings = getattr(project_settings, "SETTINGS_MODULE", "")
    manifest.migrations = applied_migrations(connection)
    manifest.schema = [schema_of(model) for model in chosen.covered]
    manifest.not_covered = list(chosen.not_covered)
    manifest.natural_references = sorted(choice.labels)


class _Alterations:
    """What changes objects on their way: declared remedies in the copy, then the transform."""

    def __init__(self, options: DumpOptions, repair: Repair | None) -> None:
        self._repair = repair
        self.transform = Transform(options.transform) if options.transform else None
        self._changes: dict[str, list[Change]] = {}

    def apply(self, held: Held, chosen: Selection, listener: Listener) -> None:
        """Mend the copy of the source, and say which declarations found nothing to mend."""
        if self._repair is None:
            return
        with held.writable() as copy:
            for change in as_fixture_changes(self._repair(copy, chosen.models), copy):
                self._changes.setdefault(change.model.partition(".")[0], []).append(change)
        for declaration in self._repair.unused:
            listener(Notice("info", f"The remedy {declaration} found nothing to mend."))

    def keep_natural_keys(self, choice: KeyChoice) -> None:
        """Have the transform leave alone what references are written by."""
        if self.transform is not None:
            self.transform.fixed = {
                model._meta.label_lower: [path.partition(LOOKUP_SEP)[0] for path in paths]
                for model, paths in choice.models.items()
            }

    def of(self, app: str) -> list[Change]:
        """What was changed in an app's rows."""
        return self._changes.get(app, [])

    @property
    def marks(self) -> list[Any]:
        """For the fingerprint of a dump: all that decides what is changed; empty if nothing is."""
        marks: list[Any] = [self.transform.mark] if self.transform is not None else []
        return marks + (self._repair.fingerprint_parts if self._repair is not None else [])


class _AppFile:
    """One app's dump while it is written: takes objects from dumpdata, and unfit ones.

    Entered into `files`, the fixtures appear when that ends well.
    """

    def __init__(
        self,
        files: ExitStack,
        directory: RunDirectory,
        app: str,
        remedies: _Alterations,
        listener: Listener,
    ) -> None:
        self._transform = remedies.transform
        self.changes = list(remedies.of(app))
        self._files = files
        self._directory = directory
        self._tell = listener
        self.app = app
        self.path = directory.dumps / f"{app}.json"
        self.writer = self._open(self.path)
        self.models: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self._unfit: tuple[FixtureWriter, FixtureWriter] | None = None

    def write_objects(self, label: str, lines: Sequence[bytes]) -> None:
        read = len(lines)
        if self._transform is not None:
            lines = [line for each in lines if (line := self._transformed(each)) is not None]
        self.writer.write(lines)
        self.models[label] += len(lines)
        self._tell(StageAdvanced("dump", read, label))

    def _transformed(self, line: bytes) -> bytes | None:
        assert self._transform is not None
        new, changes = self._transform(line)
        self.changes += changes
        return new

    def refuse_object(self, line: bytes, problems: Sequence[Problem]) -> None:
        if self._unfit is None:
            path = rejects_path(self._directory, f"dump-{self.app}.json")
            self._unfit = self._open(path), self._open(path.with_suffix(".reasons.json"))
        objects, reasons = self._unfit
        objects.write([line])
        reasons.write([msgspec.json.encode(_reason(problems))])
        self.rejected[problems[0].model] += 1
        self.problems += islice(problems, KEPT_PROBLEMS - len(self.problems))
        self._tell(StageAdvanced("dump", 1, problems[0].model))

    def _open(self, path: Path) -> FixtureWriter:
        return self._files.enter_context(fixture_writer(path))


def _reason(problems: Sequence[Problem]) -> Reason:
    """Why an object is left out: one reason each, however many of its values are unfit."""
    first = problems[0]
    text = "; ".join(f"{problem.field}: {problem.reason}" for problem in problems)
    return Reason(first.model, first.pk, text, first.field, str(first.raw))


class _DirtyAppError(Exception):
    """Endpoints the writing of an app's file, so that it does not appear."""


class _Dumping:
    """The dumping of the apps that are not there yet."""

    def __init__(
        self,
        directory: RunDirectory,
        manifest: Manifest,
        options: DumpOptions,
        remedies: _Alterations,
        listener: Listener,
    ) -> None:
        self._directory = directory
        self._manifest = manifest
        self._options = options
        self._remedies = remedies
        self._tell = listener
        self._skipped: tuple[str, ...] = ()
        self._problems: list[Problem] = []
        self._rejected: Counter[str] = Counter()
        self._saved = 0.0

    def run(self, chosen: Selection, choice: KeyChoice, connection: BaseDatabaseWrapper) -> None:
        """Dump what is to be dumped. Raises SourceDataError as `dump` does."""
        began = time.monotonic()
        for warning in choice.warnings:
            self._tell(Notice("warning", warning))
        plans = [RowPlan(model, connection, choice) for model in chosen.models]
        apps = _by_app(plans)
        todo = self._keep_standing(apps)
        self._tell(StageStarted("dump", self._rows_of(todo)))
        for app, fingerprint in todo.items():
            self._dump_app(app, apps[app], fingerprint, connection.alias)
        self._save()
        dumped = sum(dump.objects for dump in self._manifest.dumps if dump.app in todo)
        self._tell(StageFinished("dump", dumped, time.monotonic() - began))
        if self._rejected and self._options.on_error == "stop":
            raise self._refusal()

    def result(self, seconds: float, choice: KeyChoice) -> DumpResult:
        """What there is now."""
        dumps = self._manifest.dumps
        return DumpResult(
            models={label: n for dump in dumps for label, n in dump.models.items()},
            objects=sum(dump.objects for dump in dumps),
            seconds=seconds,
            skipped=self._skipped,
            not_covered=tuple(self._manifest.not_covered),
            warnings=choice.warnings,
            problems=tuple(self._problems),
            rejected=dict(self._rejected),
            changed={label: n for dump in dumps for label, n in dump.changed.items()},
            dropped={label: n for dump in dumps for label, n in dump.dropped.items()},
        )

    def _keep_standing(self, apps: dict[str, list[RowPlan]]) -> dict[str, str]:
        """Keep the dumps that stand and drop the others; give the apps to dump, with the
        fingerprints that their dumps will have."""
        wanted = {app: self._fingerprint(plans) for app, plans in apps.items()}
        before = self._manifest.dumps
        self._manifest.dumps = [d for d in before if self._stands(d, wanted.get(d.app, ""))]
        kept = {dump.app for dump in self._manifest.dumps}
        gone = {*(dump.app for dump in before), *wanted} - kept
        replace_changes(self._directory, gone)
        for app in gone:
            (self._directory.dumps / f"{app}.json").unlink(missing_ok=True)
            remove_rejects(self._directory, f"dump-{app}.json")
        if len(kept) < max(len(before), len(wanted)):
            self._manifest.arrangement = None
        known = {label for dump in self._manifest.dumps for label in dump.models}
        nulls = self._manifest.json_nulls
        self._manifest.json_nulls = {label: nulls[label] for label in nulls if label in known}
        self._save()
        self._skipped = tuple(sorted(kept))
        return {app: mark for app, mark in wanted.items() if app not in kept}

    def _stands(self, dump: Dump, fingerprint: str) -> bool:
        if not fingerprint or dump.fingerprint != fingerprint or dump.rejected:
            return False
        if (dump.changed or dump.dropped) and not changes_path(self._directory).is_file():
            return False
        path = self._directory.path / dump.file
        return path.is_file() and file_sha256(path) == dump.sha256

    def _fingerprint(self, plans: Sequence[RowPlan]) -> str:
        """Of all that an app's dump depends on; empty where the source cannot be told by one."""
        source = self._manifest.source
        if source is None or "content" not in source.fingerprint:
            return ""
        models = [schema_of(plan.model) for plan in plans]
        natural = self._manifest.natural_references
        parts = [FORM, source.fingerprint["content"], models, natural, *self._remedies.marks]
        return hashlib.sha256(msgspec.json.encode(parts, enc_hook=str)).hexdigest()

    def _rows_of(self, apps: Iterable[str]) -> int:
        source = self._manifest.source
        assert source is not None
        among = set(apps)
        tables = [s.table for s in self._manifest.schema if s.label.partition(".")[0] in among]
        return sum(source.fingerprint["tables"].get(table, [0])[0] for table in tables)

    def _dump_app(self, app: str, plans: list[RowPlan], fingerprint: str, alias: str) -> None:
        try:
            with ExitStack() as files:
                file = _AppFile(files, self._directory, app, self._remedies, self._tell)
                dump_models(plans, alias, file)
                self._problems += islice(file.problems, KEPT_PROBLEMS - len(self._problems))
                self._rejected += file.rejected
                if file.rejected and self._options.on_error == "stop":
                    raise _DirtyAppError
        except _DirtyAppError:
            return
        if file.changes:
            replace_changes(self._directory, {app}, file.changes)
        self._record(file, plans, fingerprint)

    def _record(self, file: _AppFile, plans: list[RowPlan], fingerprint: str) -> None:
        counts = ChangeCounts(file.changes)
        models = {plan.label: file.models[plan.label] for plan in plans}
        for plan in plans:
            nulls = {name: held.summary for name, held in plan.json_nulls.items()}
            told = {name: summary for name, summary in nulls.items() if summary is not None}
            if told:
                self._manifest.json_nulls[plan.label] = told
        self._manifest.dumps.append(
            Dump(
                app=file.app,
                file=str(file.path.relative_to(self._directory.path)),
                objects=file.writer.objects,
                bytes=file.writer.bytes,
                sha256=file.writer.sha256,
                models=models,
                fingerprint=fingerprint,
                rejected=file.rejected.total(),
                changed=counts.changed,
                dropped=counts.dropped,
            )
        )
        # What a kill may cost is to be dumped again, which is done sooner than it is noticed.
        if time.monotonic() - self._saved > SAVED_EVERY:
            self._save()

    def _save(self) -> None:
        write_manifest(self._directory, self._manifest)
        self._saved = time.monotonic()

    def _refusal(self) -> SourceDataError:
        named = [f"  {problem}" for problem in self._problems[:NAMED_PROBLEMS]]
        count = self._rejected.total()
        more = count - len({(p.model, str(p.pk)) for p in self._problems[:NAMED_PROBLEMS]})
        if more > 0:
            named.append(f"  … and {more:,} more objects")
        return SourceDataError(
            "\n".join(
                [f"{count:,} objects hold values that cannot be written as they are:", *named]
            ),
            hint="Mend the rows, or leave them out with --on-error reject: they and the reasons "
            "are then written to rejects/.",
        )


def _by_app(plans: Sequence[RowPlan]) -> dict[str, list[RowPlan]]:
    apps: dict[str, list[RowPlan]] = {}
    for plan in plans:
        apps.setdefault(plan.model._meta.app_label, []).append(plan)
    return apps
