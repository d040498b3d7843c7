"""The state of a run, read from its files alone: no database is asked.

The counts of dumped and arranged objects are the manifest's, those of loaded objects the load
status's, and of verified rows the last verification's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from fixturepipe.artifacts.jsonfile import read_if_whole, write_json
from fixturepipe.artifacts.loadstatus import LoadStatus, read_load_status
from fixturepipe.artifacts.manifest import Manifest, read_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import Sync, read_syncs

VERIFIED = "verify.json"


class ModelState(msgspec.Struct, frozen=True):
    """One model's objects; None where the stage has not been reached.

    Of the source's, `dropped` were left out as declared; of the dumped, `changed` were changed so.
    """

    label: str
    dumped: int | None = None
    arranged: int | None = None
    loaded: int | None = None
    rejected: int = 0
    verified: int | None = None
    changed: int = 0
    dropped: int = 0


class Unequal(msgspec.Struct, frozen=True):
    """How many rows of a model are not as they should be in the target."""

    differing: int = 0
    missing: int = 0
    extra: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.differing + self.missing + self.extra


class Verification(msgspec.Struct, frozen=True):
    """The last verification of a run: rows that are as they should be by label, and whether all
    were: equal to the source's, or changed just as declared.

    `differences` are the first ones and `findings` what is wrong with the target as a whole, as
    `verify --json` gives them. `apart` has all models with differences, `at` is an ISO datetime,
    and `sample` and `since` are the options that left rows out, if any did.
    """

    run: str
    ok: bool
    models: dict[str, int]
    differences: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    apart: dict[str, Unequal] = {}
    at: str = ""
    sample: float | None = None
    since: str | None = None

    @property
    def unequal(self) -> int:
        """How many rows differ, or are in one database only."""
        return sum(each.rows for each in self.apart.values())


class State(msgspec.Struct, frozen=True):
    """A run's state. `next` is the command that comes next ("" when all is done).

    `pending` counts chunks; `failed` is the chunk that stopped the last load; `sync` is the last
    sync; `unequal` counts the rows that the last verification found unequal.
    """

    run: str
    source: str
    target: str
    models: tuple[ModelState, ...]
    dumps: int
    chunks: int
    loaded_chunks: int
    pending: int
    next: str
    failed: int | None = None
    error: str = ""
    hint: str = ""
    verified: bool | None = None
    not_covered: int = 0
    sync: Sync | None = None
    unequal: int = 0


def read_state(directory: RunDirectory) -> State:
    """Raises RunDirectoryError where there is no run."""
    manifest = read_manifest(directory)
    load_status = read_load_status(directory, manifest.run)
    verification = read_verification(directory, manifest.run)
    chunks = len(manifest.arrangement.chunks) if manifest.arrangement else 0
    loaded = sum(last - first + 1 for first, last in load_status.loaded) if load_status else 0
    return State(
        run=manifest.run,
        source=manifest.source.name if manifest.source else "",
        target=load_status.target if load_status else manifest.target,
        models=tuple(_models(manifest, load_status, verification)),
        dumps=len(manifest.dumps),
        chunks=chunks,
        loaded_chunks=loaded,
        pending=chunks - loaded,
        next=_next(manifest, load_status, verification),
        failed=load_status.failed if load_status else None,
        error=load_status.error if load_status else "",
        hint=load_status.hint if load_status else "",
        verified=verification.ok if verification else None,
        not_covered=len(manifest.not_covered),
        sync=next((each for each in reversed(read_syncs(directory)) if each.loaded), None),
        unequal=verification.unequal if verification else 0,
    )


def write_verification(directory: RunDirectory, verification: Verification) -> None:
    """Keep the outcome of a verification for `status`."""
    write_json(directory.path / VERIFIED, verification)


def forget_verification(directory: RunDirectory) -> None:
    """What was verified is about to change."""
    (directory.path / VERIFIED).unlink(missing_ok=True)


def read_verification(directory: RunDirectory, run: str) -> Verification | None:
    """The last verification of this run, or None."""
    found = read_if_whole(directory.path / VERIFIED, Verification)
    return found if found is not None and found.run == run else None


def _next(
    manifest: Manifest, load_status: LoadStatus | None, verification: Verification | None
) -> str:
    if not manifest.dumps and manifest.arrangement is None:
        return "dump"
    # What is not arranged yet, load arranges.
    if manifest.arrangement is None or load_status is None or not load_status.finished:
        return "load"
    if verification is None or not (verification.ok or verification.unequal):
        return "verify"
    # Rows that are not equal stay so, however often they are compared.
    return "" if verification.ok else "sync" if manifest.source is not None else "verify"


def _models(
    manifest: Manifest, load_status: LoadStatus | None, verification: Verification | None
) -> Iterator[ModelState]:
    dumped = _sum(dump.models for dump in manifest.dumps)
    arranged = manifest.arrangement.models if manifest.arrangement else None
    loaded = load_status.models if load_status else None
    rejected = load_status.rejected if load_status else {}
    verified = verification.models if verification else None
    changed = _sum(dump.changed for dump in manifest.dumps)
    dropped = _sum(dump.dropped for dump in manifest.dumps)
    labels = dict.fromkeys([*dumped, *(arranged or {})])
    for label in labels:
        yield ModelState(
            label,
            dumped.get(label),
            _count(arranged, label),
            _count(loaded, label),
            rejected.get(label, 0),
            _count(verified, label),
            changed.get(label, 0),
            dropped.get(label, 0),
        )


def _count(counts: dict[str, int] | None, label: str) -> int | None:
    return None if counts is None else counts.get(label, 0)


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total
