"""What a fix makes of one value, and what is still wrong with the result.

Several fixes may apply to a value one after the other: text whose bytes were replaced may be too
long. Each result is judged as `check` judges the source, by the target itself where only it
knows, so what `check` reports for a declaration is what `dump` does.
"""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.dateparse import parse_datetime

from fixturepipe.databases.decimals import SQLiteDecimals
from fixturepipe.databases.fields import Field, root_field
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.fixes import Fix, Fixes

# From here on a number in a date is milliseconds: as seconds it would be the year 5138.
MILLISECONDS_FROM = 100_000_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

# The ids of the findings that a value is a case of; none where it is fine.
Verdict = Sequence[str]
Judge = Callable[[Field, Any], Verdict]
# What the declared fixes make of a raw value.
AfterFixes = Callable[[Field, Any], Any]


class CannotFixError(ValueError):
    """The fix cannot change this value."""


@dataclass(frozen=True)
class Step:
    """One fix applied to a value: the new raw value, or None if the fix drops the row."""

    fix: Fix
    new: Any


@dataclass(frozen=True)
class FixedValue:
    """What the declared fixes make of a value that has the problems `before`.

    `after` has the ids of the problems that are left.
    """

    before: Verdict
    steps: Sequence[Step] = ()
    after: Verdict = ()

    @property
    def dropped(self) -> bool:
        """Whether a fix drops the row."""
        return bool(self.steps) and self.steps[-1].fix.name == "drop"

    def covers(self, finding: str) -> bool:
        """Whether the problem is gone and no new error has replaced it."""
        new = [rule for rule in self.after if rule not in self.before]
        return finding not in self.after and not any(RULES[r].level == "error" for r in new)


@dataclass(frozen=True)
class NewValue:
    """The raw value that the project's transform makes of a value, unless it drops the row."""

    raw: Any
    dropped: bool = False


@dataclass(frozen=True)
class Fixer:
    """Applies the declared fixes to values of a source's columns; writes nothing.

    `lengths` has the number of characters that the target's text columns take.
    """

    fixes: Fixes
    source: BaseDatabaseWrapper
    judge: Judge
    lengths: Mapping[Field, int | None]

    def fix(self, field: Field, raw: Any, verdict: Verdict) -> FixedValue:
        """Apply the fixes that are declared for the value's problems."""
        steps: list[Step] = []
        tried: set[str] = set()
        after = verdict
        while fix := self._next(field, after, tried):
            if fix.name == "drop":
                return FixedValue(verdict, (*steps, Step(fix, None)))
            try:
                raw = self._made(fix, raw)
            except (CannotFixError, ArithmeticError, ValueError):
                continue
            steps.append(Step(fix, raw))
            after = self.judge(field, raw)
        return FixedValue(verdict, tuple(steps), after)

    def _next(self, field: Field, verdict: Verdict, tried: set[str]) -> Fix | None:
        for finding in verdict:
            fix = self.fixes.of(finding, field.model, (field,))
            if fix is not None and fix.name not in tried:
                tried.add(fix.name)
                return fix
        return None

    def _made(self, fix: Fix, raw: Any) -> Any:
        match fix.name:
            case "null":
                return None
            case "default":
                return default(fix, self.source)
            case "truncate":
                return self._truncated(fix.field, raw)
            case "epoch":
                return stored(fix.field, since_epoch(fix.field, raw), self.source)
            case "number":
                return number(fix.field, raw)
            case name if name in _OF_ANY_FIELD:
                return _OF_ANY_FIELD[name](raw)
        raise CannotFixError(fix.name)

    def _truncated(self, field: Field, raw: Any) -> Any:
        if isinstance(field, models.DecimalField):
            return fewer_places(field, raw)
        if field.get_internal_type() == "DateField":
            return day(raw)
        return _text(raw)[: self.lengths[field]]


def default(fix: Fix, source: BaseDatabaseWrapper) -> Any:
    """The raw value that `default` gives: the declared one, else the field's own."""
    given = fix.declaration.value
    value = fix.field.get_default() if given is None else root_field(fix.field).to_python(given)
    return stored(fix.field, value, source)


def stored(field: Field, value: Any, source: BaseDatabaseWrapper) -> Any:
    """The raw value that a column of SQLite holds after a value was saved."""
    raw = field.get_db_prep_save(value, source)
    if isinstance(raw, bool):
        return int(raw)
    if isinstance(root_field(field), models.DecimalField) and raw is not None:
        return _as_sqlite(decimal.Decimal(raw))
    return bytes(raw) if isinstance(raw, memoryview) else raw


def fewer_places(field: Field, raw: Any) -> int | float:
    """The number, cut to the field's decimal places."""
    if not math.isfinite(_number(raw)):
        raise CannotFixError(raw)
    return _as_sqlite(SQLiteDecimals(field).value(raw, decimal.ROUND_DOWN))


def day(raw: Any) -> str:
    """The date that a datetime begins with."""
    found = parse_datetime(_text(raw))
    if found is None:
        raise CannotFixError(raw)
    return found.date().isoformat()


def readable(raw: Any) -> str:
    """Text with U+FFFD for bytes that are not UTF-8, and without NUL characters."""
    content = raw if isinstance(raw, bytes) else _text(raw).encode("utf-8", "surrogateescape")
    return content.decode("utf-8", "replace").replace("\x00", "")


def since_epoch(field: Field, raw: Any) -> datetime.datetime | datetime.date:
    """The datetime in UTC of a number of seconds since 1970; of milliseconds from 1e11."""
    if not math.isfinite(_number(raw)):
        raise CannotFixError(raw)
    unit = "milliseconds" if abs(raw) >= MILLISECONDS_FROM else "seconds"
    value = _EPOCH + datetime.timedelta(**{unit: raw})
    if field.get_internal_type() == "DateField":
        return value.date()
    return value if settings.USE_TZ else value.replace(tzinfo=None)


def number(field: Field, raw: Any) -> int | float:
    """The number that text stands for; in a column of integers 1.0 is 1, and 1.5 stays."""
    read = decimal.Decimal(raw.strip() if isinstance(raw, str) else _number(raw))
    if not read.is_finite():
        raise CannotFixError(raw)
    takes_fractions = root_field(field).get_internal_type() in ("DecimalField", "FloatField")
    if read != read.to_integral_value() and not takes_fractions:
        raise CannotFixError(raw)
    return _as_sqlite(read)


def _as_sqlite(number: decimal.Decimal) -> int | float:
    """The number as SQLite holds it in a numeric column."""
    return int(number) if number == number.to_integral_value() else float(number)


def boolean(raw: Any) -> int:
    """1 or 0, for a word or a number that means true or false."""
    written = raw.strip().casefold() if isinstance(raw, str) else f"{_number(raw):g}"
    for value, words in _BOOLEANS.items():
        if written in words:
            return value
    raise CannotFixError(raw)


_BOOLEANS = {
    1: ("true", "t", "yes", "y", "on", "1", "1.0"),
    0: ("false", "f", "no", "n", "off", "0", "0.0"),
}


def in_utc(raw: Any) -> str:
    """The datetime in UTC without a time zone, as SQLite stores it."""
    value = parse_datetime(_text(raw))
    if value is None or value.tzinfo is None:
        raise CannotFixError(raw)
    return str(value.astimezone(datetime.UTC).replace(tzinfo=None))


def as_bytes(raw: Any) -> bytes:
    """The text in UTF-8; bytes that are not UTF-8 stay what they are."""
    return _text(raw).encode("utf-8", "surrogateescape")


# What a fix makes of a raw value, whatever the field.
_OF_ANY_FIELD: Mapping[str, Callable[[Any], Any]] = {
    "replace": readable,
    "boolean": boolean,
    "bytes": as_bytes,
    "utc": in_utc,
}


def _number(raw: Any) -> int | float:
    if type(raw) not in (int, float):
        raise CannotFixError(raw)
    return raw  # type: ignore[no-any-return]


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise CannotFixError(raw)
    return raw
