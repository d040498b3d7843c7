"""Stage 1: each app's rows, from one snapshot of the source, as a fixture in `1-dump/`.

    snapshot_of       one consistent state of the source      snapshot
    select_…          which models, and which dumps remain    selection
    repair            applies the declared fixes              alterations (given by the pipeline)
    choose_keys       which references are natural keys       keychoice
    RowPlan           how each model is read and written      rowplan
    dump_models       Django's dumpdata, over the plans       dumpdata
    AppFile           one app's fixture, and its rejects      appfile

An app's file appears when it is complete, and the manifest lists it at once. A dump that was
interrupted therefore continues with the next app, if the source has not changed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice

from django.conf import settings as project_settings
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.changes import replace_changes
from fixturepipe.artifacts.manifest import Manifest, NotCovered, Source, open_run, write_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.coverage import coverage, missing_columns, unknown_columns
from fixturepipe.databases.endpoints import TARGET, Endpoints, connection_to
from fixturepipe.databases.introspection import schema_of
from fixturepipe.databases.migrations import applied_migrations
from fixturepipe.databases.sequences import highest_keys
from fixturepipe.dump.alterations import Alterations, Repair
from fixturepipe.dump.appfile import KEPT_PROBLEMS, AppFile
from fixturepipe.dump.dumpdata import dump_models
from fixturepipe.dump.fingerprint import file_fingerprint, snapshot_fingerprint
from fixturepipe.dump.keychoice import KeyChoice, choose_keys, natural_ids
from fixturepipe.dump.options import DumpOptions
from fixturepipe.dump.rowplan import RowPlan
from fixturepipe.dump.selection import Selection, app_fingerprint, keep_valid, select_with_reused
from fixturepipe.dump.serializer import Problem
from fixturepipe.dump.snapshot import snapshot_of
from fixturepipe.dump.storedforms import StoredForms
from fixturepipe.dump.transform import Transform
from fixturepipe.errors import ConfigurationError, SourceDataError
from fixturepipe.events import Listener, Notice, StageFinished, StageStarted, ignore
from fixturepipe.fixes.fixes import Fixes
from fixturepipe.wording import counted

NAMED_PROBLEMS = 50
SAVED_EVERY = 1.0


@dataclass(frozen=True)
class DumpResult:
    """What the dumps now hold: objects by label. `skipped` are the apps whose dumps were reused.

    `problems` are the first thousand unserializable values; `rejected` counts the objects, by
    label, that were left out because of them. `changed` counts the objects that fixes or the
    transform changed, `dropped` those that they left out.
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
    """Raise ConfigurationError for invalid fixes and for a transform that cannot be imported."""
    Fixes(options.fix)
    if options.transform is not None:
        Transform(options.transform)


def dump(
    directory: RunDirectory,
    endpoints: Endpoints,
    options: DumpOptions,
    listener: Listener = ignore,
    repair: Repair | None = None,
) -> DumpResult:
    """Write `1-dump/<app>.json` for each app without a valid dump, and the manifest.

    `repair` applies `options.fix`.

    Raises UsageError for labels that name nothing, ConfigurationError for invalid fixes and for
    columns that the source lacks, and SourceDataError for unserializable values if `on_error` is
    "stop": the files of the other apps are complete then.
    """
    began = time.monotonic()
    alterations = Alterations(options.transform, repair)
    manifest = open_run(directory)
    fingerprint = file_fingerprint(endpoints)
    keep = options.keep_snapshot and options.transform is None
    with snapshot_of(directory, endpoints, options.snapshot, keep=keep) as snapshot:
        connection = snapshot.connection
        fingerprint |= snapshot_fingerprint(snapshot)
        target = connection_to(TARGET) if endpoints.target is not None else None
        covered = coverage(connection, connection.alias, target)
        chosen = select_with_reused(
            directory, manifest, fingerprint, covered, options.labels, options.exclude, listener
        )
        _require_columns(connection, chosen)
        # A key stays allocated even if a fix drops its row.
        manifest.sequences = highest_keys(connection, chosen.models)
        manifest.not_covered = [*chosen.not_covered, *_columns_left_out(connection, chosen)]
        alterations.repair(snapshot, chosen.models, listener)
        choice = choose_keys(chosen.models, connection, options.natural_keys)
        alterations.keep_natural_keys(choice)
        name = endpoints.source.name
        manifest.source = Source(endpoints.alias, connection.vendor, name, fingerprint)
        _describe(manifest, connection, chosen, choice)
        manifest.natural_keys, manifest.transform = options.natural_keys, options.transform
        manifest.fix = [(each.target, each.fix, each.value) for each in options.fix]
        dumping = _Dumping(directory, manifest, options, alterations, listener)
        dumping.run(chosen, choice, connection)
    return dumping.result(time.monotonic() - began, choice)


def _describe(
    manifest: Manifest, connection: BaseDatabaseWrapper, chosen: Selection, choice: KeyChoice
) -> None:
    """Record what later stages need to know of the source's models."""
    manifest.settings = getattr(project_settings, "SETTINGS_MODULE", "")
    manifest.migrations = applied_migrations(connection)
    manifest.schema = [schema_of(model) for model in chosen.covered]
    manifest.natural_ids = natural_ids(chosen.models, connection.alias)
    manifest.natural_references = sorted(choice.labels)


def _columns_left_out(connection: BaseDatabaseWrapper, chosen: Selection) -> Iterator[NotCovered]:
    for column in unknown_columns(connection, chosen.models):
        name = f"{column.model._meta.db_table}.{column.name}"
        yield NotCovered(name, f"no field has this column; {column.rows:,} rows have a value in it")


def _require_columns(connection: BaseDatabaseWrapper, chosen: Selection) -> None:
    """Raise ConfigurationError if a model's table lacks a column: SQLite would not."""
    missing = missing_columns(connection, chosen.models)
    if not missing:
        return
    model = missing[0].model._meta
    fields = ", ".join(f"{f.model._meta.label_lower}.{f.name} ({f.column})" for f in missing)
    raise ConfigurationError(
        f"The source has no column for these fields: {fields}",
        hint="A migration was recorded and not applied, as `migrate --fake` does. Add the columns "
        f"to the source, or leave the model out: --exclude {model.label_lower}",
    )


class _DirtyAppError(Exception):
    """Ends the writing of an app's file, so that it does not appear."""


@dataclass
class _Dumping:
    """The dumping of the apps that have no valid dump."""

    directory: RunDirectory
    manifest: Manifest
    options: DumpOptions
    alterations: Alterations
    notify: Listener
    skipped: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    saved: float = 0.0

    def run(self, chosen: Selection, choice: KeyChoice, connection: BaseDatabaseWrapper) -> None:
        """Dump each of these apps. Raises SourceDataError as `dump` does."""
        began = time.monotonic()
        for warning in choice.warnings:
            self.notify(Notice("warning", warning))
        forms = StoredForms(connection)
        apps = _by_app([RowPlan(model, connection, choice, forms) for model in chosen.models])
        altered_by = self.alterations.fingerprint_parts
        wanted = {
            app: app_fingerprint(self.manifest, plans, altered_by) for app, plans in apps.items()
        }
        self.skipped = keep_valid(self.directory, self.manifest, wanted)
        self._save()
        todo = {app: plans for app, plans in apps.items() if app not in self.skipped}
        self.notify(StageStarted("dump", self._rows_of(todo)))
        for app, plans in todo.items():
            self._dump_app(app, plans, wanted[app], connection.alias)
        self._save()
        dumped = sum(dump.objects for dump in self.manifest.dumps if dump.app in todo)
        self.notify(StageFinished("dump", dumped, time.monotonic() - began))
        if self.rejected and self.options.on_error == "stop":
            raise self._refusal()

    def result(self, seconds: float, choice: KeyChoice) -> DumpResult:
        """What there is now."""
        dumps = self.manifest.dumps
        return DumpResult(
            models={label: n for dump in dumps for label, n in dump.models.items()},
            objects=sum(dump.objects for dump in dumps),
            seconds=seconds,
            skipped=self.skipped,
            not_covered=tuple(self.manifest.not_covered),
            warnings=choice.warnings,
            problems=tuple(self.problems),
            rejected=dict(self.rejected),
            changed={label: n for dump in dumps for label, n in dump.changed.items()},
            dropped={label: n for dump in dumps for label, n in dump.dropped.items()},
        )

    def _rows_of(self, apps: Iterable[str]) -> int:
        source = self.manifest.source
        assert source is not None
        among = set(apps)
        rows = {name.lower(): parts[0] for name, parts in source.fingerprint["tables"].items()}
        tables = [s.table for s in self.manifest.schema if s.label.partition(".")[0] in among]
        return sum(rows.get(table.lower(), 0) for table in tables)

    def _dump_app(self, app: str, plans: list[RowPlan], fingerprint: str, alias: str) -> None:
        try:
            with ExitStack() as files:
                file = AppFile(files, self.directory, app, self.alterations, self.notify)
                dump_models(plans, alias, file)
                self.problems += islice(file.problems, KEPT_PROBLEMS - len(self.problems))
                self.rejected += file.rejected
                if file.rejected and self.options.on_error == "stop":
                    raise _DirtyAppError
        except _DirtyAppError:
            return
        if file.changes:
            replace_changes(self.directory, {app}, file.changes)
        self._record(file, plans, fingerprint)

    def _record(self, file: AppFile, plans: list[RowPlan], fingerprint: str) -> None:
        for plan in plans:
            found = {name: nulls.summary for name, nulls in plan.json_nulls.items()}
            if present := {name: each for name, each in found.items() if each is not None}:
                self.manifest.json_nulls[plan.label] = present
            if stored := plan.stored:
                self.manifest.stored[plan.label] = stored
        self.manifest.dumps.append(file.record([plan.label for plan in plans], fingerprint))
        # After a kill an app may have to be dumped again: it takes less than the interval.
        if time.monotonic() - self.saved > SAVED_EVERY:
            self._save()

    def _save(self) -> None:
        write_manifest(self.directory, self.manifest)
        self.saved = time.monotonic()

    def _refusal(self) -> SourceDataError:
        named = self.problems[:NAMED_PROBLEMS]
        count = self.rejected.total()
        lines = [f"A fixture cannot hold the values of {counted(count, 'object')}:"]
        lines += [f"  {problem}" for problem in named]
        if (more := count - len({(p.model, str(p.pk)) for p in named})) > 0:
            lines.append(f"  … and {counted(more, 'more object')}")
        return SourceDataError(
            "\n".join(lines),
            hint="Correct the rows in the source, or leave them out with --on-error reject, which"
            " writes them to rejects/ with the reasons.",
        )


def _by_app(plans: Sequence[RowPlan]) -> dict[str, list[RowPlan]]:
    apps: dict[str, list[RowPlan]] = {}
    for plan in plans:
        apps.setdefault(plan.model._meta.app_label, []).append(plan)
    return apps
