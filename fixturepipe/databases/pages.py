"""Pages of rows that are bounded in rows and in bytes, so that long values do not fill memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fixturepipe.databases.fields import BUILT_IN, TEXTS, Field, root_field

Row = tuple[Any, ...]

PAGE_ROWS = 2_000
PAGE_BYTES = 4 << 20
# The first page of a table with wide columns, if the driver holds a whole result in memory.
FIRST_WIDE_ROWS = 200

_LONG_FROM = 4_000
# Built-in types whose values are always short.
_NARROW = BUILT_IN - {*TEXTS, "BinaryField", "JSONField"}


def wide_columns(fields: Iterable[Field]) -> list[int]:
    """The positions of the fields whose values may be long."""
    return [position for position, field in enumerate(fields) if _is_wide(root_field(field))]


def _is_wide(field: Field) -> bool:
    limit = getattr(field, "max_length", None)
    return field.get_internal_type() not in _NARROW and (limit is None or limit > _LONG_FROM)


def fetch_page(cursor: Any, rows: int, wide: Sequence[int]) -> list[Row]:
    """At most `rows` rows of a cursor whose long values have PAGE_BYTES in all, or little more.

    The number that is fetched at once doubles, as far as the rows so far suggest that it fits.
    """
    if not wide:
        return list(cursor.fetchmany(rows))
    page: list[Row] = []
    used, step = 0, 4
    while used < PAGE_BYTES and len(page) < rows and (fetched := cursor.fetchmany(step)):
        page += fetched
        used += _long_bytes(fetched, wide)
        room = (PAGE_BYTES - used) * len(page) // max(used, 1)
        step = max(1, min(step * 2, room, rows - len(page)))
    return page


def next_limit(limit: int, page: Sequence[Row], rows: int, wide: Sequence[int]) -> int:
    """How many rows to ask for after a page: up to `rows`, fewer if they would not fit."""
    if not wide:
        return rows
    room = PAGE_BYTES * len(page) // max(1, _long_bytes(page, wide))
    return max(1, min(rows, room, limit * 2))


def _long_bytes(rows: Sequence[Row], wide: Sequence[int]) -> int:
    """The size of the long values, about: characters and bytes."""
    return sum(_size([row[position] for row in rows]) for position in wide)


def _size(values: Sequence[Any]) -> int:
    try:
        return sum(map(len, filter(None, values)))
    except TypeError:  # a number among the texts, as SQLite allows
        return sum(len(value) for value in values if isinstance(value, (str, bytes)))
