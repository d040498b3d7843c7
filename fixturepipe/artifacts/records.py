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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from fixturepipe.artifacts.rundir import atomic_file
from fixturepipe.errors import ChunkFileError

_SHOWN = 80
_OPEN, _BETWEEN, _CLOSE = b"[\n", b",\n", b"\n]\n"


_encode = json.JSONEncoder(ensure_ascii=False).encode


def encode_value(value: object) -> bytes:
    """JSON of what ijson or orjson read: every number and every character as it was in the file.

    ijson gives a fraction as a Decimal, whose text is written. Fractions and lone surrogates take
    a slower way.
    """
    try:
        return _encode(value).encode()
    except (TypeError, UnicodeEncodeError):
        return _slowly(value).encode("ascii")


def key_text(pk: Any) -> str:
    """A primary key as text, the same for what Django reads and for what a fixture holds.

    The parts of a composite key (a list or a tuple) are joined by "|".
    """
    parts = pk if isinstance(pk, list | tuple) else [pk]
    return "|".join(p.isoformat() if hasattr(p, "isoformat") else str(p) for p in parts)


def object_line(label: str, pk: object, fields: Mapping[str, object]) -> bytes:
    """One object as a line of a fixture; without "pk" where it is None."""
    key = {} if pk is None else {"pk": pk}
    return encode_value({"model": label, **key, "fields": fields})


def object_text(label: str, pk: str | None, fields: Mapping[str, str]) -> str:
    """The same line made of JSON texts: that of the key and, by name, those of the fields."""
    key = "" if pk is None else f'"pk": {pk}, '
    values = ", ".join(f"{_encode(name)}: {text}" for name, text in fields.items())
    return f'{{"model": {_encode(label)}, {key}"fields": {{{values}}}}}'


def decode_object(line: bytes) -> dict[str, Any]:
    """One line back as ijson would read it: fractions as Decimal, numbers of any size."""
    found: dict[str, Any] = json.loads(line, parse_float=Decimal)
    return found


def _slowly(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(key)}: {_slowly(each)}" for key, each in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_slowly, value))}]"
    if isinstance(value, Decimal):
        # Never a whole number: 1.2345678901234568e+16 has no point in its str().
        return f"{value}.0" if value.as_tuple().exponent == 0 else str(value)
    return json.dumps(value)


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
        """End the array; the file itself stays its owner's."""
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


def object_lines(path: Path) -> Iterator[bytes]:
    """The objects of a file in our form, each as its line of JSON."""
    with path.open("rb") as file:
        for line in file:
            if line.startswith(b"{"):
                yield line.rstrip(b",\n")


def line_object(path: Path, line: bytes) -> dict[str, Any]:
    """The object of a line of a file. Raises ChunkFileError where the line is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        shown = line[:_SHOWN].decode(errors="backslashreplace")
        raise ChunkFileError(path, f"it has a line that is not an object: {shown}") from error
    return found if isinstance(found, dict) else {}


def first_objects(path: Path, limit: int | None = None) -> list[dict[str, Any]]:
    """The first objects of a file in our form, at most `limit`.

    Raises ChunkFileError for a damaged file.
    """
    return [line_object(path, line) for line in islice(object_lines(path), limit)]
