"""Stage 2: fixtures in, chunks out, in an order in which no chunk needs a later one.

    files ──► intake ──► ordinary models: cut as they come ────────┐
                 │                                                 ├──► numbered in load order
                 └─────► tangled components: wait, ordered, cut ───┘

Objects are read once. Chunks are cut into a directory beside their place, with no numbers, and
numbered and moved there when all is known; the manifest names them last. The old arrangement is
dropped from the manifest first: whenever this stops, there is no chunk that `load` would take.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from fixturepipe.arranging.foreign import Normaliser, Plain, UnusableObjectError
from fixturepipe.arranging.intake import Model, Models, Names
from fixturepipe.arranging.keys import NATURAL, key_of
from fixturepipe.arranging.keysets import KeyStore, open_index
from fixturepipe.arranging.objects import ComponentObjects
from fixturepipe.arranging.ordering import ComponentOrder
from fixturepipe.arranging.orphans import InTarget, MissingKeys, OnOrphan, Orphan, Settlement
from fixturepipe.artifacts.catalog import FILE as CATALOG
from fixturepipe.artifacts.catalog import CatalogWriter, mark_of, object_lines
from fixturepipe.artifacts.fixtures import FixtureFile
from fixturepipe.artifacts.manifest import (
    Arrangement,
    Chunk,
    Manifest,
    ModelSchema,
    read_manifest,
    write_manifest,
)
from fixturepipe.artifacts.records import decode_object, file_sha256, fixture_writer
from fixturepipe.artifacts.rundir import (
    DIRECTORY_MODE,
    RunDirectory,
    sync_directory,
    sync_file,
)
from fixturepipe.chunking import (
    ComponentStream,
    Draft,
    DraftFiles,
    Limits,
    ModelStream,
    as_ranges,
    chunk_name,
)
from fixturepipe.errors import DanglingReferenceError, FixtureError, RunDirectoryError
from fixturepipe.events import (
    Listener,
    StageAdvanced,
    StageFinished,
    StageStarted,
    ignore,
)
from fixturepipe.graph import Component, ModelGraph

FORMAT = 1  # counts up when the same input would be cut differently
_REJECTS, _REASONS = "arrange.json", "arrange.reasons.json"
_NAMED = 20  # orphans in the message of an error
_STEP = 1000  # objects between two events


@dataclass(frozen=True)
class ArrangeOptions:
    """How to cut, and what to do about references to nothing and about unknown names.

    `on_orphan` "null" writes null where the column allows it and leaves the object out where
    not.
    """

    chunk_objects: int = 5000
    chunk_bytes: int = 8 * 2**20
    on_orphan: OnOrphan = "stop"
    ignorenonexistent: bool = False


@dataclass(frozen=True)
class ArrangeResult:
    """What was arranged. `unchanged` where the arrangement stood already.

    `problems` are the first references to nothing, `orphans` counts them all.
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
) -> ArrangeResult:
    """Arrange the run's dumps, or the fixtures given, into chunks.

    Raises FixtureError for a file that is no fixture or holds what the project does not know,
    DanglingReferenceError for references to nothing if these are to stop it, and
    RunDirectoryError where there is nothing to arrange.
    """
    manifest = _manifest(directory, schemas, inputs)
    files = _files(directory, manifest, inputs)
    marks = {name: file_sha256(file.path) for name, file in files.items()}
    fingerprint = _fingerprint(schemas, options)
    if _stands(directory, manifest.arrangement, marks, fingerprint):
        assert manifest.arrangement is not None
        return _result(manifest.arrangement, unchanged=True)
    begun = time.monotonic()
    manifest.arrangement = None
    write_manifest(directory, manifest)
    total = None if inputs else sum(dump.objects for dump in manifest.dumps)
    listener(StageStarted("arrange", total))
    with _Arranging(directory, schemas, options, listener, in_target) as work:
        work.take_in(files)
        chunks = work.cut()
        arrangement = Arrangement(
            inputs=marks,
            chunk_objects=options.chunk_objects,
            chunk_bytes=options.chunk_bytes,
            chunks=tuple(chunks),
            objects=sum(work.counts().values()),
            models=work.counts(),
            rejected=dict(work.rejected),
            ignored=dict(work.normaliser.ignored),
            on_orphan=options.on_orphan,
            ignorenonexistent=options.ignorenonexistent,
            fingerprint=fingerprint,
        )
        work.put_in_place()
    manifest.arrangement = arrangement
    write_manifest(directory, manifest)
    seconds = time.monotonic() - begun
    listener(StageFinished("arrange", arrangement.objects, seconds))
    return _result(arrangement, problems=work.orphans, orphans=work.total, seconds=seconds)


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
    if inputs and not directory.manifest.exists():
        directory.create()
        created = datetime.now(UTC).isoformat(timespec="seconds")
        return Manifest(run=uuid.uuid4().hex, created=created, schema=list(schemas.values()))
    manifest = read_manifest(directory)
    if not inputs and not manifest.dumps:
        raise RunDirectoryError(
            f"{directory.path} holds no dumps",
            hint="Run `fixturepipe dump` first, or name fixtures: `fixturepipe arrange FILE …`.",
        )
    return manifest


def _files(
    directory: RunDirectory, manifest: Manifest, inputs: Sequence[Path]
) -> dict[str, FixtureFile]:
    """The fixtures to read by the names the manifest gives them."""
    named = (
        {str(path): path for path in inputs}
        if inputs
        else {dump.file: directory.path / dump.file for dump in manifest.dumps}
    )
    for path in named.values():
        if not path.is_file():
            hint = "" if inputs else "Make it again with `fixturepipe dump`."
            raise FixtureError(path, "there is no such file", hint=hint)
    return {name: FixtureFile(path) for name, path in named.items()}


def _fingerprint(schemas: Mapping[str, ModelSchema], options: ArrangeOptions) -> str:
    """A mark of all that decides, besides the fixtures, what the chunks are."""
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


class _Arranging:
    """One arrangement in the making. A context manager: what it left half done is removed."""

    def __init__(
        self,
        directory: RunDirectory,
        schemas: Mapping[str, ModelSchema],
        options: ArrangeOptions,
        listener: Listener,
        in_target: InTarget | None,
    ) -> None:
        self._directory = directory
        self._options = options
        self._listener = listener
        self._in_target = in_target
        self._open = ExitStack()
        self._work = directory.arranging
        self._limits = Limits(options.chunk_objects, options.chunk_bytes)
        self._told = 0
        self._graph = ModelGraph(schemas)
        self._schemas = schemas
        self.orphans: list[Orphan] = []
        self.total = 0
        self.rejected: dict[str, int] = {}

    def __enter__(self) -> _Arranging:
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(mode=DIRECTORY_MODE)
        self._open.callback(shutil.rmtree, self._work, ignore_errors=True)
        self._index = open_index(self._work / "index.sqlite3")
        self._open.callback(self._index.close)
        self._store = KeyStore(self._index)
        self._catalog = CatalogWriter(self._work / CATALOG)
        self._drafts = DraftFiles(self._work, self._catalog)
        self._models = Models(self._schemas, self._graph, self._store)
        self.normaliser = Normaliser(
            self._schemas,
            self._models.natural_keys,
            self._index,
            ignorenonexistent=self._options.ignorenonexistent,
        )
        self._waiting: dict[int, ComponentObjects] = {}
        for label, model in self._models.by_label.items():
            component = self._graph.component_of[label]
            if component.tangled:
                model.waiting = self._objects_of(component)
            else:
                model.stream = ModelStream(self._drafts, label, self._limits)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _objects_of(self, component: Component) -> ComponentObjects:
        if component.number not in self._waiting:
            objects = ComponentObjects(self._work, component.number, self._index)
            self._open.callback(objects.close)
            self._waiting[component.number] = objects
        return self._waiting[component.number]

    def counts(self) -> dict[str, int]:
        """Objects by label, in load order, without those left out."""
        ordered = [label for each in self._graph.components for label in each.labels]
        counted = {
            label: self._models.by_label[label].objects - self.rejected.get(label, 0)
            for label in ordered
        }
        return {label: count for label, count in counted.items() if count}

    # Taking in

    def take_in(self, files: Mapping[str, FixtureFile]) -> None:
        """Read all objects; check that none stands twice."""
        for name, file in files.items():
            self._take_file(name, file, files)
        for names in self._models.all_names():
            for key in names.borne.repeated():
                self._refuse_twice(names, key, files)
        for model in self._models.by_label.values():
            if model.stream is not None:
                model.stream.close()
            for name in model.origins:
                self._catalog.origin(model.schema.label, name)

    def _take_file(self, name: str, file: FixtureFile, files: Mapping[str, FixtureFile]) -> None:
        by_label = self._models.by_label
        take = self._models.take
        before = {label: model.objects for label, model in by_label.items()}
        for number, item in enumerate(file.objects(), 1):
            label, fields = item["model"], item["fields"]
            model = by_label.get(label)
            if model is not None and fields.keys() <= model.plain:
                repeated = take(model, item.get("pk"), fields)
                if repeated is not None:
                    self._refuse_twice(*repeated, files)
            else:
                for plain in self._plain(file, item, number):
                    repeated = take(by_label[plain.label], plain.pk, plain.fields)
                    if repeated is not None:
                        self._refuse_twice(*repeated, files)
            if number % _STEP == 0:
                self._advance(label)
        self._advance(name)
        for label, model in by_label.items():
            if model.objects > before[label]:
                model.origins.append(name)

    def _advance(self, label: str) -> None:
        """Tell of the objects that are in chunks since it was last told."""
        waiting = sum(objects.count for objects in self._waiting.values())
        done = sum(model.objects for model in self._models.by_number) - waiting
        self._listener(StageAdvanced("arrange", done - self._told, label))
        self._told = done

    def _plain(self, file: FixtureFile, item: Mapping[str, Any], number: int) -> Iterator[Plain]:
        try:
            yield from self.normaliser.plain(item)
        except UnusableObjectError as error:
            pk = item.get("pk")
            what = f"object {number:,} ({item['model']}{'' if pk is None else f' {pk}'})"
            file.refuse(error.problem, position=what, hint=error.hint)

    def _refuse_twice(self, names: Names, key: object, files: Mapping[str, FixtureFile]) -> None:
        """Read all again to say where the objects with one key stand."""
        places = []
        for file in files.values():
            for number, item in enumerate(file.objects(), 1):
                if self._bears(item, names, key):
                    places.append((file, number))
        if len(places) < 2:
            return
        (first, first_number), (second, second_number) = places[:2]
        where = "" if first is second else f"{first.path}, "
        second.refuse(
            f"{names.kind.label} with {names.kind.to} {key} stands in {where}object"
            f" {first_number:,} already",
            position=f"object {second_number:,}",
            hint="Take one of them out.",
        )

    def _bears(self, item: Mapping[str, Any], names: Names, key: object) -> bool:
        """Whether an object goes by this key; only one without primary key by its natural one."""
        if item["model"].lower() != names.kind.label:
            return False
        pk = item.get("pk")
        if names.kind.to == NATURAL:
            found = self._models.natural_keys.of(names.kind.label, pk, item["fields"])
            return pk is None and found == key
        return pk is not None and key_of(pk) == key

    # Cutting

    def cut(self) -> list[Chunk]:
        """Order what waits, settle what points at nothing, number all chunks."""
        untold = [names.number for names in self._models.all_names() if names.open]
        for objects in self._waiting.values():
            objects.link(untold)
        missing = MissingKeys(self._models, self._store, self._in_target)
        if not missing:
            _remove_rejects(self._directory)
            return self._numbered(
                [(each, self._ordered(each, None)) for each in self._components()]
            )
        rejects, reasons = self._directory.rejects / _REJECTS, self._directory.rejects / _REASONS
        self._directory.rejects.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        with fixture_writer(rejects) as objects_file, fixture_writer(reasons) as reasons_file:
            settlement = Settlement(
                self._models, missing, self._options.on_orphan, objects_file, reasons_file
            )
            drafts = [(each, self._ordered(each, settlement)) for each in self._components()]
        self.orphans, self.total = settlement.orphans, settlement.total
        self.rejected = dict(settlement.rejected)
        if not self.rejected:
            rejects.unlink()
        if self.total and self._options.on_orphan == "stop":
            raise _dangling(self.orphans, self.total, reasons)
        return self._numbered(drafts)

    def _components(self) -> Iterator[Component]:
        for component in self._graph.components:
            if any(self._models.by_label[label].objects for label in component.labels):
                yield component

    def _ordered(self, component: Component, settlement: Settlement | None) -> list[Draft]:
        models = [self._models.by_label[label] for label in component.labels]
        if settlement is not None and not any(map(settlement.concerns, models)):
            settlement = None
        if component.tangled:
            return self._ordered_objects(component, settlement)
        model = models[0]
        assert model.stream is not None
        if settlement is not None:
            return self._settled(model, model.stream.drafts, settlement)
        return model.stream.drafts

    def _ordered_objects(self, component: Component, settlement: Settlement | None) -> list[Draft]:
        objects = self._waiting[component.number]
        stream = ComponentStream(self._drafts, component.labels, self._limits)
        label = component.labels[0]

        def advance(done: int) -> None:
            self._listener(StageAdvanced("arrange", done, label))

        ComponentOrder(objects, self._models, stream, settlement).run(advance)
        objects.close()
        return stream.drafts

    def _settled(
        self, model: Model, drafts: Sequence[Draft], settlement: Settlement
    ) -> list[Draft]:
        """An ordinary model's chunks cut again, from what they hold."""
        stream = ModelStream(self._drafts, model.schema.label, self._limits)
        for draft in drafts:
            for line in object_lines(draft.path):
                settled = settlement.settle(model, line)
                if settled is not None:
                    stream.add(mark_of(decode_object(settled).get("pk")), settled)
            self._drafts.forget(draft.path)
        stream.close()
        return stream.drafts

    def _numbered(self, drafts: Sequence[tuple[Component, Sequence[Draft]]]) -> list[Chunk]:
        """Give every draft its number and name, in load order."""
        total = sum(len(each) for _, each in drafts)
        span: dict[int, tuple[int, int]] = {}
        chunks: list[Chunk] = []
        for component, own in drafts:
            first = len(chunks) + 1
            for draft in own:
                number = len(chunks) + 1
                name = chunk_name(number, total, draft.models)
                sync_file(draft.path)
                self._catalog.number(draft.path.name, number)
                draft.path.rename(self._work / name)
                chunks.append(
                    Chunk(
                        number=number,
                        file=f"{self._directory.chunks.name}/{name}",
                        models=draft.models,
                        objects=draft.objects,
                        bytes=draft.bytes,
                        sha256=draft.sha256,
                        after=self._after(draft, component, first, span),
                        component=component.number,
                        cyclic=draft.cyclic,
                        again=draft.again,
                    )
                )
            if own:
                span[component.number] = (first, len(chunks))
        return chunks

    def _after(
        self, draft: Draft, component: Component, first: int, span: Mapping[int, tuple[int, int]]
    ) -> tuple[tuple[int, int], ...]:
        """The chunks that one needs: all of the models it refers to, and those of its own
        component that hold what its objects refer to.
        """
        needed = {first + place - 1 for place in draft.needs}
        others = {
            self._graph.component_of[other].number
            for label in draft.models
            for other in self._graph.needs(label)
        }
        ranges = [span[number] for number in others - {component.number} if number in span]
        return merged([*ranges, *as_ranges(needed)])

    def put_in_place(self) -> None:
        """Chunks to their place, in one move."""
        self._catalog.close()
        for objects in self._waiting.values():
            objects.close()
        self._index.close()
        (self._work / "index.sqlite3").unlink()
        sync_directory(self._work)
        shutil.rmtree(self._directory.chunks, ignore_errors=True)
        self._work.rename(self._directory.chunks)
        sync_directory(self._directory.path)


def merged(ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Inclusive ranges in ascending order, those that touch made one."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)


def _remove_rejects(directory: RunDirectory) -> None:
    for name in (_REJECTS, _REASONS):
        (directory.rejects / name).unlink(missing_ok=True)


def _dangling(orphans: Sequence[Orphan], total: int, reasons: Path) -> DanglingReferenceError:
    named = "\n".join(f"  {orphan}" for orphan in orphans[:_NAMED])
    more = f"\n  … and {total - _NAMED:,} more, all in {reasons}" if total > _NAMED else ""
    return DanglingReferenceError(
        f"{total:,} references lead to objects that are neither here nor in the target:\n"
        f"{named}{more}",
        hint="Mend the source, add what was not dumped, or go on with --on-orphan reject or null.",
    )
