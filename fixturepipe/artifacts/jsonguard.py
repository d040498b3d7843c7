"""JSON text on its way to a parser, searched for what the parser would not survive or keep.

ijson recurses with the nesting, its C backend dies of a whole number of more than 4,300 digits
(Python's limit, https://docs.python.org/3/library/stdtypes.html#int-max-str-digits) and reads a
lone surrogate as "?". A string is recognized by its quotes, an escaped quote by its
backslash.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from itertools import accumulate
from typing import IO, NoReturn

# orjson writes 254 levels, loaddata reads about a thousand, MySQL's JSON columns take a hundred.
MAX_DEPTH = 200
# A value is in an object's fields, in the object, in the list.
MAX_VALUE_DEPTH = MAX_DEPTH - 3
MAX_DIGITS = 4300

LARGE_BLOCK = 1 << 24
_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'"\\[]{},: \t\r\n')
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")  # 1 and -1
_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_TOO_LONG = b"0" * (MAX_DIGITS + 1)
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_LONE_SURROGATE = re.compile(
    rb"\\u[dD](?:"
    rb"[89abAB]..(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])"
    rb"|[c-fC-F](?<!\\u[dD][89abAB]..\\u[dD].))",
    re.DOTALL,
)
_PAIR = len(rb"\ud83d\ude00")

Refuse = Callable[[str, str, str], NoReturn]  # problem, position, hint


class LoneSurrogateError(Exception):
    """The text may hold a lone surrogate: another parser must go on after `done` objects."""

    done = 0


class GuardedText:
    """A file that a parser reads from. `refuse` raises the error for what is not to be read.

    `lines`: the text is one object after the other, not a list. `surrogates`: the parser keeps
    lone surrogates. `waiting` counts the bytes read since the caller last set it to 0.
    """

    def __init__(self, file: IO[bytes], refuse: Refuse, *, lines: bool, surrogates: bool) -> None:
        self._file = file
        self._refuse = refuse
        self._lines = lines
        self._surrogates = surrogates
        self.waiting = 0
        self._bytes = 0
        self._begun = False
        self._tail = b""  # the end of the last block, where an escape may be cut in two
        self._escaped = False
        self._in_string = 0
        self._digits = 0  # of the number that the last block ends with
        self._depth = 0

    def read(self, size: int) -> bytes:
        """The next block; refuses what the parser must not see."""
        # yajl looks at an unfinished string again with each block: few large blocks, not many.
        block = self._file.read(min(max(size, self.waiting), LARGE_BLOCK) if size else 0)
        self.waiting += len(block)
        if not self._begun:
            block = self._begin(block, size)
        self._look_for_lone_surrogates(block)
        pieces = self._outside_strings(block)
        self._count_digits(pieces)
        self._count_nesting(pieces)
        self._bytes += len(block)
        return block

    def _begin(self, block: bytes, size: int) -> bytes:
        """Check the first sign of the text; leave out the byte order mark and white space."""
        if block[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self._refuse("it is UTF-16, not UTF-8", "", _UTF_8)
        block = block.removeprefix(b"\xef\xbb\xbf").lstrip()
        while not block and size:
            more = self._file.read(size)
            if not more and not self._lines:
                self._refuse("it is empty", "", CUT_OFF)
            if not more:
                return more
            block = more.lstrip()
        if block:
            self._begun = True
            if not self._lines and block[:1] != b"[":
                what = "an object" if block[:1] == b"{" else repr(block[:1])[1:]
                self._refuse(f"it begins with {what}; a fixture is a list of objects", "", "")
        return block

    def _look_for_lone_surrogates(self, block: bytes) -> None:
        if self._surrogates or not (self._tail or b"\\" in block):
            return
        text = self._tail + block
        if (b"\\ud" in text or b"\\uD" in text) and _LONE_SURROGATE.search(text):
            raise LoneSurrogateError
        self._tail = text[-_PAIR:] if b"\\" in text[-_PAIR:] else b""

    def _outside_strings(self, block: bytes) -> bytes:
        """The block's text outside of strings, a quote for each string."""
        if b"\\" in block or self._escaped:
            block = _ESCAPED.sub(b"", b"\\" + block if self._escaped else block)
            self._escaped = block.endswith(b"\\")
        pieces = block.split(b'"')
        outside = b'"'.join(pieces[self._in_string :: 2])
        self._in_string = (self._in_string + len(pieces) - 1) % 2
        return outside

    def _count_digits(self, outside: bytes) -> None:
        digits = b"0" * self._digits + outside.translate(_DIGITS)
        if _TOO_LONG in digits:
            self._refuse(
                f"it has a number with more than {MAX_DIGITS:,} digits",
                f"after byte {self._bytes:,}",
                "No column can hold such a number: write it as text, or remove it.",
            )
        self._digits = len(digits) - len(digits.rstrip(b"0")) if not self._in_string else 0

    def _count_nesting(self, outside: bytes) -> None:
        brackets = outside.translate(None, _NOT_BRACKETS)
        opened = brackets.count(b"{") + brackets.count(b"[")
        room = MAX_DEPTH - self._depth
        if opened > room and not is_shallow(brackets, room) and _depth(brackets) > room:
            where = f"after byte {self._bytes:,}"
            self._refuse(f"it is nested more than {MAX_DEPTH} levels deep", where, "")
        self._depth += 2 * opened - len(brackets)


def structure_of(text: bytes) -> bytes:
    """Brackets, commas, colons and white space outside of strings, in order."""
    if b"\\" in text:
        text = _ESCAPED.sub(b"", text)
    return b"".join(text.translate(None, _NOT_STRUCTURE).split(b'"')[::2])


def is_within_depth(structure: bytes, depth: int) -> bool:
    """Whether a quick look at the structure of JSON shows that it is nested no deeper."""
    return is_shallow(structure.translate(None, b",: \t\r\n"), depth)


def is_shallow(brackets: bytes, depth: int) -> bool:
    """Whether brackets nest no deeper, as far as a quick look shows: innermost pairs taken out
    a few times leave little of what is not nested deep.
    """
    for layer in range(min(depth, 8)):
        if brackets.count(b"{") + brackets.count(b"[") + layer <= depth:
            return True
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return False


def is_too_deep(text: str) -> bool:
    """Whether JSON text is nested deeper than a fixture can carry."""
    if len(text) <= MAX_VALUE_DEPTH or text.count("[") + text.count("{") <= MAX_VALUE_DEPTH:
        return False
    structure = structure_of(text.encode(errors="surrogatepass"))
    return _depth(structure.translate(None, _NOT_BRACKETS)) > MAX_VALUE_DEPTH


def _depth(brackets: bytes) -> int:
    """How deep brackets nest, at the deepest."""
    return max(accumulate(array("b", brackets.translate(_STEPS)), initial=0))


CUT_OFF = "The file is cut off: make it again."
_UTF_8 = "Write it with `dumpdata --output FILE` instead of redirecting the output."
