"""The keys that an object has and those that it refers to, as fixtures write them.

An object can be referred to by its primary key, by another unique field (`to_field`) or, where
a reference is a list, by its natural key. A *kind* of key is a label and one of these three;
keys compare within a kind. So that both ends of a reference meet, a key is brought to one form:

    5, "5"               5           loaddata reads both as the same key
    "red", uuid          "red"
    10**20, 1.5, [1, 2]  its JSON    (SQLite's integers, which hold keys on disk, have 64 bits)

Fixtures that others wrote may spell one key in several ways: true, 1.0, "01" and " 1" are the whole
number 1. What the key's field makes of them comes from the caller (`KeyReaders`), who knows Django.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fixturepipe.artifacts.records import encode_value

PK = "pk"
NATURAL = "natural key"

Key = int | str
# What a field makes of a key, as a JSON value; raises ValueError if it cannot read it.
ReadKey = Callable[[Any], Any]
# The one for a kind of key, by label and `Kind.to`; None where the key is compared as written.
KeyReaders = Callable[[str, str], ReadKey | None]


@dataclass(frozen=True)
class Kind:
    """What a key is a key of: `to` is PK, NATURAL or the name of a unique field."""

    label: str
    to: str


def key_of(value: object) -> Key:
    """The one form of a key that is not None, where nothing is known of its field."""
    if type(value) is int:
        return value if -(1 << 63) <= value < 1 << 63 else str(value)
    if type(value) is str:
        if value.isdecimal() and value.isascii() and len(value) < 19:
            return int(value) if value[0] != "0" or value == "0" else value
        return value
    if type(value) is list:
        with suppress(TypeError):  # a part that is a list or an object itself
            return _list_key(*value)
    return encode_value(value).decode()


@lru_cache(maxsize=10_000, typed=True)
def _list_key(*parts: object) -> str:
    """A natural key's one form: few of them are referred to by many objects."""
    return encode_value(list(parts)).decode()


def key_reader(convert: ReadKey | None) -> Callable[[Any], Key]:
    """What brings a key to its one form: that of the value which its field makes of it.

    The reader raises what `convert` raises: ValueError for a value that the field cannot read.
    """
    if convert is None:
        return key_of
    return lambda value: key_of(convert(value))
