"""Reading fixture files, whoever wrote them: any JSON of `dumpdata`, packed or not.

ijson reads one object at a time, so that memory is bounded by the largest object. Fractions
come as Decimal and integers of any size as int, to be written again as they stood. What the
reader cannot take is refused with the file, the byte and the object, never guessed at.

Suffixes are loaddata's (https://docs.djangoproject.com/en/stable/ref/django-admin/#loaddata):
.json or .jsonl, then .gz, .bz2, .xz, .lzma or .zip with one file in it.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from decimal import InvalidOperation
from itertools import islice
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import ijson
from ijson.backends import python as python_backend

from fixturepipe.errors import FixtureError

# orjson writes 254 levels, loaddata reads about a thousand, MySQL's JSON columns take a hundred.
MAX_DEPTH = 200
# A value stands in an object's fields, in the object, in the list.
MAX_VALUE_DEPTH = MAX_DEPTH - 3

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BLOCK = 1 << 16
_LARGE_BLOCK = 1 << 24
_UNPACKED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
_SYNTAX = bytes(byte for byte in range(256) if byte not in b'"\\[]{}')
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
# One half of a surrogate pair without the other: legal JSON, which yajl reads as "?".
_HALF_PAIR = re.compile(
    rb"\\u[dD](?:"
    rb"[89abAB]..(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])"
    rb"|[c-fC-F](?<!\\u[dD][89abAB]..\\u[dD].))",
    re.DOTALL,
)
_PAIR = len(rb"\ud83d\ude00")


class _HalfPairError(Exception):
    """The text may hold half a surrogate pair: another reader must go on after `done` objects."""

    done = 0


class FixtureFile:
    """A fixture on disk. `packed` and `lines` are read off its name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        suffixes = [suffix.lower() for suffix in path.suffixes]
        self.packed = suffixes.pop() if suffixes and suffixes[-1] in _OPENERS else ""
        kind = suffixes[-1] if suffixes else ""
        if kind not in (".json", ".jsonl"):
            self.refuse("its name does not say that it is JSON", hint=_NAMES)
        self.lines = kind == ".jsonl"

    def objects(self) -> Iterator[dict[str, Any]]:
        """Each object as ijson reads it, checked for the form of a fixture's object.

        Raises FixtureError where the file cannot be read, ends early or is no fixture.
        """
        try:
            yield from self._items(ijson)
        except _HalfPairError as error:
            yield from islice(self._items(python_backend, whole=True), error.done, None)

    def _items(self, reader: Any, *, whole: bool = False) -> Iterator[dict[str, Any]]:
        """What the file's list holds. `whole`: the reader takes halves of surrogate pairs."""
        prefix = "" if self.lines else "item"
        done = 0
        try:
            with self._open() as file:
                text = _Text(self, file, whole)
                found = reader.items(text, prefix, multiple_values=self.lines, buf_size=_BLOCK)
                for item in found:
                    done += 1
                    text.waiting = 0
                    if (
                        type(item) is not dict
                        or type(item.get("model")) is not str
                        or type(item.get("fields")) is not dict
                    ):
                        self.refuse(_NO_OBJECT, position=f"object {done:,}")
                    yield item
        except _HalfPairError as error:
            error.done = done
            raise
        except ijson.JSONError as error:
            self._refuse_syntax(error, done)
        except InvalidOperation:
            self.refuse("it has a number that no computer holds", position=_after(done))
        except UnicodeDecodeError as error:
            self.refuse(f"it is not UTF-8: {error.reason}", position=_after(done))
        except _UNPACKED as error:
            problem = getattr(error, "strerror", None) or str(error) or "it ends too early"
            self.refuse(f"it cannot be read: {problem}", position=_after(done) if done else "")

    def _open(self) -> IO[bytes]:
        return _OPENERS[self.packed](self.path)

    def _refuse_syntax(self, error: Exception, done: int) -> NoReturn:
        """ijson says what is wrong, but where only by quoting: find the byte."""
        first, *rest = (str(error.args[0]) if error.args else "").splitlines()
        problem = first.removeprefix("b'").split("\\n")[0]
        offset, ended = self._offset_of_error()
        where = f"byte {offset:,}, {_after(done)}" if done else f"byte {offset:,}"
        if ended:
            self.refuse("it ends in the middle", position=where, hint=_CUT_OFF)
        quoted = " ".join(rest).partition("(right here)")[0].strip()
        if re.search(r"NaN|Infinity", quoted):
            problem = "NaN and Infinity are not JSON, and MySQL has no such numbers"
        self.refuse(f"it is not JSON: {problem}", position=where)

    def _offset_of_error(self) -> tuple[int, bool]:
        """The byte (of the unpacked text) at which reading stops, and whether it is the end."""
        good, size = 0, _LARGE_BLOCK
        while True:
            good, wrong = self._feed(good, size)
            if wrong <= 1:
                return good, not wrong
            size = max(wrong // 16, 1)

    def _feed(self, good: int, size: int) -> tuple[int, int]:
        """Parse up to the first block that is wrong: where it begins, and its length (0: none).

        From byte `good` on blocks are of `size`.
        """
        parser = ijson.basic_parse_coro(_Nowhere(), multiple_values=self.lines)
        at = 0
        with self._open() as file:
            while block := file.read(min(good - at, _LARGE_BLOCK) if at < good else size):
                try:
                    parser.send(block)
                except ijson.JSONError:
                    return at, len(block)
                at += len(block)
        return at, 0

    def refuse(self, problem: str, *, position: str = "", hint: str = "") -> NoReturn:
        raise FixtureError(self.path, problem, position=position, hint=hint) from None


class _Nowhere:
    """Takes a parser's events and drops them."""

    def send(self, event: object) -> None:
        """Drop it."""


def _after(done: int) -> str:
    return f"after object {done:,}"


class _Text:
    """The text on its way to the reader, looked through for what would not survive that.

    Keeps count of the nesting: readers recurse or grow with it. A string is told from the rest
    by its quotes, an escaped quote by its backslash.
    """

    def __init__(self, owner: FixtureFile, file: IO[bytes], whole: bool) -> None:
        self._owner = owner
        self._file = file
        self._whole = whole
        self.waiting = 0  # bytes read since the last object was complete
        self._bytes = 0
        self._begun = False
        self._tail = b""  # the end of the last block, where an escape may be cut in two
        self._escaped = False
        self._in_string = 0
        self._depth = 0

    def read(self, size: int) -> bytes:
        # yajl looks at an unfinished string again with each block: few large blocks, not many.
        block = self._file.read(min(max(size, self.waiting), _LARGE_BLOCK) if size else 0)
        self.waiting += len(block)
        if not self._begun:
            block = self._begin(block, size)
        self._look_for_half_pairs(block)
        self._count_nesting(block)
        self._bytes += len(block)
        return block

    def _begin(self, block: bytes, size: int) -> bytes:
        """Check the first sign of the text; leave out the mark of UTF-8 and white space."""
        if block[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self._owner.refuse("it is UTF-16, not UTF-8", hint=_UTF_8)
        block = block.removeprefix(b"\xef\xbb\xbf").lstrip()
        while not block and size:
            more = self._file.read(size)
            if not more and not self._owner.lines:
                self._owner.refuse("it is empty", hint=_CUT_OFF)
            if not more:
                return more
            block = more.lstrip()
        if block:
            self._begun = True
            if not self._owner.lines and block[:1] != b"[":
                what = "an object" if block[:1] == b"{" else repr(block[:1])[1:]
                self._owner.refuse(f"it begins with {what}; a fixture is a list of objects")
        return block

    def _look_for_half_pairs(self, block: bytes) -> None:
        if self._whole or not (self._tail or b"\\" in block):
            return
        text = self._tail + block
        if (b"\\ud" in text or b"\\uD" in text) and _HALF_PAIR.search(text):
            raise _HalfPairError
        self._tail = text[-_PAIR:] if b"\\" in text[-_PAIR:] else b""

    def _count_nesting(self, block: bytes) -> None:
        if b"\\" in block or self._escaped:
            block = _ESCAPED.sub(b"", b"\\" + block if self._escaped else block)
            self._escaped = block.endswith(b"\\")
        pieces = block.translate(None, _SYNTAX).split(b'"')
        outside = b"".join(pieces[self._in_string :: 2])
        self._in_string = (self._in_string + len(pieces) - 1) % 2
        opened = outside.count(b"{") + outside.count(b"[")
        if self._depth + opened > MAX_DEPTH and not _is_shallow(outside, MAX_DEPTH - self._depth):
            self._refuse_deep(outside)
        self._depth += 2 * opened - len(outside.replace(b"\\", b""))

    def _refuse_deep(self, outside: bytes) -> None:
        depth = self._depth
        for sign in outside:
            if sign in b"{[":
                depth += 1
                if depth > MAX_DEPTH:
                    self._owner.refuse(
                        f"it is nested more than {MAX_DEPTH} levels deep",
                        position=f"after byte {self._bytes:,}",
                    )
            elif sign in b"}]":
                depth -= 1


def _is_shallow(brackets: bytes, depth: int) -> bool:
    """Whether brackets nest no deeper, as far as a quick look tells: innermost pairs taken out
    a few times leave little of what is not nested deep.
    """
    for layer in range(min(depth, 8)):
        if brackets.count(b"{") + brackets.count(b"[") + layer <= depth:
            return True
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return False


def _unzip(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    names = archive.namelist()
    if len(names) != 1:
        archive.close()
        raise zipfile.BadZipFile(f"it holds {len(names)} files, not one")
    return archive.open(names[0])


_OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {
    "": lambda path: path.open("rb"),
    ".gz": lambda path: cast("IO[bytes]", gzip.GzipFile(path)),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".lzma": lzma.LZMAFile,
    ".zip": _unzip,
}
_NAMES = "Fixtures are named .json or .jsonl, and may be packed: .gz, .bz2, .xz, .lzma or .zip."
_NO_OBJECT = 'it is not of the form {"model": …, "pk": …, "fields": {…}}'
_CUT_OFF = "The file is cut off: make it again."
_UTF_8 = "Write it with `dumpdata --output FILE` instead of redirecting the output."


def is_too_deep(text: str) -> bool:
    """Whether JSON text is nested deeper than a fixture can carry."""
    if len(text) <= MAX_VALUE_DEPTH or text.count("[") + text.count("{") <= MAX_VALUE_DEPTH:
        return False
    depth = 0
    for sign in _QUOTED.sub("", text):
        if sign in "[{":
            depth += 1
            if depth > MAX_VALUE_DEPTH:
                return True
        elif sign in "]}":
            depth -= 1
    return False
