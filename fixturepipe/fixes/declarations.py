"""What can be declared about the problems that `check` finds.

    [tool.fixturepipe.fix]
    "shop.Product.name" = "truncate"
    "shop.Product.sku" = {default = "none"}
    "FP203:shop.Customer.email" = "rename"
    FP108 = "null"

The left side names a field, a model, a finding, or a finding and one of these; the right side
names a fix, and `default` may carry a value. The most specific declaration that matches a problem
applies.

    truncate    cuts text to the column's length, a decimal to the field's decimal places, a
                datetime in a column of dates to its day
    null        stores NULL, where the column allows it
    drop        leaves the object out
    default     stores the field's default, or the declared value
    rename      gives all duplicates but the first a suffix: "anna-2"
    replace     turns bytes that are not UTF-8 into U+FFFD, and removes NUL characters
    prefix      lets an index, not unique, cover the first characters of a column
    drop-index  leaves out an index that the target refuses
    epoch       reads a number as a date or datetime: seconds since 1970 in UTC, milliseconds
                from 1e11
    number      reads text as a number, and 1.0 in an integer column as 1
    boolean     reads True, t, yes, on, 1.0 … as true, and False, f, no, off, 0.0 … as false
    bytes       stores text in a binary column as its UTF-8 bytes
    utc         converts a datetime with a time zone to UTC without one, for USE_TZ = False
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIX_NAMES = (
    *("truncate", "null", "drop", "default", "rename", "replace"),
    *("epoch", "number", "boolean", "bytes", "utc", "prefix", "drop-index"),
)
# Fixes of the target's tables; all others change values.
SCHEMA_FIXES = frozenset({"prefix", "drop-index"})

_ANY = ("null", "default", "drop")

# The fixes for each finding, the best one first. Findings that are not listed have none.
FIXES_FOR: Mapping[str, tuple[str, ...]] = {
    # Every wrong value, but not key 0, which is right.
    **dict.fromkeys((f"FP{number}" for number in range(101, 127) if number != 115), _ANY),
    "FP101": ("truncate", *_ANY),
    "FP105": ("truncate", *_ANY),
    "FP107": ("number", "epoch", "replace", "bytes", *_ANY),
    "FP108": ("boolean", *_ANY),
    "FP111": ("replace", *_ANY),
    "FP113": ("replace", *_ANY),
    "FP116": ("truncate", *_ANY),
    "FP119": ("default", "drop"),
    "FP121": ("utc", *_ANY),
    "FP201": _ANY,
    "FP202": ("drop",),
    "FP203": ("rename", "null", "drop"),
    "FP207": ("null", "drop"),
    "FP208": ("rename", "null", "drop"),
    "FP318": ("prefix", "drop-index"),
    "FP319": ("drop-index",),
}

# A fix applies to a warning or a note only if the declaration names its id; except these pairs.
MEANT_FOR: frozenset[tuple[str, str]] = frozenset({("FP113", "replace"), ("FP116", "truncate")})


@dataclass(frozen=True)
class Declaration:
    """A fix and what it is for, as the user wrote it; `value` is that of `default`, or None."""

    target: str
    fix: str
    value: Any = None

    @property
    def changes_schema(self) -> bool:
        """Whether it changes the target's tables, not the values of the source."""
        return self.fix in SCHEMA_FIXES

    def __str__(self) -> str:
        return f"{self.target} = {self.fix}"


def declared(text: str) -> Declaration:
    """TARGET=FIX or TARGET=default:VALUE. Raises ValueError for any other form."""
    target, equals, fix = text.partition("=")
    if not (target.strip() and equals and fix.strip()):
        raise ValueError(text)
    return _declaration(target.strip(), fix.strip())


def declared_in(table: Mapping[str, Any]) -> list[Declaration]:
    """The table's entries: TARGET = "FIX" or TARGET = {default = VALUE}.

    Raises ValueError for any other form.
    """
    found = []
    for target, given in table.items():
        if isinstance(given, dict) and len(given) == 1:
            ((fix, value),) = given.items()
            found.append(Declaration(target, fix, value))
        elif isinstance(given, str):
            found.append(_declaration(target, given))
        else:
            raise ValueError(f"{target} = {given!r}")
    return found


def _declaration(target: str, text: str) -> Declaration:
    fix, colon, value = text.partition(":")
    return Declaration(target, fix.strip(), value if colon else None)
