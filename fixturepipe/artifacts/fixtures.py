"""Reading fixture files, whoever wrote them: any JSON of `dumpdata`, compressed or not.

One object is in memory at a time, so that memory is bounded by the largest. What has the form of
our own files is read the quick way (`plainlines`), anything else by ijson: fractions come as
Decimal and integers of any size as int, to be written again as they were. What the reader cannot
take is refused with the file, the byte and the object, never guessed at.

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from decimal import InvalidOperation
from itertools import islice
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import ijson
from ijson.backends import python as python_backend

from fixturepipe.artifacts.jsonguard import CUT_OFF, LARGE_BLOCK, GuardedText, LoneSurrogateError
from fixturepipe.artifacts.plainlines import Batch, OtherFormError, are_objects, plain_lines
from fixturepipe.errors import FixtureError

_BLOCK = 1 << 16
_TOGETHER = 100  # objects of a batch where each may be large
_UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def model_label(name: str) -> str:
    """A model's label as Django looks it up: the app's as it is, the model's in lower case."""
    app, _, model = name.rpartition(".")
    return f"{app}.{model.lower()}"


class FixtureFile:
    """A fixture on disk. `compressed` and `lines` are read off its name.

    `trusted`: the file is known to be one that we wrote, byte for byte.
    """

    def __init__(self, path: Path, *, trusted: bool = False) -> None:
        self.path = path
        self.trusted = trusted
        suffixes = [suffix.lower() for suffix in path.suffixes]
        self.compressed = suffixes.pop() if suffixes and suffixes[-1] in _OPENERS else ""
        kind = suffixes[-1] if suffixes else ""
        if kind not in (".json", ".jsonl"):
            self.refuse("its name does not say that it is JSON", hint=_NAMES)
        self.lines = kind == ".jsonl"

    def mentions(self, labels: Iterable[str]) -> bool:
        """Whether the text has one of these labels, as far as it can be read: a quick look.

        A file that is known to be ours counts as not: it has no objects by number.
        """
        wanted = [f'"{label}"'.encode() for label in labels]
        longest = max(map(len, wanted), default=0)
        if not wanted or self.trusted:
            return False
        with suppress(*_UNREADABLE), self._open() as file:
            text = b""
            while block := file.read(_BLOCK):
                text = text[-longest:] + block
                if any(label in text for label in wanted):
                    return True
        return False

    def batches(self) -> Iterator[Batch]:
        """The objects, and their lines where the file has them in our spelling.

        Where there are lines, a fraction in an object may be a float, which is not exact; the
        line has all digits. Raises FixtureError as `objects` does.
        """
        done = 0
        try:
            with self._open() as file:
                for batch in plain_lines(file, lines=self.lines, trusted=self.trusted):
                    yield batch
                    done += len(batch.items)
        except (OtherFormError, *_UNREADABLE):
            # The thorough reader says what is wrong, if anything is.
            rest = islice(self.objects(), done, None)
            while items := list(islice(rest, _TOGETHER)):
                yield Batch(items, None)

    def objects(self) -> Iterator[dict[str, Any]]:
        """Each object as ijson reads it, checked for the form of a fixture's object.

        Raises FixtureError where the file cannot be read, ends early or is no fixture.
        """
        try:
            yield from self._items(ijson)
        except LoneSurrogateError as error:
            yield from islice(self._items(python_backend, surrogates=True), error.done, None)

    def _items(self, parser: Any, *, surrogates: bool = False) -> Iterator[dict[str, Any]]:
        """The objects as a parser gives them. `surrogates`: it keeps lone surrogates."""
        prefix = "" if self.lines else "item"
        done = 0
        try:
            with self._open() as file:
                text = GuardedText(file, self.refuse, lines=self.lines, surrogates=surrogates)
                found = parser.items(text, prefix, multiple_values=self.lines, buf_size=_BLOCK)
                for item in found:
                    done += 1
                    text.waiting = 0
                    if not are_objects([item]):
                        self.refuse(_NO_OBJECT, position=f"object {done:,}")
                    yield item
        except LoneSurrogateError as error:
            error.done = done
            raise
        except ijson.JSONError as error:
            self._refuse_syntax(error, done)
        except InvalidOperation:
            self.refuse("a number in it is out of range", position=_after(done))
        except UnicodeDecodeError as error:
            self.refuse(f"it is not UTF-8: {error.reason}", position=_after(done))
        except _UNREADABLE as error:
            problem = getattr(error, "strerror", None) or str(error) or "it ends too early"
            self.refuse(f"it cannot be read: {problem}", position=_after(done) if done else "")

    def _open(self) -> IO[bytes]:
        return _OPENERS[self.compressed](self.path)

    def _refuse_syntax(self, error: Exception, done: int) -> NoReturn:
        """ijson says what is wrong, but where only by quoting: find the byte."""
        first, *rest = (str(error.args[0]) if error.args else "").splitlines()
        problem = first.removeprefix("b'").split("\\n")[0]
        offset, ended = self._offset_of_error()
        where = f"byte {offset:,}, {_after(done)}" if done else f"byte {offset:,}"
        if ended:
            self.refuse("it ends in the middle", position=where, hint=CUT_OFF)
        quoted = " ".join(rest).partition("(right here)")[0].strip()
        if re.search(r"NaN|Infinity", quoted):
            problem = "NaN and Infinity are not JSON, and MySQL has no such numbers"
        self.refuse(f"it is not JSON: {problem}", position=where)

    def _offset_of_error(self) -> tuple[int, bool]:
        """The byte (of the uncompressed text) at which reading stops, and whether it is the end."""
        good, size = 0, LARGE_BLOCK
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
            while block := file.read(min(good - at, LARGE_BLOCK) if at < good else size):
                try:
                    parser.send(block)
                except ijson.JSONError:
                    return at, len(block)
                at += len(block)
        return at, 0

    def refuse(self, problem: str, position: str = "", hint: str = "") -> NoReturn:
        raise FixtureError(self.path, problem, position=position, hint=hint) from None


class _Nowhere:
    """Takes a parser's events and drops them."""

    def send(self, event: object) -> None:
        """Drop it."""


def _after(done: int) -> str:
    return f"after object {done:,}"


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
_NAMES = "Fixtures are named .json or .jsonl, and may be compressed: .gz, .bz2, .xz, .lzma or .zip."
_NO_OBJECT = 'it is not of the form {"model": …, "pk": …, "fields": {…}}'
