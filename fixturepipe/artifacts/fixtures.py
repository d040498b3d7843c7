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

_BLOCK = 1 << 16
_UNPACKED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
_SYNTAX = bytes(byte for byte in range(256) if byte not in b'"\\[]{}')
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
# One half of a surrogate pair without the other: legal JSON, which yajl reads as "?".
_HALF_PAIR = re.compile(
    rb"\\u[dD](?:"
    rb"[89abAB]..(?=.{6})(?!\\u[dD][c-fC-F])"
    rb"|[c-fC-F](?<!\\u[dD][89abAB]..\\u[dD].))",
    re.DOTALL,
)
_ESCAPE_LENGTH = len(rb"\ud83d\ude00")


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
                    if (
                        type(item) is not dict
                        or type(item.get("model")) is not str
                        or type(item.get("fields")) is not dict
                    ):
                        self.refuse(_NO_OBJECT, position=f"object {done:,}")
                    yield item
                text.finish()
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
        good = 0
        for size in (_BLOCK, 1):
            parser = _parser(self.lines)
            at = 0
            with self._open() as file:
                try:
                    while block := file.read(_BLOCK if at < good else size):
                        parser.send(block)
                        at += len(block)
                except ijson.JSONError:
                    good = at
                    continue
            return at, True
        return good, False

    def refuse(self, problem: str, *, position: str = "", hint: str = "") -> NoReturn:
        raise FixtureError(self.path, problem, position=position, hint=hint) from None


def _after(done: int) -> str:
    return f"after object {done:,}"


def _parser(lines: bool) -> Any:
    """A parser that takes blocks and keeps nothing of them."""
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events, multiple_values=lines)

    class Feed:
        def send(self, block: bytes) -> None:
            parser.send(block)
            events.clear()

    return Feed()


class _Text:
    """The text on its way to the reader, looked through for what would not survive that.

    Keeps count of the nesting: readers recurse or grow with it. A string is told from the rest
    by its quotes, an escaped quote by its backslash.
    """

    def __init__(self, owner: FixtureFile, file: IO[bytes], whole: bool) -> None:
        self._owner = owner
        self._file = file
        self._whole = whole
        self._bytes = 0
        self._begun = False
        self._tail = b""  # the end of the last block, where an escape may be cut in two
        self._escaped = False
        self._in_string = 0
        self._depth = 0

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        if not block:
            return block
        if not self._begun:
            block = self._begin(block)
        self._look_for_half_pairs(block)
        self._count_nesting(block)
        self._bytes += len(block)
        return block

    def finish(self) -> None:
        """Refuse what was read to its end and was nothing."""
        if not self._begun and not self._owner.lines:
            self._owner.refuse("it is empty", hint=_CUT_OFF)

    def _begin(self, block: bytes) -> bytes:
        """Check the first sign of the text, and leave out the mark of UTF-8."""
        if self._bytes == 0:
            if block[:2] in (b"\xff\xfe", b"\xfe\xff"):
                self._owner.refuse("it is UTF-16, not UTF-8", hint=_UTF_8)
            block = block.removeprefix(b"\xef\xbb\xbf")
        first = block.lstrip()[:1]
        if first:
            self._begun = True
            if not self._owner.lines and first != b"[":
                what = "an object" if first == b"{" else f"{first!r}"[1:]
                self._owner.refuse(f"it begins with {what}; a fixture is a list of objects")
        return block

    def _look_for_half_pairs(self, block: bytes) -> None:
        if self._whole or not (self._tail or b"\\u" in block):
            return
        text = self._tail + block
        if (b"\\ud" in text or b"\\uD" in text) and _HALF_PAIR.search(text):
            raise _HalfPairError
        self._tail = text[-_ESCAPE_LENGTH:] if b"\\u" in text[-_ESCAPE_LENGTH:] else b""

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
