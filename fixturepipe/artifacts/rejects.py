"""Objects that were left out, kept as fixtures with the reasons.

    rejects/0007-shop.order.json            the objects, a fixture to edit and load again
    rejects/0007-shop.order.reasons.json    why, for each object in the same order

Both are written before the transaction ends that leaves the objects out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fixturepipe.artifacts.jsonfile import read_json, write_json
from fixturepipe.artifacts.records import encode_value, first_objects, fixture_writer, key_text
from fixturepipe.artifacts.rundir import DIRECTORY_MODE, RunDirectory

ARRANGE = "arrange.json"  # the file of what `arrange` left out
SET_TO_NULL = "; set to null"  # ends its reasons for objects that it kept
_SUFFIX = ".reasons.json"
_HINT = "Correct or remove it. The objects in it then count as missing."


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an object was left out: its field and value where they are known, and the reason."""

    model: str
    pk: Any
    text: str
    field: str = ""
    value: str = ""
    hint: str = ""


def write_rejects(
    directory: RunDirectory, name: str, objects: Sequence[dict[str, Any]], reasons: Sequence[Reason]
) -> None:
    """Keep what was left out of chunk file `name`, replacing what an earlier try left out."""
    directory.rejects.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    path, reasons_path = rejects_paths(directory, name)
    write_json(reasons_path, reasons)
    with fixture_writer(path) as writer:
        writer.write([encode_value(each) for each in objects])


def rejects_paths(directory: RunDirectory, name: str) -> tuple[Path, Path]:
    """Where the objects of the chunk file `name` go, and where the reasons."""
    path = directory.rejects / name
    return path, path.with_suffix(_SUFFIX)


def remove_rejects(directory: RunDirectory, name: str) -> None:
    """Nothing of chunk file `name` is left out any more."""
    for path in rejects_paths(directory, name):
        path.unlink(missing_ok=True)


def read_reasons(directory: RunDirectory) -> Iterator[tuple[str, Reason]]:
    """Every reason, with the name of the file that the object was left out of.

    Raises RunDirectoryError where a file is damaged.
    """
    for path in sorted(directory.rejects.glob(f"*{_SUFFIX}")):
        name = path.name.removesuffix(_SUFFIX) + ".json"
        for reason in read_json(path, list[Reason], hint=_HINT):
            yield name, reason


def rejected_objects(directory: RunDirectory) -> dict[str, dict[str, dict[str, Any]]]:
    """The objects that `dump` and `load` left out, by model label and key as text."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sorted(directory.rejects.glob("*.json")):
        if path.name != ARRANGE and not path.name.endswith(_SUFFIX):
            for each in first_objects(path):
                found.setdefault(each["model"], {})[key_text(each.get("pk"))] = each
    return found
