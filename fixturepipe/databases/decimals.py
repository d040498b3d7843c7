"""Decimals as SQLite holds them: whole numbers of 64 bits, and floats.

Django reads 15 digits of both, so that 0.1 + 0.2 is 0.3 and 12345678901234567 is 12345678901234600.
Where 15 digits reach down to the field's last decimal place, this reads the same; larger numbers
are read with all the digits that the column holds (17 of a float).
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

from fixturepipe.databases.fields import Field, root_field

# DatabaseOperations.get_decimalfield_converter.
_AS_DJANGO = Context(prec=15).create_decimal_from_float


class SQLiteDecimals:
    """Reads the raw values of one DecimalField's column."""

    def __init__(self, field: Field) -> None:
        declared: Any = root_field(field)
        self._unit = Decimal(1).scaleb(-declared.decimal_places)
        self._context = Context(prec=declared.max_digits)
        self._least_large = 10.0 ** (15 - declared.decimal_places)

    def exact(self, raw: float) -> Decimal:
        """The number, with more decimal places than the field's if it has them."""
        if -self._least_large < raw < self._least_large:
            return _AS_DJANGO(raw)
        return Decimal(repr(raw))

    def value(self, raw: float, rounding: str | None = None) -> Decimal:
        """The number in the field's decimal places.

        Raises InvalidOperation if it has more digits than the field, or is not finite.
        """
        return self.exact(raw).quantize(self._unit, rounding, self._context)
