"""The stages in order: what each needs before it, and how a run goes on after a failure.

The only module that knows the stages. It gives results and raises errors; it prints nothing.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fixturepipe.artifacts.changes import read_changes
from fixturepipe.artifacts.manifest import Manifest, read_manifest
from fixturepipe.artifacts.rejects import dangling_references, rejected_keys
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import Verification, write_verification
from fixturepipe.databases.embedded import EmbeddedServer
from fixturepipe.databases.endpoints import (
    EMBEDDED,
    SOURCE,
    TARGET,
    Endpoint,
    Endpoints,
    default_target,
    resolve_endpoint,
)
from fixturepipe.databases.introspection import project_schemas, rows_found
from fixturepipe.databases.ledger import remove_ledger
from fixturepipe.databases.project import set_up_project
from fixturepipe.databases.reach import require_migrated, require_reachable, require_server
from fixturepipe.dump.fingerprint import what_moved
from fixturepipe.errors import ConfigurationError, RunDirectoryError, UsageError
from fixturepipe.events import Listener, Notice, ignore
from fixturepipe.fixes.declarations import Declaration

if TYPE_CHECKING:
    from fixturepipe.arrange.stage import ArrangeOptions, ArrangeResult
    from fixturepipe.check.repair import Repair
    from fixturepipe.check.stage import CheckOptions, CheckResult
    from fixturepipe.dump.stage import DumpOptions, DumpResult
    from fixturepipe.load.stage import LoadOptions, LoadResult
    from fixturepipe.verify.stage import VerifyOptions, VerifyResult

__all__ = [
    "ArrangeOptions",
    "ArrangeResult",
    "CheckOptions",
    "CheckResult",
    "DumpOptions",
    "DumpResult",
    "LoadOptions",
    "LoadResult",
    "Pipeline",
    "Project",
    "RunResult",
    "VerifyOptions",
    "VerifyResult",
]


def __getattr__(name: str) -> Any:
    """A stage's options and result. Each stage is imported when it is first asked for: a command
    that needs one does not wait for the others.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    stage = name.removesuffix("Options").removesuffix("Result").lower()
    return getattr(import_module(f"fixturepipe.{stage}.stage"), name)


@dataclass(frozen=True)
class Project:
    """Which project, which databases, and where the run's files lie.

    `settings` and `pythonpath` as for django-admin; `source` and `target` an alias or a URL,
    the target also "embedded" or None for the default.
    """

    settings: str | None = None
    pythonpath: str | None = None
    source: str = "default"
    target: str | None = None
    workdir: Path = Path("fixturepipe-run")


@dataclass(frozen=True)
class RunResult:
    """What `run` did; a stage that was not reached is None."""

    check: CheckResult
    dump: DumpResult | None = None
    arrange: ArrangeResult | None = None
    load: LoadResult | None = None
    verify: VerifyResult | None = None

    @property
    def ok(self) -> bool:
        """Whether everything was moved and is equal."""
        return self.check.ok and self.verify is not None and self.verify.ok


class Pipeline:
    """The commands over one run directory. Use as a context manager: it owns the connections
    and the embedded server, which is stopped at the end unless it was started to be kept.
    """

    def __init__(self, project: Project, listener: Listener = ignore) -> None:
        self._project = project
        self._listener = listener
        self._open = contextlib.ExitStack()
        self._ends: Endpoints | None = None
        self.directory = RunDirectory(project.workdir)
        self.server = EmbeddedServer(self.directory.server)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def check(self, options: CheckOptions) -> CheckResult:
        """Find what would fail or change on the way."""
        from fixturepipe.check.stage import check

        _require_fixable(self._migrated_source(), options.fix)
        return check(self._loadable_endpoints(), options, self._listener)

    def dump(self, options: DumpOptions) -> DumpResult:
        """Write the dumps that are not there yet."""
        from fixturepipe.dump.stage import dump

        with self._writing():
            endpoints = self._migrated_source()
            _require_fixable(endpoints, options.fix)
            if options.fix:
                # What is to be fixed is what the target does not take.
                endpoints = self._both_endpoints()
            return dump(
                self.directory, endpoints, options, self._listener, _repair(endpoints, options)
            )

    def arrange(self, files: Sequence[Path], options: ArrangeOptions) -> ArrangeResult:
        """Arrange the dumps, or fixtures from elsewhere."""
        with self._writing():
            return self._arrange(files, options)

    def load(self, options: LoadOptions) -> LoadResult:
        """Load what the target does not hold; arrange first where that is to be done."""
        from fixturepipe.load.stage import load

        with self._writing():
            manifest = read_manifest(self.directory)
            again = _arrange_again(manifest)
            if again is not None:
                self._arrange((), again)
            endpoints = self._loadable_endpoints(source_needed=False)
            self._tell_what_moved(manifest, endpoints, reached=False)
            return load(self.directory, endpoints, options, self._listener)

    def verify(self, options: VerifyOptions) -> VerifyResult:
        """Compare source and target; without a run directory, any pair."""
        from fixturepipe.verify.stage import verify

        endpoints = self._both_endpoints()
        if not self.directory.manifest.exists():
            return verify(endpoints, options, self._listener)
        manifest = read_manifest(self.directory)
        self._tell_what_moved(manifest, endpoints, reached=True)
        changes = read_changes(self.directory)
        rejected = rejected_keys(self.directory)
        for label, keys in changes.dropped.items():
            rejected.setdefault(label, set()).update(keys)
        if manifest.arrangement is not None and manifest.arrangement.on_orphan == "null":
            for label, key, field in dangling_references(self.directory):
                changes.changed.setdefault(label, {}).setdefault(key, {})[field] = None
        result = verify(endpoints, options, self._listener, manifest, rejected, changes.changed)
        equal = {each.model: each.equal + each.changed for each in result.models}
        told = msgspec.to_builtins(result.differences, enc_hook=str)
        found = msgspec.to_builtins(result.findings, enc_hook=str)
        verification = Verification(manifest.run, result.ok, equal, list(told), list(found))
        write_verification(self.directory, verification)
        return result

    def run(
        self,
        check_options: CheckOptions,
        dump_options: DumpOptions,
        arrange_options: ArrangeOptions,
        load_options: LoadOptions,
        verify_options: VerifyOptions,
    ) -> RunResult:
        """All stages; stops after a check that found errors."""
        from fixturepipe.check.stage import check
        from fixturepipe.dump.stage import check_options as check_dump_options
        from fixturepipe.dump.stage import dump
        from fixturepipe.load.stage import load, prepare_target

        with self._writing():
            _require_fixable(self._migrated_source(), dump_options.fix)
            check_dump_options(dump_options)
            endpoints = self._loadable_endpoints()
            prepare_target(self.directory, endpoints, load_options, self._listener)
            checked = check(endpoints, check_options, self._listener)
            if not checked.ok:
                return RunResult(checked)
            repair = _repair(endpoints, dump_options)
            dumped = dump(self.directory, endpoints, dump_options, self._listener, repair)
            arranged = self._arrange((), arrange_options)
            loaded = load(self.directory, endpoints, load_options, self._listener)
            return RunResult(checked, dumped, arranged, loaded, self.verify(verify_options))

    def clean(self) -> None:
        """Remove the run's ledger from the target, and the run directory's files."""
        if not self.directory.path.exists():
            return
        if not self.directory.manifest.exists() and any(self.directory.path.iterdir()):
            self.directory.create()
        with contextlib.suppress(RunDirectoryError):
            manifest = read_manifest(self.directory)
            if not self._is_embedded():
                remove_ledger(self._both_endpoints(), manifest.run)
        self.server.stop()
        shutil.rmtree(self.directory.path)

    def _arrange(self, files: Sequence[Path], options: ArrangeOptions) -> ArrangeResult:
        from fixturepipe.arrange.stage import arrange

        if files:
            self._set_up()
            schemas = {schema.label: schema for schema in project_schemas()}
        else:
            schemas = read_manifest(self.directory).schemas()
        return arrange(self.directory, schemas, files, options, self._listener, self._in_target)

    def _in_target(self, label: str, to: str, keys: Sequence[Any]) -> list[Any] | None:
        """Which of these keys the target holds; the target is opened when first asked.

        None where the target has not been migrated yet.
        """
        self._both_endpoints()
        return rows_found(TARGET, label, to, keys)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.directory.create()
        with self.directory.locked():
            yield

    def _set_up(self) -> None:
        set_up_project(self._project.settings, self._project.pythonpath)

    def _source_endpoint(self, *, needed: bool = True) -> Endpoints:
        """The source alone."""
        if self._ends is not None:
            return self._ends
        self._set_up()
        given = self._project.source
        source = resolve_endpoint(given)
        endpoints = Endpoints("default" if "://" in given else given, source)
        endpoints.open()
        if needed:
            require_reachable(SOURCE, source)
        return endpoints

    def _tell_what_moved(self, manifest: Manifest, endpoints: Endpoints, *, reached: bool) -> None:
        """Say so where the source has changed since it was dumped, or is not there to be asked.

        `reached` says that it was asked something already.
        """
        source = manifest.source
        if source is None:
            return
        try:
            if not reached:
                require_reachable(SOURCE, endpoints.source)
            moved = what_moved(source.fingerprint, self.directory, endpoints)
        except ConfigurationError as error:
            self._listener(Notice("info", f"Whether the source moved is not known: {error}"))
            return
        if moved:
            text = f"The source has moved since its dump ({'; '.join(moved)}): dump it again to"
            self._listener(Notice("warning", f"{text} take that along."))

    def _migrated_source(self) -> Endpoints:
        """The source alone, whose tables are those of the project's models."""
        endpoints = self._source_endpoint()
        require_migrated(SOURCE, endpoints.source)
        return endpoints

    def _both_endpoints(self, *, source_needed: bool = True) -> Endpoints:
        """Source and target, open; starts the embedded server if that is the target."""
        if self._ends is None:
            endpoints = self._source_endpoint(needed=source_needed)
            target = self._target_endpoint()
            _require_two_databases(endpoints.source, target)
            self._ends = Endpoints(endpoints.alias, endpoints.source, target)
            self._ends.open()
            require_reachable(TARGET, target)
        return self._ends

    def _loadable_endpoints(self, *, source_needed: bool = True) -> Endpoints:
        """Source and target, where the target is a server that rows can be loaded into."""
        endpoints = self._both_endpoints(source_needed=source_needed)
        assert endpoints.target is not None
        require_server(TARGET, endpoints.target)
        return endpoints

    def _is_embedded(self) -> bool:
        self._set_up()
        return (self._project.target or default_target()) == EMBEDDED

    def _target_endpoint(self) -> Endpoint:
        if not self._is_embedded():
            return resolve_endpoint(self._project.target or default_target())
        self.directory.create()
        self.server.start()
        if not self.server.kept:
            self._open.callback(self.server.stop)
        return self.server.endpoint()


def _arrange_again(manifest: Manifest) -> ArrangeOptions | None:
    """How to arrange before a load: as before, where the dumps are newer than the chunks.

    None where the chunks are those of the dumps, or of fixtures from elsewhere.
    """
    arrangement = manifest.arrangement
    dumps = {dump.file: dump.sha256 for dump in manifest.dumps}
    if arrangement is not None and (
        arrangement.inputs == dumps or not set(arrangement.inputs) <= set(dumps)
    ):
        return None
    from fixturepipe.arrange.stage import ArrangeOptions

    if arrangement is None:
        return ArrangeOptions()
    return ArrangeOptions(
        arrangement.chunk_objects,
        arrangement.chunk_bytes,
        arrangement.on_orphan,
        arrangement.ignorenonexistent,
    )


def _repair(endpoints: Endpoints, options: DumpOptions) -> Repair | None:
    """What applies the declared fixes; None where none is declared."""
    from fixturepipe.check.repair import Repair

    return Repair(endpoints, options.fix) if options.fix else None


def _require_fixable(endpoints: Endpoints, fixes: Sequence[Declaration]) -> None:
    if fixes and endpoints.source.vendor != "sqlite":
        raise UsageError(
            f"Remedies are applied to a copy of a SQLite file, and {endpoints.source.name} is none",
            hint="Use --transform, or correct the rows in the source.",
        )


def _require_two_databases(source: Endpoint, target: Endpoint) -> None:
    if source.is_same_database(target):
        raise ConfigurationError(
            f"Source and target are the same database: {target.name}",
            hint="Name another one with --target.",
        )
