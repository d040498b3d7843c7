"""Values of one column at both endpoints, read as Django reads them, and compared exactly.

Of SQLite's decimals more digits are read than Django reads (see `decimals`).

Equal means: of the same Python type and the same value. So True is not 1, 1 is not 1.0, text
is compared code point by code point, floats bit by bit, decimals by value, datetimes by
instant and microsecond. NULL is equal to NULL only: a JSON `null` is not, although Django
reads both as None, nor is text in a date column that Django reads as None.

Two databases may store these differently, and they are equal:

* a UUID as char(32) and as a native column; a boolean as 0 and 1;
* a datetime in another time zone; a decimal with fewer trailing zeros;
* a float that SQLite holds as a whole number;
* JSON with its keys in another order, other white space, or a float in another notation
  (1e2 and 100.0); a key given twice counts once, its last value, as every reader takes it;
* the id of a content type or a permission, which each database allocates: they are compared
  by natural key (see `naturalrows`).

A custom field's values are compared as they are stored; its code takes no part. If its column is
not that of a built-in type, a number is equal to the same number as text, and a datetime to its
text, since the two databases may keep a type of the project's own differently.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.decimals import SQLiteDecimals
from fixturepipe.databases.fields import Field, has_built_in_column, is_custom, root_field
from fixturepipe.databases.text import printable, shortened

Values = Sequence[Any]

# Of these, equal raw values are equal values, on every database that gives them as they are.
_SAME_WHEN_RAW_IS = frozenset({"BooleanField", "DateField", "DurationField"})
_HEXADECIMAL = re.compile("(?:[0-9a-f]{32},)*")

# As the server writes them (see `tables.Table`), from text to what a driver would give.
_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "DateField": datetime.date.fromisoformat,
    "DateTimeField": datetime.datetime.fromisoformat,
    "DecimalField": decimal.Decimal,
    "TimeField": datetime.time.fromisoformat,
}
_EARLIEST = datetime.datetime.min  # noqa: DTZ901  (the zone is taken off values, too)
_INEXACT = frozenset({float, list, tuple, dict})


class Unreadable:
    """Stands for a raw value that Django cannot read, or reads as None though it is not NULL."""

    __slots__ = ("raw",)

    def __init__(self, raw: object) -> None:
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unreadable) and same(self.raw, other.raw)

    def __hash__(self) -> int:
        return hash(repr(self.raw))


class Unmatched:
    """Stands for the id of a content type or permission that the other endpoint lacks."""

    __slots__ = ("raw",)

    def __init__(self, raw: object) -> None:
        self.raw = raw


def same(ours: object, theirs: object) -> bool:
    """Whether two values are of one type and equal, their parts too; floats bit by bit."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, float):
        return struct.pack("d", ours) == struct.pack("d", theirs)
    if isinstance(ours, datetime.datetime) and isinstance(theirs, datetime.datetime):
        return _instant(ours) == _instant(theirs)
    if isinstance(ours, (list, tuple)) and isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    return bool(ours == theirs)


def _instant(value: datetime.datetime) -> tuple[bool, datetime.timedelta]:
    """For comparison: == is never true between zones in the repeated hour of one (PEP 495)."""
    since = value.replace(tzinfo=None) - _EARLIEST
    offset = value.utcoffset()
    return offset is None, since - (offset or datetime.timedelta())


def shown(value: object) -> Any:
    """A value as a report or JSON shows it: long text cut, what JSON lacks as text."""
    if isinstance(value, (Unreadable, Unmatched)):
        return shown(value.raw)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, bytes):
        return shown(f"0x{value.hex()}")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    return shortened(printable(str(value)))


def shown_row(values: Sequence[object]) -> Any:
    """A key, or the values of a row, as a report or JSON shows them: one alone, or a list."""
    return shown(values[0]) if len(values) == 1 else [shown(value) for value in values]


class Reader:
    """Reads one column at one endpoint: Django's converters, applied a column at a time.

    `as_text` says that datetimes and decimals come as the server writes them.
    """

    def __init__(
        self, field: Field, connection: BaseDatabaseWrapper, table: str, *, as_text: bool = False
    ) -> None:
        self.connection = connection
        self.kind = root_field(field).get_internal_type()
        self._column = field.get_col(table)
        root = root_field(field)
        custom = is_custom(root, connection)
        self.is_raw = custom and not has_built_in_column(root, connection)
        self.backend = [] if self.is_raw else connection.ops.get_db_converters(self._column)
        if self.backend and connection.vendor == "sqlite" and isinstance(root, models.DecimalField):
            self.backend = [_sqlite_decimals(root)]
        self.own = [] if custom else self._column.get_db_converters(connection)
        self._from_text = _FROM_TEXT.get(self.kind) if as_text and not self.is_raw else None
        self.is_json = self.kind == "JSONField" and not self.is_raw
        self.is_raw_json = self.is_raw and (root.db_type(connection) or "").lower() == "json"

    def value(self, raw: Any) -> Any:
        """One value; Unreadable where Django cannot read it or loses that it is not NULL."""
        if raw is None:
            return None
        try:
            value = canonical_json(raw) if self.is_json else self._converted(raw)
        except Exception:  # noqa: BLE001  (dirty data fails in a converter as it likes)
            return Unreadable(raw)
        return Unreadable(raw) if value is None else value

    def values(self, raws: Values) -> list[Any]:
        """A column of values."""
        if self.kind == "FloatField" and not self.is_raw:
            raws = _as_floats(raws)
        if not (self.backend or self.own or self._from_text or self.is_json):
            return list(raws)
        return [self.value(raw) for raw in raws]

    def comparable(self, raws: Values) -> list[Any]:
        """A column of values, equal exactly if those of `values` are, and faster to make."""
        if self.kind == "UUIDField" and not self.own:
            return self._hexadecimal(raws)
        return self.values(raws)

    def _hexadecimal(self, raws: Values) -> list[Any]:
        try:
            hexadecimal = [None if raw is None else raw.replace("-", "") for raw in raws]
            if _HEXADECIMAL.fullmatch("".join([f"{h}," for h in hexadecimal if h is not None])):
                return hexadecimal
        except (AttributeError, TypeError):
            pass  # not text: the driver makes UUIDs of them, or the data is dirty
        return [v.hex if isinstance(v, uuid.UUID) else v for v in self.values(raws)]

    def _converted(self, raw: Any) -> Any:
        value = raw if self._from_text is None else self._from_text(raw)
        for convert in (*self.backend, *self.own):
            value = convert(value, self._column, self.connection)
        return value.tobytes() if isinstance(value, memoryview) else value


def _sqlite_decimals(field: Field) -> Callable[..., decimal.Decimal]:
    """In place of Django's converter, which loses digits of large numbers."""
    read = SQLiteDecimals(field).value
    return lambda raw, *_: read(raw)


class Column:
    """One column of a model at both endpoints, for a whole comparison."""

    def __init__(
        self,
        field: Field,
        source: Reader,
        target: Reader,
        translation: Translation | None = None,
    ) -> None:
        self.field = field
        self.name = field.column
        self.source = source
        self.target = target
        self.is_translated = translation is not None
        self._translation = translation
        self._look_equal = self._first_look()

    def expected(self, raws: Values) -> list[Any]:
        """The source's values, comparable, as the target must hold them."""
        values = self.source.comparable(raws)
        if self._translation is None:
            return values
        known = self._translation.ids
        return [None if v is None else known.get(v, Unmatched(v)) for v in values]

    def found(self, raws: Values) -> list[Any]:
        """The target's values, comparable."""
        return self.target.comparable(raws)

    def at_source(self, raws: Values) -> list[Any]:
        """The target's values, comparable, as the source must hold them."""
        values = self.found(raws)
        if self._translation is None:
            return values
        known = {theirs: ours for ours, theirs in self._translation.ids.items()}
        return [known.get(value, Unmatched(value)) for value in values]

    def differing(self, ours: Values, theirs: Values) -> list[int]:
        """The positions at which raw values of the source and of the target differ."""
        if self._look_equal is not None and self._look_equal(ours, theirs):
            return []
        expected, found = self.expected(ours), self.found(theirs)
        if _all_same(expected, found):
            return []
        pairs = enumerate(zip(expected, found, strict=True))
        if not (self.source.is_raw or self.target.is_raw):
            return [i for i, (a, b) in pairs if not same(a, b)]
        equal = _same_json if self.target.is_raw_json else _same_raw
        return [i for i, (a, b) in pairs if not (same(a, b) or equal(a, b))]

    def both(self, ours: Any, theirs: Any) -> tuple[Any, Any]:
        """One pair of raw values as a report shows them, never the same text."""
        (expected,), (found,) = self.source.values([ours]), self.target.values([theirs])
        if self._translation is not None:
            expected, found = self._translation.shown(expected, found)
        pair = shown(expected), shown(found)
        if pair[0] != pair[1] or type(pair[0]) is not type(pair[1]):
            return pair
        return f"{pair[0]!r} ({type(expected).__name__})", f"{pair[1]!r} ({type(found).__name__})"

    def _first_look(self) -> Callable[[Values, Values], bool] | None:
        """A quick test of raw values that holds only where they are read as equal values."""
        if self.is_translated:
            return None
        if self.source.is_json and self.target.is_json:
            return _all_same
        if self.source.own or self.target.own:
            return None
        if not (self.source.backend or self.target.backend):
            return _all_same
        kind = self.source.kind
        if kind == "BooleanField":
            return _same_booleans
        if kind in _SAME_WHEN_RAW_IS:
            return _all_same
        if kind in ("DateTimeField", "TimeField"):
            here, there = self.source.connection.timezone, self.target.connection.timezone
            return _same_datetimes if here == there else None
        root = root_field(self.field)
        # SQLite holds a decimal as a float, which is exact for up to 15 digits.
        if isinstance(root, models.DecimalField) and (root.max_digits or 99) <= 15:
            return _same_decimals
        return None


def canonical_json(raw: str | bytes) -> str:
    """JSON text that is the same for the same value. 1, 1.0 and true stay what they are.

    Raises ValueError for what is not JSON, TypeError for what is not text.
    """
    return json.dumps(json.loads(raw), sort_keys=True, ensure_ascii=False)


def same_as_stored(ours: object, theirs: object) -> bool:
    """Whether raw values of two types of column are equal: 5 and b"\x05", 1.5 and "1.5"."""
    return _same_raw(ours, theirs) or _same_json(ours, theirs)


def _same_raw(ours: object, theirs: object) -> bool:
    """Whether two stored values of a type of the project's own are equal."""
    if isinstance(ours, bytes) or isinstance(theirs, bytes):
        return _bytes_of(ours) == _bytes_of(theirs)
    if any(isinstance(v, (datetime.datetime, datetime.time)) for v in (ours, theirs)):
        return _padded([_in_utc(ours)]) == _padded([_in_utc(theirs)])
    numbers = [isinstance(v, (int, float, decimal.Decimal)) for v in (ours, theirs)]
    try:
        return any(numbers) and decimal.Decimal(str(ours)) == decimal.Decimal(str(theirs))
    except decimal.InvalidOperation:
        return False


def _same_json(ours: object, theirs: object) -> bool:
    """Whether a text is the JSON that a server's own type of column writes in its own way."""
    try:
        return canonical_json(str(ours)) == canonical_json(str(theirs))
    except ValueError:
        return False


def _bytes_of(stored: object) -> object:
    """A UUID is 32 digits in one column and 16 bytes in another, a boolean may be a bit."""
    if isinstance(stored, str) and re.fullmatch("[0-9a-f]{32}", stored):
        return bytes.fromhex(stored)
    return bytes([stored]) if isinstance(stored, int) and 0 <= stored < 256 else stored


def _in_utc(stored: object) -> str:
    """A date or time as a column has it that knows no time zone."""
    if isinstance(stored, datetime.datetime) and stored.tzinfo is not None:
        stored = stored.astimezone(datetime.UTC).replace(tzinfo=None)
    return str(stored)


def _all_same(ours: Values, theirs: Values) -> bool:
    """Whether two columns are equal throughout; never True by mistake."""
    if ours != theirs or list(map(type, ours)) != list(map(type, theirs)):
        return False
    # == takes 0.0 for -0.0, and 1 for True inside of containers.
    if _INEXACT.isdisjoint(map(type, ours)):
        return True
    return all(map(same, ours, theirs))


def _as_floats(raws: Values) -> Values:
    """The values with whole numbers as floats: a column without a type keeps 5 as it was given."""
    if int not in set(map(type, raws)):
        return raws
    return [float(v) if type(v) is int and int(float(v)) == v else v for v in raws]


def _same_booleans(ours: Values, theirs: Values) -> bool:
    """No two databases agree on a boolean that is neither 0 nor 1."""
    return _all_same(ours, theirs) and set(ours) <= {0, 1, None}


def _same_datetimes(ours: Values, theirs: Values) -> bool:
    """Whether datetimes are written the same way, except for microseconds of zero."""
    return _all_text(ours) and _all_text(theirs) and _padded(ours) == _padded(theirs)


def _padded(datetimes: Values) -> list[str | None]:
    """With microseconds: "12:00:00" has 8 characters, "2020-01-01 12:00:00" 19."""
    return [m if m is None or len(m) not in (8, 19) else f"{m}.000000" for m in datetimes]


def _same_decimals(ours: Values, theirs: Values) -> bool:
    try:
        return _floats(ours) == _floats(theirs)
    except (TypeError, ValueError):
        return False


def _floats(numbers: Values) -> list[float | None]:
    return [None if number is None else float(number) for number in numbers]


def _all_text(values: Values) -> bool:
    return set(map(type, values)) <= {str, type(None)}


NaturalKey = tuple[str, ...]


@dataclass(frozen=True)
class Translation:
    """Which id in the target is which in the source, and the natural keys in both."""

    ids: Mapping[Any, Any]
    ours: Mapping[Any, NaturalKey]
    theirs: Mapping[Any, NaturalKey]

    def shown(self, ours: Any, theirs: Any) -> tuple[Any, Any]:
        """An id of the source and one of the target, as their natural keys."""
        return _described(self.ours, ours), _described(self.theirs, theirs)


def _described(keys: Mapping[Any, NaturalKey], pk: Any) -> Any:
    return ".".join(keys[pk]) if pk in keys else pk
