"""JSON files of the run directory: written whole, read as a type, named where they are damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fixturepipe.artifacts.rundir import appended_file, atomic_file
from fixturepipe.errors import RunDirectoryError

T = TypeVar("T")


def write_json(path: Path, value: Any, *, sync: bool = True) -> None:
    """Write a file that people can read, too: a line for each field."""
    with atomic_file(path, sync=sync) as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=1))


class _Versioned(msgspec.Struct):
    version: int


def read_json(path: Path, kind: type[T], *, hint: str, version: int | None = None) -> T:
    """Read a file as a type, which must have the version if one is given.

    Raises FileNotFoundError, and RunDirectoryError for what cannot be read, with the hint for
    what is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunDirectoryError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="Fix its permissions, or name another directory with --workdir.",
        ) from error
    if version is not None:
        found = decoded(path, content, _Versioned, hint=hint).version
        if found != version:
            raise RunDirectoryError(
                f"{path} has version {found}; this fixturepipe knows {version}",
                hint="Use the fixturepipe that made it, or start a new run with --workdir.",
            )
    return decoded(path, content, kind, hint=hint)


def read_if_whole(path: Path, kind: type[T]) -> T | None:
    """A file as a type; None if there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def now() -> str:
    """The time as these files have it: an ISO datetime in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def decoded(path: Path, content: bytes, kind: type[T], *, hint: str) -> T:
    """The content of a file, or a line of it, as a type. Raises RunDirectoryError."""
    try:
        # Not msgspec's own decoder, which has no lone surrogates and no integers of any size.
        return msgspec.convert(json.loads(content), kind)
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        raise RunDirectoryError(f"{path} is damaged: {error}", hint=hint) from error


def add_line(path: Path, value: Any) -> None:
    """Add a line to a file of notes. What the disk does not take is left out: the work goes on."""
    with suppress(OSError), appended_file(path) as file:
        file.write(msgspec.json.encode(value) + b"\n")


def read_lines(path: Path, kind: type[T]) -> Iterator[T]:
    """The lines of such a file, none if it cannot be read; a line cut short is left out."""
    decoder = msgspec.json.Decoder(kind)
    with suppress(OSError), path.open("rb") as lines:
        for line in lines:
            with suppress(msgspec.DecodeError):
                yield decoder.decode(line)
