"""Values for the fields of any model: plausible, odd, empty, and what packages take."""

from __future__ import annotations

import datetime
import decimal
import itertools
import random
import sqlite3
import string
import uuid
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, models
from django.db.backends.base.operations import BaseDatabaseOperations

if TYPE_CHECKING:
    Field = models.Field[Any, Any]
else:
    Field = models.Field

_TEXTS = (
    *(
        "plain",
        "Zürich",
        "日本語のテキスト",
        "Привет, мир",
        "👩‍👩‍👧 family",
        "e\u0301 combined",
        "ﷺ",
    ),
    *('it\'s "quoted"', "back\\slash", "tab\tand\nline", "<b>&amp;</b>", "100 % of %s", "NULL"),
    *("trailing space ", "a " * 20, "'; DROP TABLE x; --", "\u200bzero width", "0", "٣٤٥"),
)
_JSONS: tuple[Any, ...] = (
    *({}, [], "text", "", 0, 1.5, 1.0, True, None, [[], {}, ""]),
    *({"a": [1, 2.25, None, {"ü": "\u2028"}]}, {"n": 12345678901234567}, {"": "empty key"}),
)
_FLOATS = (0.0, -0.0, 0.1, 1 / 3, 1e300, -2.5e-300, 1e15 + 0.3, 12345.678)
_MOMENT = datetime.datetime(2020, 2, 29, 1, 2, 3, 4, datetime.UTC)
# What fields of packages take, by the name of their class, as Python knows it…
_VALUES: Mapping[str, tuple[Any, ...]] = {
    "MultiSelectField": ([], ["r"], ["r", "g"], ["b"]),
    "TimeZoneField": ("Europe/Berlin", "UTC", "America/New_York", ""),
    "BitField": (0, 1, 5, 7, 2**40),
    "CountryField": ("DE", "NZ", "", "ZZ"),
    "PickledObjectField": (None, {}, {"a": [1, (3,)]}, "text", 1.5, {1, 2}, _MOMENT, b"\x00"),
    "PhoneNumberField": ("+4930123456", "+12125552368", ""),
    "MoneyField": (decimal.Decimal("0.01"), decimal.Decimal("-12.5"), decimal.Decimal(10**9)),
    "CurrencyField": ("EUR", "USD", "XYZ"),
    "ColorField": ("#FF00AA", "#abc", "red"),
    "MACAddressField": ("00:1A:2B:3C:4D:5E", "ff-ff-ff-ff-ff-ff"),
    "RecurrenceField": ("RRULE:FREQ=DAILY;COUNT=3", ""),
    "RelativeDeltaField": ("P1Y2M3DT4H5M6S", "P3D", "PT0S"),
    "UnixTimeStampField": (0, 1.5, 1_700_000_000.123456),
    "PPOIField": ("0.5x0.5", "0x1", "0.25x0.75"),
    "QuillField": ('{"delta":"{}","html":"<p>ü</p>"}', "", "no JSON"),
    "StatusField": ("draft", "published"),
    "EncryptedDateField": (_MOMENT.date(),),
    "EncryptedDateTimeField": (_MOMENT,),
    "EncryptedIntegerField": (0, -7, 2**31 - 1),
}
# … and what older versions, imports and people have left in their columns.
_LEFT: Mapping[str, tuple[Any, ...]] = {
    "MultiSelectField": ("", "r,g", "g,r", "x,unknown", "r,"),
    "TimeZoneField": ("", "Mars/Phobos", "CET"),
    "PickledObjectField": ("", "gAN9cQAu", "no pickle at all"),
    "PhoneNumberField": ("not a number", "030 123456", "+49 30 123456"),
    "CountryField": ("de", "xx"),
    "JSONField": ('{"a":1,  "b": 1.0}', '"\\u00fc"', "[1e2]", '{"k":1,"k":2}'),
    "EncryptedCharField": ("plain, not encrypted", ""),
    "EncryptedTextField": ("", "gAAAAA=="),
    "RecurrenceField": ("no rule", " "),
    "ColorField": ("not a color", "#FFFFFF "),
    "PPOIField": ("", "ppoi"),
    "QuillField": ("", '{"html":1}', "text"),
    "HashidField": (0, 17),
    "EnumField": ("a", "z"),
    "TextChoicesField": ("d", "z", ""),
    "IntegerChoicesField": (1, 5),
    "StatusField": ("unknown", ""),
    "RelativeDeltaField": ("", "P400D"),
}


class Values:
    """Draws values; the same seed draws the same ones. `number` never gives one twice."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)  # noqa: S311 (no secrets)
        self._numbers = itertools.count(1)
        self._draws = self._by_kind()

    def number(self) -> int:
        """The next whole number."""
        return next(self._numbers)

    def chance(self, share: float) -> bool:
        """True in so many of all cases, from 0 to 1."""
        return self.random.random() < share

    def stored(self, field: Field) -> Any:
        """A value as the field's own code stores it in SQLite, or as somebody left it there."""
        left = _LEFT.get(type(field).__name__, ())
        if left and _is_of_package(field) and not field.unique and self.chance(0.3):
            chosen = self.random.choice(left)
            if not isinstance(chosen, str):
                return chosen
            if field.get_internal_type() != "BinaryField":
                return chosen[: field.max_length]
        value = self._drawn(field)
        for tried in (lambda: value, field.get_default, lambda: str(value)):
            # A field may refuse a value as it likes, and a default may read the database.
            try:
                found = _in_sqlite(field.get_db_prep_save(tried(), connection))
            except Exception:  # noqa: BLE001, S112
                continue
            if found is not None or field.null:
                return found
        return value if isinstance(value, bytes) else str(value)

    def _drawn(self, field: Field) -> Any:
        known = _VALUES.get(type(field).__name__)
        if known and _is_of_package(field):
            return self.random.choice(known)
        if field.choices and not field.unique and self.chance(0.9):
            keys = [key for key, _ in field.flatchoices if key is not None]
            if keys:
                return self.random.choice(keys)
        for kind, draw in (
            (models.EmailField, lambda f: _fit(f, f"user{self.number()}@example.com")),
            (models.URLField, lambda f: _fit(f, f"https://example.com/{self.number()}?q=ü")),
            (models.JSONField, lambda _: self.random.choice(_JSONS)),
            (models.FileField, self._file),
        ):
            if isinstance(field, kind):
                return draw(field)
        return self._draws.get(field.get_internal_type(), self._text)(field)

    def _by_kind(self) -> dict[str, Callable[[Field], Any]]:
        choice, randint = self.random.choice, self.random.randint
        hours = datetime.timedelta(hours=1)
        parts = (0, 1, 999_999, 123_456, 120_000)
        draws: dict[str, Callable[[Field], Any]] = {
            "SlugField": lambda f: _fit(f, f"slug-{self.number()}"),
            "BooleanField": lambda _: choice((True, False)),
            "DecimalField": self._decimal,
            "FloatField": lambda _: choice((*_FLOATS, self.random.random() * 1000)),
            "DateTimeField": self._datetime,
            "DateField": lambda _: _MOMENT.date() + datetime.timedelta(randint(-40_000, 40_000)),
            "TimeField": lambda _: datetime.time(randint(0, 23), 59, 5, choice(parts)),
            "DurationField": lambda _: (
                hours * randint(-99, 999) + datetime.timedelta(microseconds=choice(parts))
            ),
            "UUIDField": lambda _: uuid.UUID(int=self.random.getrandbits(128), version=4),
            "BinaryField": lambda _: choice((b"", b"\x00\xff", zlib.compress(b"text"), b"'\\%s")),
            "GenericIPAddressField": lambda _: choice(("192.0.2.1", "2001:db8::1")),
            "JSONField": lambda _: choice(_JSONS),
        }
        kinds = (*BaseDatabaseOperations.integer_field_ranges, "AutoField", "BigAutoField")
        return draws | dict.fromkeys(kinds, self._integer)

    def _text(self, field: Field) -> str:
        if _is_unique(field):
            return _fit(field, f"{self.random.choice(('n', 'ü', 'Ж'))}-{self.number()}")
        limit = field.max_length or 0
        if field.empty_strings_allowed and self.chance(0.1):
            return ""
        if 0 < limit <= 1000 and self.chance(0.1):
            return (("🎉" + string.ascii_letters) * limit)[:limit]
        text = self.random.choice(_TEXTS)
        if self.chance(0.4):
            text = f"{text} {self.number()}"
        return text[:limit] if limit else text * self.random.choice((1, 1, 1, 300))

    def _file(self, field: Field) -> str:
        return "" if not field.unique and self.chance(0.2) else f"files/ü {self.number()}.png"

    def _integer(self, field: Field) -> int:
        if field.unique:
            return self.number()
        ranges = BaseDatabaseOperations.integer_field_ranges
        low, high = ranges.get(field.get_internal_type(), (-(2**31), 2**31 - 1))
        for validator in field.validators:
            code, limit = (getattr(validator, n, None) for n in ("code", "limit_value"))
            if isinstance(limit, int):
                low = max(low, limit) if code == "min_value" else low
                high = min(high, limit) if code == "max_value" else high
        if self.chance(0.05):
            return self.random.choice((low, high))
        return self.random.randint(max(low, 0), min(high, max(low, 0) + 500))

    def _decimal(self, field: Any) -> decimal.Decimal:
        top = 10 ** min(field.max_digits or 10, 15) - 1
        number = self.random.choice((0, 1, top, self.random.randint(0, min(top, 10**6))))
        if not any(getattr(each, "code", "") == "min_value" for each in field.validators):
            number *= self.random.choice((1, -1))
        return decimal.Decimal(number).scaleb(-(field.decimal_places or 0))

    def _datetime(self, _: Field) -> datetime.datetime:
        parts = self.random.choice((0, 1, 999_999, 123_456, 120_000))
        found = datetime.timedelta(
            seconds=self.random.randint(-600_000_000, 200_000_000), microseconds=parts
        ) + _MOMENT.replace(microsecond=0)
        return found if settings.USE_TZ else found.replace(tzinfo=None)


def _is_of_package(field: Field) -> bool:
    """Whether the field's class is not one of Django's own."""
    return not type(field).__module__.startswith("django.db.")


def _is_unique(field: Field) -> bool:
    """Whether a constraint keeps its values unique, alone or with other fields.

    The server may find texts equal that differ in case, accents or spaces at the end.
    """
    meta = field.model._meta
    together = {name for names in meta.unique_together for name in names}
    for constraint in meta.total_unique_constraints:
        together.update(constraint.fields)
    return field.unique or field.name in together


def _fit(field: Field, text: str) -> str:
    return text[-field.max_length :] if field.max_length else text


def _in_sqlite(value: Any) -> Any:
    """The value as SQLite gives it back. Raises what sqlite3 raises for other types."""
    if isinstance(value, decimal.Decimal):
        return str(value)
    connection = sqlite3.connect(":memory:")
    try:
        return connection.execute("SELECT ?", (value,)).fetchone()[0]
    finally:
        connection.close()
