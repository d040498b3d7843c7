"""The manifest: what was dumped, in which order it is to be loaded, and what the models are.

`manifest.json` is all that the stages tell each other, apart from the fixture files.
It carries a version; a version that this code does not know is refused. It is written whole
to a temporary file and renamed, after each step that must survive a crash.

A *label* is "app_label.model_name" in lower case, as fixtures write it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from fixturepipe.artifacts.fixtures import model_label
from fixturepipe.artifacts.jsonfile import now, read_json, write_json
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.errors import RunDirectoryError

VERSION = 2
_DAMAGED = "Restore the file from a copy, or start a new run in another directory with --workdir."


class Reference(msgspec.Struct, frozen=True, omit_defaults=True):
    """A foreign key, one-to-one key or parent link of a model.

    `field` is its name in an object's "fields", or "pk" where it is the primary key itself;
    `model` the label it points at; `to` the field of that model whose value it holds ("pk" for
    the primary key). `constrained` is false for `db_constraint=False`, whose references
    may dangle on purpose. `parent` marks multi-table inheritance.
    """

    field: str
    model: str
    to: str = "pk"
    null: bool = False
    constrained: bool = True
    parent: bool = False


class ManyToMany(msgspec.Struct, frozen=True):
    """A many-to-many field: the through model and its two foreign keys' names.

    `symmetrical` fields mean a row in each direction when a fixture lists them.
    """

    field: str
    through: str
    source: str
    target: str
    symmetrical: bool = False


class ModelSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the pure stages need to know of a model.

    `fields` are the names that may be in an object's "fields" (many-to-many lists, which
    only fixtures from elsewhere hold, are in `many_to_many`). `natural_key` gives the fields that
    make up the natural key, in order, as look-up paths ("content_type__app_label"); it is empty
    where the model has none or computes it. `natural_primary` models are written without a
    primary key (content types and permissions, which every target makes itself).
    `depends` are the labels that `natural_key.dependencies` name. `derived` are the generated
    columns: stock dumpdata writes them, and loaddata makes nothing of them. `proxies` are the
    labels of the model's proxies, by which a fixture may call its objects.
    """

    label: str
    table: str
    pk: str
    fields: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    many_to_many: tuple[ManyToMany, ...] = ()
    natural_key: tuple[str, ...] = ()
    natural_primary: bool = False
    depends: tuple[str, ...] = ()
    managed: bool = True
    derived: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()


class NotCovered(msgspec.Struct, frozen=True):
    """A model or a table that the dump leaves out, and why."""

    name: str
    reason: str


class Dump(msgspec.Struct, frozen=True):
    """One app's finished dump. `models` counts its objects by label, in file order.

    `file` is relative to the run directory; `sha256` of its bytes; `fingerprint` of what
    it was made from and how, so that an unchanged app is not dumped again. `rejected` objects
    of the source are not in it, they are in `rejects/`. `changed` counts those that fixes or
    the transform changed, `dropped` those that they left out, by label (see `changes`).
    """

    app: str
    file: str
    objects: int
    bytes: int
    sha256: str
    models: dict[str, int]
    fingerprint: str = ""
    rejected: int = 0
    changed: dict[str, int] = {}
    dropped: dict[str, int] = {}


class Chunk(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fixture file that `load` takes as a transaction.

    `after` lists the chunks it needs as inclusive ranges of numbers. `component` numbers the
    group of models that was ordered together. `cyclic` says that its objects refer to each
    other in a cycle, so that foreign keys hold only once the whole chunk is in. `second_pass`
    says that its objects are all in already, with keys null that close a cycle: here they are
    whole, and each is an update.
    """

    number: int
    file: str
    models: dict[str, int]
    objects: int
    bytes: int
    sha256: str
    after: tuple[tuple[int, int], ...] = ()
    component: int = 0
    cyclic: bool = False
    second_pass: bool = False


class Arrangement(msgspec.Struct, frozen=True):
    """The finished plan. `inputs` maps each fixture that was read to its sha256.

    `objects` and `models` count each object once, though one that closes a cycle may be in
    two chunks; `rejected` the orphans that were left out; `ignored` what the
    project has no model or field for. `fingerprint` is of the schemas and all options.
    """

    inputs: dict[str, str]
    chunk_objects: int
    chunk_bytes: int
    chunks: tuple[Chunk, ...]
    objects: int
    models: dict[str, int]
    rejected: dict[str, int] = {}
    ignored: dict[str, int] = {}
    on_orphan: Literal["stop", "reject", "null"] = "stop"
    ignorenonexistent: bool = False
    fingerprint: str = ""


class Source(msgspec.Struct, frozen=True):
    """Where the dumps came from: alias, database vendor, a name without password.

    `fingerprint` maps names (schema, counts, highest keys, …) to their values at
    the time of the snapshot.
    """

    alias: str
    vendor: str
    name: str
    fingerprint: dict[str, Any]


@dataclass(frozen=True)
class SchemaChange:
    """What a table of the target has in place of what its model asks for.

    `fields` are names; `index` is the name of the index or constraint. `fix` is "prefix",
    "drop-index" or "key-type"; `statement` makes what is there, and is empty for nothing.
    `migration` is the operation that the project's own migrations need, in Python.
    """

    model: str
    fields: tuple[str, ...]
    index: str
    unique: bool
    fix: str
    statement: str
    migration: str


class Manifest(msgspec.Struct, kw_only=True):
    """The record of one run. `run` is its id (32 hex digits), which the ledger repeats.

    `sequences` maps a table to the highest key that its source ever allocated.
    `json_nulls` maps label and field of a nullable JSON field to the primary keys that
    hold JSON null where the fixture's null would mean SQL NULL, or to "all".
    `stored` maps label and field to "same" or "altered" if the dumps hold the field's values in
    the form that the database stores: `load` writes them without the field's code. Stock loaddata
    would change or refuse some of those that are "altered" (see `dump/storedforms`).
    `natural_ids` maps the label of a model whose objects have no primary key in a fixture (content
    types, permissions) to pairs of natural key and id in the source.
    `target` is the run's target, an alias or a URL without password and options, "" until a
    command fills one; `target_needs` names the parts of its URL that are not written.
    `natural_references` are the models that the dumps refer to by natural key. `natural_keys`,
    `fix` and `transform` are the options that the dumps were made with, for a later `sync`.
    `schema_changes` are what declared fixes changed in the target's tables.
    """

    version: int = VERSION
    run: str
    created: str
    settings: str = ""
    source: Source | None = None
    target: str = ""
    target_needs: list[str] = []
    migrations: list[tuple[str, str]] = []
    schema: list[ModelSchema] = []
    not_covered: list[NotCovered] = []
    sequences: dict[str, int] = {}
    json_nulls: dict[str, dict[str, Literal["all"] | list[Any]]] = {}
    stored: dict[str, dict[str, Literal["same", "altered"]]] = {}
    natural_ids: dict[str, list[tuple[list[Any], int]]] = {}
    natural_references: list[str] = []
    natural_keys: str = "auto"
    fix: list[tuple[str, str, Any]] = []
    transform: str | None = None
    dumps: list[Dump] = []
    arrangement: Arrangement | None = None
    schema_changes: list[SchemaChange] = []

    def schemas(self) -> dict[str, ModelSchema]:
        """The models by label."""
        return {schema.label: schema for schema in self.schema}

    @property
    def altered_fields(self) -> list[tuple[str, str]]:
        """Label and name of the fields whose values stock loaddata would change or refuse."""
        fields = (
            (label, name, how) for label, of in self.stored.items() for name, how in of.items()
        )
        return sorted((label, name) for label, name, how in fields if how == "altered")

    def label_of(self, name: str) -> str:
        """The label of the model that a user names, whose objects a proxy's are."""
        label = model_label(name)
        return next((s.label for s in self.schema if label in s.proxies), label)


def write_manifest(directory: RunDirectory, manifest: Manifest) -> None:
    """Write the manifest, whole."""
    write_json(directory.manifest, manifest)


def record_schema_changes(directory: RunDirectory, changes: Sequence[SchemaChange]) -> None:
    """Write down what the target's tables have in place of what the models ask for."""
    manifest = open_run(directory)
    if manifest.schema_changes != list(changes):
        manifest.schema_changes = list(changes)
        write_manifest(directory, manifest)


def open_run(directory: RunDirectory) -> Manifest:
    """The run's manifest; a new run's is written at once, as it is what marks the directory.

    Raises RunDirectoryError as `RunDirectory.create` and `read_manifest` do.
    """
    directory.create()
    if directory.manifest.exists():
        return read_manifest(directory)
    manifest = Manifest(run=uuid.uuid4().hex, created=now())
    write_manifest(directory, manifest)
    return manifest


def read_manifest(directory: RunDirectory) -> Manifest:
    """Read the run's manifest.

    Raises RunDirectoryError where there is none, where it is of an unknown version and where
    it is damaged.
    """
    try:
        return read_json(directory.manifest, Manifest, hint=_DAMAGED, version=VERSION)
    except FileNotFoundError:
        raise RunDirectoryError(
            f"{directory.path} holds no run: there is no manifest.json",
            hint="Start with `fixturepipe run`, or name another directory with --workdir.",
        ) from None
