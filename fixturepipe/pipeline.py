"""The stages in order: what each needs before it, and how a run continues after a failure.

With its parts the only module that knows the stages. It returns results and raises errors; it
prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fixturepipe.arrange.options import ArrangeOptions
from fixturepipe.artifacts.accounts import read_accounts
from fixturepipe.artifacts.manifest import read_manifest
from fixturepipe.artifacts.ownership import run_ids
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.times import StageRecorder
from fixturepipe.check.options import CheckOptions
from fixturepipe.config import Project, filled
from fixturepipe.databases.embedded import EmbeddedServer
from fixturepipe.databases.endpoints import Endpoint, Endpoints
from fixturepipe.databases.introspection import project_schemas
from fixturepipe.databases.runendpoints import AskPassword, RunEndpoints, record_target
from fixturepipe.databases.scratch import sweep
from fixturepipe.databases.sqlitefile import readable
from fixturepipe.dump.options import DumpOptions
from fixturepipe.errors import RunDirectoryError
from fixturepipe.events import Listener, Notice, ignore
from fixturepipe.fixes.declarations import declared_in
from fixturepipe.handovers import (
    fresh_database,
    keep_verification,
    remove_ledgers,
    repair_of,
    require_fixable,
    row_transform,
)
from fixturepipe.load.options import LoadOptions
from fixturepipe.priorrun import (
    arrange_again,
    finished_run,
    refuse_to_arrange_over,
    refuse_to_dump_over,
    warn_of_changes,
)
from fixturepipe.sync.options import SyncOptions
from fixturepipe.verify.options import VerifyOptions

if TYPE_CHECKING:
    from fixturepipe.arrange.stage import ArrangeResult
    from fixturepipe.check.stage import CheckResult
    from fixturepipe.dump.stage import DumpResult
    from fixturepipe.load.stage import LoadResult
    from fixturepipe.sync.stage import SyncResult
    from fixturepipe.verify.comparison import RowPair
    from fixturepipe.verify.stage import VerifyResult


_OPTIONS = (CheckOptions, DumpOptions, ArrangeOptions, LoadOptions, VerifyOptions)


@dataclass(frozen=True)
class RunResult:
    """The results of a run's stages. A stage that was not reached is None."""

    check: CheckResult
    dump: DumpResult | None = None
    arrange: ArrangeResult | None = None
    load: LoadResult | None = None
    verify: VerifyResult | None = None

    @property
    def ok(self) -> bool:
        """Whether everything was moved and both databases are equal."""
        return self.check.ok and self.verify is not None and self.verify.ok and not self.rejected

    @property
    def rejected(self) -> int:
        """How many objects were left out because a stage or the target could not take them."""
        stages = (self.dump, self.arrange, self.load)
        return sum(sum(stage.rejected.values()) for stage in stages if stage is not None)


def migrate(
    settings: str | None = None,
    source: str = "default",
    target: str | None = None,
    *,
    pythonpath: str | None = None,
    workdir: str | Path = Project.workdir,
    timeout: int = Project.timeout,
    listener: Listener = ignore,
    **options: Any,
) -> RunResult:
    """Check, migrate the target, dump, arrange, load and verify, as `fixturepipe run` does.

    `settings`, `source`, `target`, `pythonpath`, `workdir` and `timeout` are those of `Project`;
    `listener` is called with each event. `options` are fields of the stages' options classes: each
    goes to every stage that has it (`exclude` to check and dump, `workers` to load and verify).
    `fix` may be a mapping, as [tool.fixturepipe.fix] in pyproject.toml is one.

    Returns the results of all stages; `result.ok` says whether everything was moved and is
    equal. Where `check` finds errors, nothing is moved and `result.verify` is None.
    Raises TypeError for an unknown option and FixturepipeError for everything that stops the
    run. The same call continues a run that was stopped.
    """
    if isinstance(options.get("fix"), Mapping):
        options["fix"] = tuple(declared_in(options["fix"]))
    chosen = filled(_OPTIONS, options)
    project = Project(settings, pythonpath, source, target, Path(workdir), timeout)
    with Pipeline(project, listener) as run:
        return run.run(*chosen)


class Pipeline:
    """The commands over one run directory.

    Use it as a context manager: it owns the connections, and uses the embedded server, which its
    last user stops unless it is kept. Each method raises ConfigurationError if the
    project, a database or a server cannot be used, and RunDirectoryError if the run directory
    cannot.
    """

    def __init__(
        self, project: Project, listener: Listener = ignore, ask_password: AskPassword = None
    ) -> None:
        """`ask_password` is called with a question, for a password that is not stored."""
        self.directory = RunDirectory(project.workdir)
        self.server = EmbeddedServer(self.directory.server)
        self._endpoints = RunEndpoints(
            project, self.directory, self.server, self._make_directory, ask_password
        )
        self._listener = StageRecorder(self.directory, listener, self._endpoints.versions)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stopped()
        self._endpoints.close()

    @property
    def target(self) -> Endpoint:
        """The target, as its name and its settings in Django's form, password included."""
        target = self._endpoints.both().target
        assert target is not None
        return target

    def check(self, options: CheckOptions = CheckOptions()) -> CheckResult:
        """Return what would fail or change in the move, and an estimate of the time it takes.

        Reads only. Raises ConfigurationError for a fix that makes no sense.
        """
        from fixturepipe.check.stage import check

        require_fixable(self._endpoints.migrated_source(), options.fix)
        endpoints = self._endpoints.loadable()
        transform = row_transform(endpoints, options)
        options = replace(options, workdir=self.directory.path)
        with readable(endpoints.source):
            return check(endpoints, options, self._listener, transform)

    def dump(self, options: DumpOptions = DumpOptions()) -> DumpResult:
        """Write the dumps that do not exist yet, and return what all dumps hold.

        Raises UsageError for labels and fixes that make no sense, and SourceDataError for
        values that a fixture cannot carry, unless `options.on_error` is "reject".
        """
        from fixturepipe.dump.stage import dump

        with self._writing():
            endpoints = self._endpoints.migrated_source()
            require_fixable(endpoints, options.fix)
            refuse_to_dump_over(finished_run(self.directory), self.directory, endpoints, options)
            if options.fix:
                # What is to be fixed is what the target does not take.
                endpoints = self._endpoints.both()
            repair = repair_of(endpoints, options.fix)
            with readable(endpoints.source):
                return dump(self.directory, endpoints, options, self._listener, repair)

    def arrange(
        self, files: Sequence[Path] = (), options: ArrangeOptions = ArrangeOptions()
    ) -> ArrangeResult:
        """Cut the dumps, or external fixtures, into chunks, and return what they hold.

        Raises FixtureError for a file that is not a fixture, and DanglingReferenceError for
        objects that refer to objects which do not exist, if `options.on_orphan` is "stop".
        """
        with self._writing():
            refuse_to_arrange_over(finished_run(self.directory), files, options)
            return self._arrange(files, options)

    def load(self, options: LoadOptions = LoadOptions()) -> LoadResult:
        """Load the chunks that the target does not hold, and return what was loaded.

        Dumps that are newer than the chunks are arranged first. Raises LoadError if the target
        refuses a chunk and TransientLoadError if the server stays away; the chunks before it
        stay loaded, and another load continues from there.
        """
        from fixturepipe.load.stage import load

        recorded = self._listener.during(None if options.dry_run else "run")
        with self._writing(), recorded:
            manifest = read_manifest(self.directory)
            again = arrange_again(manifest)
            if again is not None:
                self._arrange((), again)
            endpoints = self._endpoints.loadable(source_needed=False)
            record_target(self.directory, self._endpoints.target_name())
            warn_of_changes(self.directory, manifest, endpoints, self._listener, reached=False)
            self._replace_migrated_rows(endpoints, options)
            return load(self.directory, endpoints, options, self._listener)

    def verify(self, options: VerifyOptions = VerifyOptions()) -> VerifyResult:
        """Compare source and target, and return the differences.

        With a run directory, what was dumped is compared; without one, every table. Raises
        UsageError for options that make no sense.
        """
        from fixturepipe.verify.stage import verify

        endpoints = self._endpoints.both()
        if not self.directory.manifest.exists():
            with readable(endpoints.source):
                return verify(endpoints, options, self._listener)
        manifest = read_manifest(self.directory)
        warn_of_changes(self.directory, manifest, endpoints, self._listener, reached=True)
        accounts = read_accounts(self.directory, manifest)
        with readable(endpoints.source):
            result = verify(endpoints, options, self._listener, manifest, accounts)
        keep_verification(self.directory, manifest.run, result, options)
        return result

    def compare_row(self, row: str) -> RowPair:
        """Return one row at both endpoints, named as "shop.order:17".

        Raises UsageError for a name that makes no sense.
        """
        from fixturepipe.verify.stage import compare_row

        endpoints = self._endpoints.both()
        manifest = read_manifest(self.directory) if self.directory.manifest.exists() else None
        with readable(endpoints.source):
            return compare_row(endpoints, row, manifest)

    def sync(self, options: SyncOptions = SyncOptions()) -> SyncResult:
        """Bring the target of a finished run up to date with the source, and prove it.

        Raises ConfigurationError if the run is not finished, if source or target were migrated
        since, and for rows of the target that neither the run nor a sync wrote; SourceDataError
        and DanglingReferenceError for what the source cannot give; LoadError if the target
        refuses a row. Nothing is changed then.
        """
        from fixturepipe.sync.stage import sync

        recorded = self._listener.during(None if options.dry_run else "sync")
        with self._writing(), recorded:
            if not self.directory.manifest.exists():
                raise RunDirectoryError(
                    f"{self.directory.path} holds no run to bring up to date",
                    hint="`fixturepipe run` moves everything once; then `fixturepipe sync` moves"
                    " what has changed since.",
                )
            manifest = read_manifest(self.directory)
            self._endpoints.migrated_source()
            endpoints = self._endpoints.loadable()
            with readable(endpoints.source):
                result = sync(self.directory, manifest, endpoints, options, self._listener)
            if result.verify is not None and options.verify == "full":
                run = manifest.run
                keep_verification(self.directory, run, result.verify, VerifyOptions())
            return result

    def run(
        self,
        check_options: CheckOptions = CheckOptions(),
        dump_options: DumpOptions = DumpOptions(),
        arrange_options: ArrangeOptions = ArrangeOptions(),
        load_options: LoadOptions = LoadOptions(),
        verify_options: VerifyOptions = VerifyOptions(),
    ) -> RunResult:
        """Run all stages, and return their results; stop after a check that found errors.

        Raises what the methods of the stages raise.
        """
        from fixturepipe.check.stage import check, check_tables, is_asked_for
        from fixturepipe.dump.stage import check_options as check_dump_options
        from fixturepipe.dump.stage import dump
        from fixturepipe.load.stage import (
            drop_half_made_tables,
            load,
            prepare_target,
        )
        from fixturepipe.sync.lastsnapshot import keep_snapshot

        with self._writing():
            require_fixable(self._endpoints.migrated_source(), dump_options.fix)
            check_dump_options(dump_options)
            endpoints = self._endpoints.loadable()
            finished = finished_run(self.directory, in_target=True)
            refuse_to_dump_over(finished, self.directory, endpoints, dump_options)
            refuse_to_arrange_over(finished, (), arrange_options)
            check_options = replace(check_options, workdir=self.directory.path)
            drop_half_made_tables(self.directory, endpoints)
            transform = row_transform(endpoints, check_options)
            with readable(endpoints.source):
                checked = check(endpoints, check_options, self._listener, transform)
            endpoints.close()
            if not checked.ok:
                return RunResult(checked)
            record_target(self.directory, self._endpoints.target_name())
            chosen = CheckOptions(labels=dump_options.labels, exclude=dump_options.exclude)
            prepare_target(
                self.directory,
                endpoints,
                load_options,
                self._listener,
                lambda model: is_asked_for(model._meta.label_lower, chosen),
            )
            self._replace_migrated_rows(endpoints, load_options)
            if not checked.saw_tables:
                checked = check_tables(endpoints, check_options, checked, self._listener, transform)
                endpoints.close()
                if not checked.ok:
                    return RunResult(checked)
            repair = repair_of(endpoints, dump_options.fix)
            with readable(endpoints.source):
                dumped = dump(self.directory, endpoints, dump_options, self._listener, repair)
            arranged = self._arrange((), arrange_options)
            loaded = load(self.directory, endpoints, load_options, self._listener)
            verified = self.verify(verify_options)
            if dump_options.keep_snapshot:
                keep_snapshot(
                    self.directory, read_manifest(self.directory), verified, self._listener
                )
            return RunResult(checked, dumped, arranged, loaded, verified)

    def clean(self, *, keep_ledger: bool = False) -> bool:
        """Remove the run's ledger from the target, and the run directory's files.

        Returns whether the directory is gone, too: it stays if other files are in it or if it is a
        symbolic link. Raises RunDirectoryError if it is not a run directory or another command is
        running in it, and ConfigurationError if the target cannot be reached, unless
        `keep_ledger` leaves the ledger there.
        """
        if not self.directory.path.exists():
            return True
        self.directory.require_ours()
        with self.directory.locked():
            runs = run_ids(self.directory.path)
            if runs and not keep_ledger:
                remove_ledgers(self._endpoints, runs)
            self.server.stop()
            sweep(self.directory)
            return self.directory.remove()

    def _replace_migrated_rows(self, endpoints: Endpoints, options: LoadOptions) -> None:
        from fixturepipe.load.stage import replace_migrated_rows

        fresh = partial(fresh_database, self.directory)
        replace_migrated_rows(self.directory, endpoints, options, self._listener, fresh)

    def _arrange(self, files: Sequence[Path], options: ArrangeOptions) -> ArrangeResult:
        from fixturepipe.arrange.stage import arrange

        if files:
            self._endpoints.set_up()
            schemas = {schema.label: schema for schema in project_schemas()}
        else:
            schemas = read_manifest(self.directory).schemas()
        return arrange(
            self.directory,
            schemas,
            files,
            options,
            self._listener,
            self._endpoints.keys_in_target,
            self._endpoints.key_reader,
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._make_directory()
        with self.directory.locked():
            sweep(self.directory)
            yield

    def _make_directory(self) -> None:
        self.directory.create()
        owner = self.directory.other_owner
        if owner is not None:
            text = f"{self.directory.path} belongs to another user (id {owner}), who can change"
            self._listener(Notice("warning", f"{text} what is in it."))
