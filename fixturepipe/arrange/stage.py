"""Stage 2: fixtures in, chunks out, in an order in which no chunk needs a later one.

    files ──► intake ──► ordinary models: cut as they come ────────┐
                 │                                                 ├──► numbered in load order
                 └─────► cyclic components: wait, ordered, cut ───┘

Objects are read once. Chunks are cut into a temporary directory, without numbers; when all is known
they are numbered and moved to their directory, and the manifest names them last. The old
arrangement is dropped from the manifest first: whenever this stops, `load` would take no chunk.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from fixturepipe.arrange.chunking import Draft, Limits
from fixturepipe.arrange.cutting import Cutting, numbered
from fixturepipe.arrange.keys import KeyReaders
from fixturepipe.arrange.options import ArrangeOptions
from fixturepipe.arrange.orphans import InTarget, MissingKeys, Orphan, Settlement
from fixturepipe.arrange.reading import Reading
from fixturepipe.arrange.workplace import Workplace, workplace
from fixturepipe.artifacts.fixtures import FixtureFile
from fixturepipe.artifacts.manifest import (
    Arrangement,
    Manifest,
    ModelSchema,
    open_run,
    read_manifest,
    write_manifest,
)
from fixturepipe.artifacts.records import file_sha256, fixture_writer
from fixturepipe.artifacts.rejects import ARRANGE, rejects_paths
from fixturepipe.artifacts.rundir import DIRECTORY_MODE, RunDirectory
from fixturepipe.artifacts.state import forget_verification
from fixturepipe.errors import (
    DanglingReferenceError,
    FixtureError,
    FixturepipeError,
    RunDirectoryError,
)
from fixturepipe.events import Listener, StageFinished, StageStarted, ignore
from fixturepipe.graph import Component
from fixturepipe.wording import counted

FORMAT = 1  # counts up when the same input would be cut differently
_NAMED = 20  # orphans in the message of an error

Drafts = Sequence[tuple[Component, Sequence[Draft]]]


@dataclass(frozen=True)
class ArrangeResult:
    """What was arranged. `unchanged` where these fixtures were already arranged like this.

    `problems` are the first dangling references, `orphans` counts them all.
    """

    models: dict[str, int]
    objects: int
    chunks: int
    problems: list[Orphan] = field(default_factory=list)
    orphans: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    unchanged: bool = False
    seconds: float = 0.0


def arrange(
    directory: RunDirectory,
    schemas: Mapping[str, ModelSchema],
    inputs: Sequence[Path] = (),
    options: ArrangeOptions = ArrangeOptions(),
    listener: Listener = ignore,
    in_target: InTarget | None = None,
    key_readers: KeyReaders | None = None,
) -> ArrangeResult:
    """Arrange the run's dumps, or the fixtures given, into chunks.

    `key_readers` says how keys are read that others wrote; those of our own dumps have one form.

    Raises FixtureError for a file that is no fixture or holds what the project does not know,
    DanglingReferenceError for dangling references if these are to stop it, and
    RunDirectoryError where there is nothing to arrange.
    """
    manifest = _manifest(directory, schemas, inputs)
    paths = _paths(directory, manifest, inputs)
    sums = {name: file_sha256(path) for name, path in paths.items()}
    own = {} if inputs else {dump.file: dump.sha256 for dump in manifest.dumps}
    files = {
        name: FixtureFile(path, trusted=own.get(name) == sums[name]) for name, path in paths.items()
    }
    fingerprint = _fingerprint(schemas, options)
    if _stands(directory, manifest.arrangement, sums, fingerprint):
        assert manifest.arrangement is not None
        return _result(manifest.arrangement, unchanged=True)
    begun = time.monotonic()
    manifest.arrangement = None
    write_manifest(directory, manifest)
    forget_verification(directory)
    total = None if inputs else sum(dump.objects for dump in manifest.dumps)
    listener(StageStarted("arrange", total))
    readers = None if all(file.trusted for file in files.values()) else key_readers
    limits = Limits(options.chunk_objects, options.chunk_bytes)
    with _refusals_of(directory), workplace(directory, schemas, limits, readers) as work:
        reading = Reading(work, files, listener, ignorenonexistent=options.ignorenonexistent)
        reading.run()
        drafts, settlement = _cut(work, options, listener, in_target)
        rejected = dict(settlement.rejected) if settlement else {}
        models = work.counts(rejected)
        arrangement = Arrangement(
            inputs=sums,
            chunk_objects=options.chunk_objects,
            chunk_bytes=options.chunk_bytes,
            chunks=numbered(work, drafts),
            objects=sum(models.values()),
            models=models,
            rejected=rejected,
            ignored=reading.ignored,
            on_orphan=options.on_orphan,
            ignorenonexistent=options.ignorenonexistent,
            fingerprint=fingerprint,
        )
        work.become_chunks()
    manifest.arrangement = arrangement
    if not manifest.dumps:
        manifest.natural_ids = reading.natural_ids
    write_manifest(directory, manifest)
    seconds = time.monotonic() - begun
    listener(StageFinished("arrange", arrangement.objects, seconds))
    if settlement is None:
        return _result(arrangement, seconds=seconds)
    problems, orphans = settlement.orphans, settlement.total
    return _result(arrangement, problems=problems, orphans=orphans, seconds=seconds)


@contextmanager
def _refusals_of(directory: RunDirectory) -> Iterator[None]:
    """Name the run directory where its disk refuses: it is full, mostly."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        problem = getattr(error, "strerror", None) or error
        raise FixturepipeError(
            f"{directory.path} cannot be written: {problem}",
            hint="The chunks need twice the space of the fixtures. Free some space, then run the"
            " same command again.",
        ) from error


def _result(arrangement: Arrangement, **more: Any) -> ArrangeResult:
    return ArrangeResult(
        models=arrangement.models,
        objects=arrangement.objects,
        chunks=len(arrangement.chunks),
        rejected=arrangement.rejected,
        ignored=arrangement.ignored,
        **more,
    )


def _manifest(
    directory: RunDirectory, schemas: Mapping[str, ModelSchema], inputs: Sequence[Path]
) -> Manifest:
    """The run's manifest; a new one for fixtures from elsewhere where there is none."""
    if not inputs:
        manifest = read_manifest(directory)
        if not manifest.dumps:
            raise RunDirectoryError(
                f"{directory.path} holds no dumps",
                hint="Run `fixturepipe dump` first, or name fixtures: `fixturepipe arrange FILE`.",
            )
        return manifest
    manifest = open_run(directory)
    if not manifest.dumps:
        manifest.schema = list(schemas.values())
    return manifest


def _paths(directory: RunDirectory, manifest: Manifest, inputs: Sequence[Path]) -> dict[str, Path]:
    """The fixtures to read by the names the manifest gives them."""
    named = (
        {str(path): path for path in inputs}
        if inputs
        else {dump.file: directory.path / dump.file for dump in manifest.dumps}
    )
    for path in named.values():
        if not path.is_file():
            hint = "" if inputs else "Make it again with `fixturepipe dump`."
            problem = "it is not a file" if path.exists() else "there is no such file"
            raise FixtureError(path, problem, hint=hint)
    return named


def _fingerprint(schemas: Mapping[str, ModelSchema], options: ArrangeOptions) -> str:
    """A hash of everything but the fixtures that decides what the chunks are."""
    return sha256(
        msgspec.json.encode([FORMAT, asdict(options), list(schemas.values())])
    ).hexdigest()


def _stands(
    directory: RunDirectory,
    arrangement: Arrangement | None,
    inputs: Mapping[str, str],
    fingerprint: str,
) -> bool:
    """Whether these fixtures have been arranged like this, and all chunks are still there."""
    if arrangement is None or arrangement.fingerprint != fingerprint:
        return False
    if arrangement.inputs != inputs:
        return False
    with suppress(OSError):
        return all(
            (directory.path / chunk.file).stat().st_size == chunk.bytes
            for chunk in arrangement.chunks
        )
    return False


def _cut(
    work: Workplace, options: ArrangeOptions, listener: Listener, in_target: InTarget | None
) -> tuple[Drafts, Settlement | None]:
    """Order and cut what was read; orphans are written to `rejects`.

    Raises DanglingReferenceError if such references are to stop it.
    """
    indexes = work.models.key_indexes()
    unknown = {each.number for each in indexes if each.is_open and each.followed}
    for objects in work.waiting.values():
        objects.resolve(unknown)
    rejects, reasons = rejects_paths(work.directory, ARRANGE)
    missing = MissingKeys(work.models, work.store, in_target)
    if not missing:
        for path in (rejects, reasons):
            path.unlink(missing_ok=True)
        return Cutting(work, listener, None).drafts(), None
    rejects.parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    with fixture_writer(rejects) as objects_file, fixture_writer(reasons) as reasons_file:
        policy = options.on_orphan
        settlement = Settlement(work.models, missing, policy, objects_file, reasons_file)
        drafts = Cutting(work, listener, settlement).drafts()
    if not settlement.rejected:
        rejects.unlink()
    if settlement.total and policy == "stop":
        raise _dangling(settlement, reasons)
    return drafts, settlement


def _dangling(settlement: Settlement, reasons: Path) -> DanglingReferenceError:
    """The error that stops: how many there are by field, and the first of them."""
    count = counted(settlement.total, "dangling reference")
    fields = [f"  {count:,} from {name}" for name, count in settlement.by_field.most_common(_NAMED)]
    named = [f"  {orphan}" for orphan in settlement.orphans[:_NAMED]]
    return DanglingReferenceError(
        f"Found {count}: the objects are in neither the fixtures nor the target\n"
        + "\n".join([*fields, "The first of them:", *named, f"All of them are in {reasons}"]),
        hint="Correct the source, add the missing objects, or pass --on-orphan reject or null.",
    )
