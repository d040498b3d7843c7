"""What can be declared about the problems that `check` finds.

    [tool.fixturepipe.fix]
    "shop.Product.name" = "truncate"
    "shop.Product.sku" = {default = "none"}
    "FP203:shop.Customer.email" = "rename"
    FP108 = "null"

The left side names a field, a model, a finding, or a finding and one of these; the right side a
remedy, of which `default` may bring the value. Of several that concern a problem, the one that
says most of where holds.

    truncate    text to the column's length, a decimal to the field's places; the rest is cut off
    null        NULL, where the column allows it
    drop        the object is left out
    default     the field's default, or the value that is declared
    rename      of rows that must not be the same, all but the first get a suffix: "anna-2"
    replace     bytes that are not UTF-8 become U+FFFD, NUL characters are removed
    epoch       a number in a date or moment: seconds since 1970 in UTC, milliseconds from 1e11
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FixName = Literal["truncate", "null", "drop", "default", "rename", "replace", "epoch"]
FIX_NAMES: tuple[FixName, ...] = (
    "truncate",
    "null",
    "drop",
    "default",
    "rename",
    "replace",
    "epoch",
)

_ANY: tuple[FixName, ...] = ("null", "default", "drop")

# Which remedies mend which finding, the best one first. What is not here cannot be mended.
FIXES_FOR: Mapping[str, tuple[FixName, ...]] = {
    "FP101": ("truncate", *_ANY),
    "FP102": _ANY,
    "FP103": _ANY,
    "FP104": _ANY,
    "FP105": _ANY,
    "FP106": _ANY,
    "FP107": ("epoch", "replace", *_ANY),
    "FP108": _ANY,
    "FP109": _ANY,
    "FP110": _ANY,
    "FP111": ("replace", *_ANY),
    "FP112": _ANY,
    "FP113": ("replace", *_ANY),
    "FP114": _ANY,
    "FP116": ("truncate", *_ANY),
    "FP117": _ANY,
    "FP118": _ANY,
    "FP119": ("default", "drop"),
    "FP120": _ANY,
    "FP121": _ANY,
    "FP122": _ANY,
    "FP201": _ANY,
    "FP202": ("drop",),
    "FP203": ("rename", "null", "drop"),
    "FP207": ("null", "drop"),
    "FP208": ("rename", "null", "drop"),
}

# Warnings and notes are left alone unless their id is named, but for what a remedy is made for.
MEANT_FOR: frozenset[tuple[str, str]] = frozenset({("FP113", "replace"), ("FP116", "truncate")})


@dataclass(frozen=True)
class Declaration:
    """A remedy for a target, as it was written; `value` is what `default` brings, or None."""

    target: str
    fix: str
    value: Any = None

    def __str__(self) -> str:
        return f"{self.target} = {self.fix}"


def declared(text: str) -> Declaration:
    """TARGET=REMEDY or TARGET=default:VALUE. Raises ValueError for any other form."""
    target, equals, remedy = text.partition("=")
    if not (target.strip() and equals and remedy.strip()):
        raise ValueError(text)
    return _declaration(target.strip(), remedy.strip())


def declared_in(table: Mapping[str, Any]) -> list[Declaration]:
    """The table's entries: TARGET = "REMEDY" or TARGET = {default = VALUE}.

    Raises ValueError for any other form.
    """
    found = []
    for target, given in table.items():
        if isinstance(given, dict) and len(given) == 1:
            ((remedy, value),) = given.items()
            found.append(Declaration(target, remedy, value))
        elif isinstance(given, str):
            found.append(_declaration(target, given))
        else:
            raise ValueError(f"{target} = {given!r}")
    return found


def _declaration(target: str, text: str) -> Declaration:
    remedy, colon, value = text.partition(":")
    return Declaration(target, remedy.strip(), value if colon else None)
