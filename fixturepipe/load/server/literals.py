"""SQL literals for MySQL and MariaDB: a column of values at a time.

What mysqlclient writes for each Python type, without its call per value: strings are joined,
escaped once and split again. In a string literal only the quote and the backslash need escaping
(https://dev.mysql.com/doc/c-api/9.4/en/mysql-real-escape-string-quote.html), as long as
NO_BACKSLASH_ESCAPES is off and the connection speaks utf8mb4, which `session` sees to. None of
this touches the connection, which may be busy with the statement before.
"""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Callable, Sequence
from typing import Any

NULL = "NULL"
# Between the values of a joined column; one that holds it is escaped on its own.
_SEPARATOR = "\x1f"


def quoted(value: str) -> str:
    """One string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_all(values: Sequence[str]) -> list[str]:
    """String literals of a column without None."""
    if not values:
        return []
    joined = _SEPARATOR.join(values)
    if joined.count(_SEPARATOR) != len(values) - 1:
        return [quoted(value) for value in values]
    return quoted(joined).replace(_SEPARATOR, "'\x1f'").split(_SEPARATOR)


def quoted_or_null(values: Sequence[str | None]) -> list[str]:
    """String literals of a column that may hold None."""
    if None not in values:
        return quoted_all(values)  # type: ignore[arg-type]  # no None is left
    literals = iter(quoted_all([value for value in values if value is not None]))
    return [NULL if value is None else next(literals) for value in values]


def literal(value: Any) -> str:
    """The literal of a parameter as Django's fields prepare them.

    Raises ValueError for numbers that SQL has no literal for, TypeError for unknown types.
    """
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    raise TypeError(f"no SQL literal is known for a {type(value).__name__}")


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number that MySQL and MariaDB know")
    written = repr(float(value))
    # Without an exponent the server would read a decimal, and round it its own way.
    return written if "e" in written else f"{written}e0"


def _decimal(value: decimal.Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"{value} is no number that MySQL and MariaDB know")
    return format(value, "f")


def _binary(value: bytes | bytearray | memoryview) -> str:
    return f"x'{bytes(value).hex()}'"


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: NULL,
    bool: lambda value: "1" if value else "0",
    int: lambda value: int.__repr__(value),
    float: _float,
    decimal.Decimal: _decimal,
    str: lambda value: quoted(str.__str__(value)),
    bytes: _binary,
    bytearray: _binary,
    memoryview: _binary,
    uuid.UUID: lambda value: f"'{value}'",
    datetime.datetime: lambda value: f"'{value}'",
    datetime.date: lambda value: f"'{value.isoformat()}'",
    datetime.time: lambda value: f"'{value.isoformat()}'",
}
