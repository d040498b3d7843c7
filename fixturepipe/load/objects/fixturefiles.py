"""Fixture files read and parsed.

Numbers stay exact: orjson, which is quick, makes floats of integers that 64 bits do not hold,
so a file with a run of digits that could be one is parsed by Python's own parser; and so is a
file that orjson refuses, because fixtures may hold NaN and Infinity, as Django writes them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from fixturepipe.errors import ChunkFileError

# 2**63 has nineteen digits.
_LONG_NUMBER = b"0" * 19
_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))


@dataclass(frozen=True)
class Fixture:
    """A parsed file: its objects, and the sha256 of the bytes that they were parsed from."""

    objects: list[dict[str, Any]]
    sha256: str


def read_fixture(path: Path) -> Fixture:
    """Read and parse a fixture. Raises ChunkFileError where the file is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ChunkFileError(path, f"it cannot be read: {error.strerror}") from error
    return Fixture(_checked(path, _parsed(path, content)), hashlib.sha256(content).hexdigest())


def _parsed(path: Path, content: bytes) -> Any:
    if _LONG_NUMBER not in content.translate(_DIGITS):
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(content)
    except UnicodeDecodeError as error:
        raise ChunkFileError(path, "it is not UTF-8", position=f"byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ChunkFileError(path, error.msg, position=f"line {error.lineno}") from error
    except RecursionError as error:
        raise ChunkFileError(path, "it is nested too deep") from error
    except ValueError as error:  # Python reads no whole number of more digits
        raise ChunkFileError(path, "it has a number with more than 4,300 digits") from error


def _checked(path: Path, objects: Any) -> list[dict[str, Any]]:
    if not isinstance(objects, list):
        raise ChunkFileError(path, "it is not a list of objects")
    # A look at all of them together is three times as quick as one at each.
    if not _are_objects(objects):
        for position, each in enumerate(objects, start=1):
            if not _are_objects([each]):
                raise ChunkFileError(
                    path, 'it has no "model" and "fields"', position=f"object {position}"
                )
    return objects


def _are_objects(values: list[Any]) -> bool:
    try:
        labels = set(map(itemgetter("model"), values))
        kinds = set(map(type, map(itemgetter("fields"), values)))
    except (KeyError, TypeError):
        return False
    return set(map(type, labels)) <= {str} and kinds <= {dict}
