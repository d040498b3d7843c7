"""The stages in order: what each needs before it, and how a run continues after a failure.

The only module that knows the stages. It returns results and raises errors; it prints nothing.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import msgspec

from fixturepipe.arrange.keys import ReadKey
from fixturepipe.arrange.options import ArrangeOptions
from fixturepipe.artifacts.accounts import read_accounts
from fixturepipe.artifacts.loadstatus import read_load_status
from fixturepipe.artifacts.manifest import Arrangement, Manifest, read_manifest
from fixturepipe.artifacts.ownership import run_ids
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.stagetimes import StageRecorder
from fixturepipe.artifacts.state import Unequal, Verification, write_verification
from fixturepipe.artifacts.syncs import latest_source
from fixturepipe.check.options import CheckOptions
from fixturepipe.config import Project, filled
from fixturepipe.databases.embedded import EmbeddedServer
from fixturepipe.databases.endpoints import (
    EMBEDDED,
    SOURCE,
    TARGET,
    Endpoint,
    Endpoints,
    connection_to,
    resolve_endpoint,
)
from fixturepipe.databases.introspection import project_schemas, rows_found
from fixturepipe.databases.ledger import Ledger, remove_ledger
from fixturepipe.databases.project import set_up_project
from fixturepipe.databases.reach import (
    database_described,
    require_migrated,
    require_reachable,
    require_server,
    wants_password,
)
from fixturepipe.databases.runtarget import AskPassword, choose_target, record_target
from fixturepipe.databases.scratch import scratch, scratch_server, sweep
from fixturepipe.databases.sqlitefile import readable
from fixturepipe.databases.urls import is_url
from fixturepipe.dump.fingerprint import what_moved
from fixturepipe.dump.options import DumpOptions
from fixturepipe.errors import ConfigurationError, RunDirectoryError, SourceDataError, UsageError
from fixturepipe.events import Listener, Notice, ignore
from fixturepipe.fixes.declarations import Declaration, declared_in
from fixturepipe.load.options import LoadOptions
from fixturepipe.sync.options import SyncOptions
from fixturepipe.verify.options import VerifyOptions

if TYPE_CHECKING:
    from fixturepipe.arrange.stage import ArrangeResult
    from fixturepipe.check.repair import Repair
    from fixturepipe.check.stage import CheckResult
    from fixturepipe.dump.rowtransform import RowTransform
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
        return self.check.ok and self.verify is not None and self.verify.ok


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
        self._project = project
        self._ask_password = ask_password
        self._target = ""
        self._open = contextlib.ExitStack()
        self._ends: Endpoints | None = None
        self.directory = RunDirectory(project.workdir)
        self._listener = StageRecorder(self.directory, listener, self._versions)
        self.server = EmbeddedServer(self.directory.server)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stopped()
        self._open.close()

    @property
    def target(self) -> Endpoint:
        """The target, as its name and its settings in Django's form, password included."""
        target = self._both_endpoints().target
        assert target is not None
        return target

    def check(self, options: CheckOptions = CheckOptions()) -> CheckResult:
        """Return what would fail or change on the way, and an estimate of the time it takes.

        Reads only. Raises ConfigurationError for a fix that makes no sense.
        """
        from fixturepipe.check.stage import check

        _require_fixable(self._migrated_source(), options.fix)
        endpoints = self._loadable_endpoints()
        transform = _row_transform(endpoints, options)
        with readable(endpoints.source):
            return check(endpoints, self._in_workdir(options), self._listener, transform)

    def dump(self, options: DumpOptions = DumpOptions()) -> DumpResult:
        """Write the dumps that do not exist yet, and return what all dumps hold.

        Raises UsageError for labels and fixes that make no sense, and SourceDataError for
        values that a fixture cannot carry, unless `options.on_error` is "reject".
        """
        from fixturepipe.dump.stage import dump

        with self._writing():
            endpoints = self._migrated_source()
            _require_fixable(endpoints, options.fix)
            self._refuse_to_dump_over(self._finished_run(), endpoints, options)
            if options.fix:
                # What is to be fixed is what the target does not take.
                endpoints = self._both_endpoints()
            repair = _repair(endpoints, options)
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
            _refuse_to_arrange_over(self._finished_run(), files, options)
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
            again = _arrange_again(manifest)
            if again is not None:
                self._arrange((), again)
            endpoints = self._loadable_endpoints(source_needed=False)
            record_target(self.directory, self._target_name())
            self._warn_of_changes(manifest, endpoints, reached=False)
            self._replace_migrated_rows(endpoints, options)
            return load(self.directory, endpoints, options, self._listener)

    def verify(self, options: VerifyOptions = VerifyOptions()) -> VerifyResult:
        """Compare source and target, and return the differences.

        With a run directory, what was dumped is compared; without one, every table. Raises
        UsageError for options that make no sense.
        """
        from fixturepipe.verify.stage import verify

        endpoints = self._both_endpoints()
        if not self.directory.manifest.exists():
            with readable(endpoints.source):
                return verify(endpoints, options, self._listener)
        manifest = read_manifest(self.directory)
        self._warn_of_changes(manifest, endpoints, reached=True)
        accounts = read_accounts(self.directory, manifest)
        with readable(endpoints.source):
            result = verify(endpoints, options, self._listener, manifest, accounts)
        self._keep_verification(manifest, result, options)
        return result

    def compare_row(self, row: str) -> RowPair:
        """Return one row at both endpoints, named as "shop.order:17".

        Raises UsageError for a name that makes no sense.
        """
        from fixturepipe.verify.stage import compare_row

        endpoints = self._both_endpoints()
        manifest = read_manifest(self.directory) if self.directory.manifest.exists() else None
        with readable(endpoints.source):
            return compare_row(endpoints, row, manifest)

    def _keep_verification(
        self, manifest: Manifest, result: VerifyResult, options: VerifyOptions
    ) -> None:
        equal = {each.model: each.equal + each.changed for each in result.models}
        differences = msgspec.to_builtins(result.differences, enc_hook=str)
        findings = msgspec.to_builtins(result.findings, enc_hook=str)
        verification = Verification(
            manifest.run,
            result.ok,
            equal,
            list(differences),
            list(findings),
            apart={
                each.model: Unequal(each.differing, each.missing, each.extra)
                for each in result.models
                if not each.ok
            },
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            sample=options.sample,
            since=options.since,
        )
        write_verification(self.directory, verification)

    def sync(self, options: SyncOptions = SyncOptions()) -> SyncResult:
        """Bring a target that a run has filled to what the source holds now, and prove it.

        Raises ConfigurationError if the run is not finished, if source or target were migrated
        since, and for rows of the target that neither the run nor a sync wrote; SourceDataError
        and DanglingReferenceError for what the source cannot give; LoadError if the target
        refuses a row. Nothing is changed then.
        """
        from fixturepipe.cutover import sync

        recorded = self._listener.during(None if options.dry_run else "sync")
        with self._writing(), recorded:
            if not self.directory.manifest.exists():
                raise RunDirectoryError(
                    f"{self.directory.path} holds no run that could be brought up to date",
                    hint="`fixturepipe run` moves everything once; `fixturepipe sync` brings what"
                    " has changed since.",
                )
            manifest = read_manifest(self.directory)
            self._migrated_source()
            endpoints = self._loadable_endpoints()
            with readable(endpoints.source):
                result = sync(self.directory, manifest, endpoints, options, self._listener)
            if not options.dry_run and options.verify == "full":
                self._keep_verification(manifest, result.verify, VerifyOptions())
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
        from fixturepipe.check.stage import check, check_tables
        from fixturepipe.cutover import keep_snapshot
        from fixturepipe.dump.stage import check_options as check_dump_options
        from fixturepipe.dump.stage import dump
        from fixturepipe.load.stage import (
            Chosen,
            drop_half_made_tables,
            load,
            prepare_target,
        )

        with self._writing():
            _require_fixable(self._migrated_source(), dump_options.fix)
            check_dump_options(dump_options)
            endpoints = self._loadable_endpoints()
            finished = self._finished_run(in_target=True)
            self._refuse_to_dump_over(finished, endpoints, dump_options)
            _refuse_to_arrange_over(finished, (), arrange_options)
            check_options = self._in_workdir(check_options)
            drop_half_made_tables(self.directory, endpoints)
            transform = _row_transform(endpoints, check_options)
            with readable(endpoints.source):
                checked = check(endpoints, check_options, self._listener, transform)
            endpoints.close()
            if not checked.ok:
                return RunResult(checked)
            record_target(self.directory, self._target_name())
            chosen = Chosen(dump_options.labels, dump_options.exclude)
            prepare_target(self.directory, endpoints, load_options, self._listener, chosen)
            self._replace_migrated_rows(endpoints, load_options)
            if not checked.saw_tables:
                checked = check_tables(endpoints, check_options, checked, self._listener, transform)
                endpoints.close()
                if not checked.ok:
                    return RunResult(checked)
            repair = _repair(endpoints, dump_options)
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
        at work in it, and ConfigurationError if the target cannot be reached, unless
        `keep_ledger` leaves the ledger there.
        """
        if not self.directory.path.exists():
            return True
        self.directory.require_ours()
        with self.directory.locked():
            runs = run_ids(self.directory.path)
            if runs and not keep_ledger:
                self._remove_ledger(runs)
            self.server.stop()
            sweep(self.directory)
            return self.directory.remove()

    def _replace_migrated_rows(self, endpoints: Endpoints, options: LoadOptions) -> None:
        from fixturepipe.load.stage import replace_migrated_rows

        replace_migrated_rows(
            self.directory, endpoints, options, self._listener, self._fresh_database
        )

    @contextmanager
    def _fresh_database(self) -> Iterator[Endpoint]:
        """An empty database of a private server, which is gone afterwards."""
        with scratch(self.directory) as path:
            server = scratch_server(path)
            server.start()
            try:
                yield server.endpoint()
            finally:
                server.leave()

    def _remove_ledger(self, runs: Sequence[str]) -> None:
        try:
            if not self._is_embedded():
                for run in runs:
                    remove_ledger(self._both_endpoints(source_needed=False), run)
        except UsageError as error:
            raise ConfigurationError(
                f"The run's ledger in the target cannot be removed: {error.message}",
                hint="`fixturepipe clean --keep-ledger` removes the files and leaves the ledger in"
                " the target.",
            ) from error

    def _in_workdir(self, options: CheckOptions) -> CheckOptions:
        return replace(options, workdir=self.directory.path)

    def _arrange(self, files: Sequence[Path], options: ArrangeOptions) -> ArrangeResult:
        from fixturepipe.arrange.stage import arrange

        if files:
            self._set_up()
            schemas = {schema.label: schema for schema in project_schemas()}
        else:
            schemas = read_manifest(self.directory).schemas()
        return arrange(
            self.directory,
            schemas,
            files,
            options,
            self._listener,
            self._in_target,
            self._key_reader,
        )

    def _key_reader(self, label: str, to: str) -> ReadKey | None:
        """How the project reads a kind of key; sets the project up at the first call."""
        self._set_up()
        from fixturepipe.databases.keyvalues import key_reader

        return key_reader(label, to)

    def _in_target(self, label: str, to: str, keys: Sequence[Any]) -> list[Any] | None:
        """Which of these keys the target holds; None if the target is not migrated yet.

        Opens the target at the first call.
        """
        self._both_endpoints()
        return rows_found(TARGET, label, to, keys)

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

    def _set_up(self) -> None:
        set_up_project(self._project.settings, self._project.pythonpath)

    def _source_endpoint(self, *, needed: bool = True) -> Endpoints:
        """The source alone."""
        if self._ends is not None:
            return self._ends
        self._set_up()
        given = self._project.source
        source = resolve_endpoint(given)
        endpoints = Endpoints(
            "default" if is_url(given) else given, source, timeout=self._project.timeout
        )
        endpoints.open()
        if needed:
            source = self._with_password(SOURCE, source)
            endpoints = replace(endpoints, source=source)
            endpoints.open()
            require_reachable(SOURCE, source)
        return endpoints

    def _refuse_to_dump_over(
        self, manifest: Manifest | None, endpoints: Endpoints, options: DumpOptions
    ) -> None:
        """Raise UsageError if other dumps would replace those of a finished run."""
        if manifest is None or manifest.source is None:
            return
        moved = what_moved(manifest.source.fingerprint, self.directory, endpoints)
        if moved:
            raise _replacing(f"the source has changed since its dump: {'; '.join(moved)}")
        fix = [(each.target, each.fix, each.value) for each in options.fix]
        asked = (options.natural_keys, options.transform, fix)
        if asked != (manifest.natural_keys, manifest.transform, manifest.fix):
            raise _replacing("its dumps were made with other options")

    def _finished_run(self, *, in_target: bool = False) -> Manifest | None:
        """The run of this directory, if its load was finished, as the files say or the target.

        Its chunks are the only record of which rows of the target are the run's own, so `sync`
        needs them.
        """
        if not self.directory.manifest.exists():
            return None
        manifest = read_manifest(self.directory)
        if in_target:
            state = Ledger(connection_to(TARGET), manifest.run).state()
            return manifest if state is not None and state.finished else None
        status = read_load_status(self.directory, manifest.run)
        return manifest if status is not None and status.finished else None

    def _warn_of_changes(self, manifest: Manifest, endpoints: Endpoints, *, reached: bool) -> None:
        """Warn if the source has changed since it was dumped.

        `reached` says that it has answered already.
        """
        source = latest_source(self.directory, manifest)
        if source is None:
            return
        try:
            if not reached:
                require_reachable(SOURCE, endpoints.source)
            moved = what_moved(source.fingerprint, self.directory, endpoints)
        except (ConfigurationError, SourceDataError) as error:
            text = f"Could not tell whether the source has changed since its dump: {error}"
            self._listener(Notice("info", text))
            return
        if moved:
            status = read_load_status(self.directory, manifest.run)
            command = "sync" if status is not None and status.finished else "dump"
            text = f"The source has changed since its dump ({'; '.join(moved)})."
            self._listener(Notice("warning", f"{text} `fixturepipe {command}` takes that too."))

    def _migrated_source(self) -> Endpoints:
        """The source alone, if it has the tables of the project's models."""
        endpoints = self._source_endpoint()
        require_migrated(SOURCE, endpoints.source)
        return endpoints

    def _both_endpoints(self, *, source_needed: bool = True) -> Endpoints:
        """Source and target, open. Starts the embedded server if that is the target."""
        if self._ends is None:
            endpoints = self._source_endpoint(needed=source_needed)
            target = self._target_endpoint()
            _require_two_databases(endpoints.source, target)
            endpoints = replace(endpoints, target=target)
            endpoints.open()
            target = self._with_password(TARGET, target)
            self._ends = replace(endpoints, target=target)
            self._ends.open()
            require_reachable(TARGET, target)
        return self._ends

    def _with_password(self, alias: str, endpoint: Endpoint) -> Endpoint:
        """The endpoint with a password that is asked for, if its server wants one.

        It is in the settings of our connections alone, which workers inherit.
        """
        if self._ask_password is None or not wants_password(alias, endpoint):
            return endpoint
        password = self._ask_password(f"Password for {endpoint.name}: ")
        return replace(endpoint, settings={**endpoint.settings, "PASSWORD": password})

    def _loadable_endpoints(self, *, source_needed: bool = True) -> Endpoints:
        """Source and target, if the target is a server that rows can be loaded into."""
        endpoints = self._both_endpoints(source_needed=source_needed)
        assert endpoints.target is not None
        require_server(TARGET, endpoints.target)
        return endpoints

    def _versions(self) -> dict[str, str]:
        """The programs that move the rows, and their versions."""
        from fixturepipe import __version__

        found = {
            "fixturepipe": __version__,
            "Python": platform.python_version(),
            "Django": django.get_version(),
        }
        ends = self._ends
        if ends is not None:
            found["source"] = database_described(connection_to(SOURCE))
        if ends is not None and ends.target is not None:
            found["target"] = database_described(connection_to(TARGET))
        return found

    def _is_embedded(self) -> bool:
        return self._target_name() == EMBEDDED

    def _target_name(self) -> str:
        """The run's target as it is given, recorded or the default, asked for once."""
        if not self._target:
            self._set_up()
            has_run = self.directory.manifest.exists()
            manifest = read_manifest(self.directory) if has_run else None
            self._target = choose_target(manifest, self._project.target, self._ask_password)
        return self._target

    def _target_endpoint(self) -> Endpoint:
        if not self._is_embedded():
            return resolve_endpoint(self._target_name())
        self._make_directory()
        self._open.callback(self.server.leave)
        self.server.start()
        return self.server.endpoint()


def _arrange_again(manifest: Manifest) -> ArrangeOptions | None:
    """How to arrange before a load: as before, if the dumps are newer than the chunks.

    None if the chunks are those of the dumps, or of external fixtures.
    """
    arrangement = manifest.arrangement
    dumps = {dump.file: dump.sha256 for dump in manifest.dumps}
    if arrangement is not None and (
        arrangement.inputs == dumps or not set(arrangement.inputs) <= set(dumps)
    ):
        return None
    return ArrangeOptions() if arrangement is None else _options_of(arrangement)


def _options_of(arrangement: Arrangement) -> ArrangeOptions:
    """The options that the chunks were made with."""
    return ArrangeOptions(
        chunk_objects=arrangement.chunk_objects,
        chunk_bytes=arrangement.chunk_bytes,
        on_orphan=arrangement.on_orphan,
        ignorenonexistent=arrangement.ignorenonexistent,
    )


def _refuse_to_arrange_over(
    manifest: Manifest | None, files: Sequence[Path], options: ArrangeOptions
) -> None:
    """Raise UsageError if other chunks would replace those of a finished run."""
    if manifest is None or manifest.arrangement is None:
        return
    if files or options != _options_of(manifest.arrangement):
        raise _replacing("its chunks were made from other files or with other options")


def _replacing(reason: str) -> UsageError:
    return UsageError(
        f"This run is finished, and {reason}",
        hint="`fixturepipe sync` moves what has changed in the source. To move everything again,"
        " name a new --workdir and an empty target.",
    )


def _repair(endpoints: Endpoints, options: DumpOptions) -> Repair | None:
    """What applies the declared fixes of values, or None if none is declared."""
    from fixturepipe.check.repair import Repair

    declared = [each for each in options.fix if not each.changes_schema]
    return Repair(endpoints, declared) if declared else None


def _row_transform(endpoints: Endpoints, options: CheckOptions) -> RowTransform | None:
    """What gives check the values that the transform makes; None without one."""
    from fixturepipe.dump.rowtransform import RowTransform

    if options.transform is None:
        return None
    return RowTransform(options.transform, options.natural_keys, endpoints.alias)


def _require_fixable(endpoints: Endpoints, fixes: Sequence[Declaration]) -> None:
    changes_values = any(not each.changes_schema for each in fixes)
    if changes_values and endpoints.source.vendor != "sqlite":
        raise UsageError(
            f"Fixes need a SQLite source, and {endpoints.source.name} is not one",
            hint="Use --transform, or correct the rows in the source.",
        )


def _require_two_databases(source: Endpoint, target: Endpoint) -> None:
    if source.is_same_database(target):
        raise ConfigurationError(
            f"Source and target are the same database: {target.name}",
            hint="Name another one with --target.",
        )
