"""Fixture files as fixturepipe writes them: a JSON array in UTF-8, one object a line.

    [
    {"model": "shop.tag", "pk": 1, "fields": {"slug": "red"}},
    {"model": "shop.tag", "pk": 2, "fields": {"slug": "blue"}}
    ]

The form is Django's (https://docs.djangoproject.com/en/stable/topics/serialization/), so that
stock `loaddata` reads them; the line per object is ours, so that people and line tools do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from fixturepipe.artifacts.rundir import atomic_file

_OPEN, _BETWEEN, _CLOSE = b"[\n", b",\n", b"\n]\n"


def encode_value(value: object) -> bytes:
    """JSON of what ijson read: every number and every character as it stood in the file.

    ijson gives a fraction as a Decimal, whose text is written. What orjson does not take
    (integers of more than 64 bits, half a surrogate pair) goes a slower way.
    """
    try:
        return orjson.dumps(value, default=_fragment)
    except TypeError:
        return _slowly(value).encode("ascii")


def encode_object(label: str, pk: object, fields: object) -> bytes:
    """One object as a line of a fixture; without "pk" where it is None."""
    if pk is None:
        return encode_value({"model": label, "fields": fields})
    return encode_value({"model": label, "pk": pk, "fields": fields})


def decode_object(line: bytes) -> dict[str, Any]:
    """One line back as ijson would read it: fractions as Decimal, numbers of any size."""
    found: dict[str, Any] = json.loads(line, parse_float=Decimal)
    return found


def _fragment(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(_fraction(value))
    raise TypeError


def _fraction(value: Decimal) -> str:
    """The number, never as a whole one: 1.2345678901234568e+16 has no point in its str()."""
    text = str(value)
    return f"{text}.0" if value.as_tuple().exponent == 0 else text


def _slowly(value: Any) -> str:
    if isinstance(value, dict):
        inside = ",".join(f"{json.dumps(key)}:{_slowly(each)}" for key, each in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_slowly, value))}]"
    if isinstance(value, Decimal):
        return _fraction(value)
    return json.dumps(value, allow_nan=False)


class FixtureWriter:
    """Writes objects, each already encoded as one line of JSON without its line end.

    Keeps count of `objects` and `bytes` and the running `sha256` of what was written.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.objects = 0
        self.bytes = 0
        self._put(_OPEN)

    def continue_in(self, file: BinaryIO) -> None:
        """Write to another open file: the same one, opened again at its end."""
        self._file = file

    def write(self, lines: Sequence[bytes]) -> None:
        """Append objects."""
        if not lines:
            return
        joined = _BETWEEN.join(lines)
        self._put(_BETWEEN + joined if self.objects else joined)
        self.objects += len(lines)

    def close(self) -> None:
        """Endpoint the array; the file itself stays its owner's."""
        self._put(_CLOSE if self.objects else b"]\n")

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)


@contextmanager
def fixture_writer(path: Path) -> Iterator[FixtureWriter]:
    """A writer whose file appears at `path` when the block ends well, and not otherwise."""
    with atomic_file(path) as file:
        writer = FixtureWriter(file)
        yield writer
        writer.close()


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
