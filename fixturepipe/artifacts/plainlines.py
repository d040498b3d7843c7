"""The quick way to read fixtures that are written as ours and as stock dumpdata writes them.

Each object comes with its text, so that whoever does not change the object can write
its bytes as they are. The text is cut into objects where one ends and the next begins, and each
piece is parsed by itself: a piece that is no whole object shows there, and the thorough reader
(`fixtures`) takes over. It also does so at the first text in another style.

    [                                                        one object a line, as we write
    {"model": "a.b", "pk": 1, "fields": {"x": 1}},
    {"model": "a.b", "pk": 2, "fields": {"x": 2}}
    ]
    [{"model": …, "fields": {"x": 1}}, {"model": …}]         one line, as dumpdata writes
    {"model": "a.b", "pk": 1, "fields": {"x": 1}}            .jsonl
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import IO, Any, NamedTuple

import orjson

from fixturepipe.artifacts.jsonguard import MAX_DEPTH, is_within_depth, structure_of
from fixturepipe.artifacts.records import decode_object

_BLOCK = 1 << 18
_LARGEST = 1 << 22  # bytes without the end of an object: the thorough reader needs fewer of them
_BEGIN = b'{"model": "'
_END = b"}}"
# What comes before, between and after the objects.
_LISTS = ((b"[\n", b",\n", b"\n]\n"), (b"[", b", ", b"]"))
_LINES = ((b"", b"\n", b"\n"),)
# 2**63 has nineteen digits, and orjson makes floats of what 64 bits do not hold.
_LONG_NUMBER = b"0" * 19
_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))

Item = dict[str, Any]


class Batch(NamedTuple):
    """Objects that were read together, and the text of each where the file has it as ours."""

    items: Sequence[Item]
    lines: Sequence[bytes] | None


class OtherFormError(Exception):
    """The text goes on in another form after the objects that were given."""


def plain_lines(file: IO[bytes], *, lines: bool, trusted: bool) -> Iterator[Batch]:
    """Objects with their texts, which have no line end, in the batches in which they were read.

    `trusted` text is known to be ours: only its form is checked, not its style. Numbers
    of more than 64 bits are exact; fractions are floats, their text has all digits. Raises
    OtherFormError.
    """
    start = file.read(_BLOCK)
    opening, between, closing = _form_of(start, lines=lines)
    split = _splitter(between)
    is_our_style = trusted
    for block in _blocks(file, start[len(opening) :], between, closing):
        if not is_our_style:
            _require_our_spelling(block, between)
            is_our_style = True  # one writer wrote the file, and the next blocks as the first
        texts = split(block)
        if not trusted:
            _require_shallow(block, len(texts))
        try:
            items = list(map(orjson.loads, texts))
            if _LONG_NUMBER in block.translate(_DIGITS):
                items = list(map(decode_object, texts))
        except (ValueError, ArithmeticError):
            raise OtherFormError from None
        if not are_objects(items):
            raise OtherFormError
        yield Batch(items, texts)


def are_objects(items: Sequence[Any]) -> bool:
    """Whether all of these have the form of a fixture's object.

    A look at many together is three times as quick as one at each.
    """
    try:
        labels = set(map(type, map(itemgetter("model"), items)))
        fields = set(map(type, map(itemgetter("fields"), items)))
    except (KeyError, TypeError, IndexError):
        return False
    return labels <= {str} and fields <= {dict}


def _form_of(start: bytes, *, lines: bool) -> tuple[bytes, bytes, bytes]:
    for form in _LINES if lines else _LISTS:
        if start.startswith(form[0] + _BEGIN):
            return form
    raise OtherFormError


def _splitter(between: bytes) -> Callable[[bytes], list[bytes]]:
    if b"\n" in between:  # which no string holds
        return lambda block: block.split(between)
    pattern = re.compile(b"(?<=%s)%s(?=%s)" % (_END, between, re.escape(_BEGIN)))
    return pattern.split


def _blocks(file: IO[bytes], rest: bytes, between: bytes, closing: bytes) -> Iterator[bytes]:
    """The text in blocks of whole objects, as far as can be seen without parsing."""
    boundary = _END + between + _BEGIN
    size = _BLOCK
    while more := file.read(size):
        at = rest.rfind(boundary)
        if at < 0 and len(rest) > _LARGEST:
            raise OtherFormError
        if at < 0:
            rest += more
            size = max(size, len(rest))
            continue
        yield rest[: at + len(_END)]
        rest = rest[at + len(_END) + len(between) :] + more
        size = _BLOCK
    rest = rest.rstrip()
    if not rest.endswith(_END + closing.rstrip()):
        raise OtherFormError
    yield rest[: len(rest) - len(closing.rstrip())].rstrip()


def _require_our_spelling(block: bytes, between: bytes) -> None:
    """One space after each comma and colon, and no other white space."""
    text = structure_of(block).replace(b"}" + between + b"{", b"}, {")
    signs = text.count(b",") + text.count(b":")
    spaces = text.count(b", ") + text.count(b": ")
    if not signs == spaces == len(text) - len(text.translate(None, b" \t\r\n")):
        raise OtherFormError


def _require_shallow(block: bytes, objects: int) -> None:
    """No object is nested deeper than a fixture may be; each has two brackets at least."""
    brackets = block.count(b"{") + block.count(b"[") - 2 * objects
    if brackets > MAX_DEPTH - 3 and not is_within_depth(structure_of(block), MAX_DEPTH - 1):
        raise OtherFormError
