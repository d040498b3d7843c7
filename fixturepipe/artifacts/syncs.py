"""The syncs of a run: what each brought to the target after the run itself.

    3-sync/0001/
        sync.json        what it moves, and how far it came
        manifest.json    a run directory of its own: 1-dump/, 2-chunks/, rejects/
        deletes.jsonl    the rows that it deletes: {"model": "shop.tag", "pk": 17}, one a line

A sync is one transaction of the target. It counts as loaded when the target's ledger says so;
`sync.json` repeats that for those who ask without a server.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fixturepipe.artifacts.catalog import objects_with_keys
from fixturepipe.artifacts.jsonfile import read_json, write_json
from fixturepipe.artifacts.manifest import Manifest, Source, read_manifest
from fixturepipe.artifacts.records import key_text
from fixturepipe.artifacts.rundir import DIRECTORY_MODE, RunDirectory

VERSION = 1
NAME = "sync.json"
DELETES = "deletes.jsonl"
_DAMAGED = "Restore the run directory, or move the site again with a new --workdir."
DIFFERENCES = ".differences.sqlite3"  # of use while the sync is at work only


class Sync(msgspec.Struct, kw_only=True, frozen=True):
    """One sync. `run` is its id in the ledger, "" where there was nothing to move; the counts
    are rows by label. `verified` is None until the target has been compared again.
    """

    version: int = VERSION
    number: int
    run: str
    at: str
    inserted: dict[str, int] = {}
    updated: dict[str, int] = {}
    deleted: dict[str, int] = {}
    seconds: float = 0.0
    loaded: bool = False
    verified: bool | None = None

    @property
    def rows(self) -> int:
        """How many rows it changes."""
        counts = (self.inserted, self.updated, self.deleted)
        return sum(sum(each.values()) for each in counts)


def sync_directory_of(directory: RunDirectory, number: int) -> RunDirectory:
    """The directory of one sync, which is laid out as a run directory."""
    return RunDirectory(directory.syncs / f"{number:04d}")


def make_sync_directory(directory: RunDirectory, number: int) -> None:
    """Make the empty directory of a sync, in place of one that moved nothing."""
    place = sync_directory_of(directory, number)
    shutil.rmtree(place.path, ignore_errors=True)
    directory.syncs.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    place.create()


def write_sync(directory: RunDirectory, sync: Sync) -> None:
    """Put a sync's record in its place, whole."""
    write_json(sync_directory_of(directory, sync.number).path / NAME, sync)


def read_syncs(directory: RunDirectory) -> list[Sync]:
    """The syncs that have a record, in their order.

    Raises RunDirectoryError for a record that is damaged or of an unknown version.
    """
    paths = directory.syncs.glob(f"*/{NAME}")
    found = [read_json(path, Sync, hint=_DAMAGED, version=VERSION) for path in paths]
    return sorted(found, key=lambda sync: sync.number)


def loaded_syncs(directory: RunDirectory) -> list[Sync]:
    """The syncs that have changed the target, in their order."""
    return [sync for sync in read_syncs(directory) if sync.loaded and sync.run]


def remove_left(directory: RunDirectory) -> None:
    """Remove what interrupted syncs have left: all of it, if their transaction was rolled back."""
    if not directory.syncs.is_dir():
        return
    kept = {f"{sync.number:04d}" for sync in read_syncs(directory) if sync.loaded}
    for path in directory.syncs.iterdir():
        if path.name in kept:
            (path / DIFFERENCES).unlink(missing_ok=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


def read_deletes(directory: RunDirectory) -> Iterator[tuple[str, Any]]:
    """Yields label and primary key of each row that a sync deletes."""
    path = directory.path / DELETES
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                each = json.loads(line)
                yield each["model"], each["pk"]


def latest_source(directory: RunDirectory, manifest: Manifest) -> Source | None:
    """The source as the run or the last sync has moved it."""
    syncs = loaded_syncs(directory)
    if not syncs:
        return manifest.source
    return read_manifest(sync_directory_of(directory, syncs[-1].number)).source


def loaded_directories(directory: RunDirectory) -> list[RunDirectory]:
    """The run directory and those of the syncs that have changed the target, in their order."""
    syncs = loaded_syncs(directory)
    return [directory, *(sync_directory_of(directory, sync.number) for sync in syncs)]


@dataclass(frozen=True)
class LoadedObject:
    """An object as it was loaded last: by the run, layer 0, or by a sync, the layers after."""

    object: dict[str, Any]
    layer: int


class LoadedObjects:
    """What a run and its syncs have put into the target: the last state of each object."""

    def __init__(self, directory: RunDirectory, manifest: Manifest) -> None:
        _, *syncs = loaded_directories(directory)
        self._layers = [(directory, manifest), *((each, read_manifest(each)) for each in syncs)]

    def find(
        self, label: str, keys: Sequence[Any], upto: int | None = None
    ) -> dict[str, LoadedObject]:
        """The objects of a model that have one of these keys, by key as text.

        A key is as a fixture has it. `upto` is the last layer to look at. What a sync has deleted
        since is not found.
        """
        found: dict[str, LoadedObject] = {}
        open_keys = {key_text(key): key for key in keys}
        last = len(self._layers) - 1 if upto is None else upto
        for layer in range(last, -1, -1):
            if not open_keys:
                break
            directory, manifest = self._layers[layer]
            here = objects_with_keys(directory, manifest, label, list(open_keys.values()))
            gone = _deleted(directory, label, open_keys.keys() - here.keys())
            found |= {text: LoadedObject(each, layer) for text, each in here.items()}
            open_keys = {k: v for k, v in open_keys.items() if k not in here and k not in gone}
        return found


def _deleted(directory: RunDirectory, label: str, keys: Collection[str]) -> set[str]:
    wanted = set(keys)
    return {
        text
        for model, pk in read_deletes(directory)
        if model == label and (text := key_text(pk)) in wanted
    }
