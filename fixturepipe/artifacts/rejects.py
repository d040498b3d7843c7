"""Objects that were left out, kept as fixtures with the reasons.

    rejects/0007-shop.order.json            the objects, a fixture to edit and load again
    rejects/0007-shop.order.reasons.json    why, for each object in the same order

Both are written before the transaction ends that leaves the objects out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fixturepipe.artifacts.keytext import key_text
from fixturepipe.artifacts.records import encode_value, fixture_writer
from fixturepipe.artifacts.rundir import DIRECTORY_MODE, RunDirectory, atomic_file


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an object was left out: its field and value where they are known, and the reason."""

    model: str
    pk: Any
    text: str
    field: str = ""
    value: str = ""
    hint: str = ""


def rejects_path(directory: RunDirectory, name: str) -> Path:
    """Where the objects of the chunk file `name` go."""
    return directory.rejects / name


def write_rejects(
    directory: RunDirectory,
    name: str,
    objects: Sequence[dict[str, Any]],
    reasons: Sequence[Reason],
) -> None:
    """Keep what was left out of chunk file `name`, replacing what an earlier try left out."""
    directory.rejects.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    path = rejects_path(directory, name)
    with atomic_file(_reasons_path(path)) as file:
        file.write(msgspec.json.format(msgspec.json.encode(reasons), indent=1))
    with fixture_writer(path) as writer:
        writer.write([encode_value(each) for each in objects])


def remove_rejects(directory: RunDirectory, name: str) -> None:
    """Nothing of chunk file `name` is left out any more."""
    path = rejects_path(directory, name)
    for each in (path, _reasons_path(path)):
        with contextlib.suppress(FileNotFoundError):
            each.unlink()


def rejected_keys(directory: RunDirectory) -> dict[str, set[str]]:
    """The primary keys of all objects that were left out, by model label, as text.

    The parts of a key of several columns are joined by "|".
    """
    found: dict[str, set[str]] = {}
    for path in sorted(directory.rejects.glob("*.reasons.json")):
        for reason in msgspec.json.decode(path.read_bytes(), type=list[Reason]):
            found.setdefault(reason.model, set()).add(key_text(reason.pk))
    return found


def dangling_references(directory: RunDirectory) -> Iterator[tuple[str, str, str]]:
    """Label, key as text and field of each dangling reference that `arrange` has named."""
    path = _reasons_path(rejects_path(directory, "arrange.json"))
    if path.exists():
        for reason in msgspec.json.decode(path.read_bytes(), type=list[Reason]):
            yield reason.model, key_text(reason.pk), reason.field


def _reasons_path(path: Path) -> Path:
    return path.with_suffix(".reasons.json")
