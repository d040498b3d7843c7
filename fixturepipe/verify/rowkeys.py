"""The keys of rows: raw, as Django reads them, and as a query takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fixturepipe.databases.fields import without_code
from fixturepipe.databases.tables import Key, Row, Table
from fixturepipe.databases.text import is_utf8
from fixturepipe.databases.values import Reader, Unmatched, Unreadable, shown


def key_of(row: Row, readers: Sequence[Reader]) -> Key:
    """A row's key as Django reads it."""
    return tuple(reader.value(raw) for reader, raw in zip(readers, row, strict=False))


def by_key(table: Table, keys: list[Key], readers: Sequence[Callable[..., Any]]) -> dict[Key, Row]:
    """A table's rows that have one of the keys, by key; values as Django reads them."""
    usable = [key for key in keys if not _is_unusable(key)]
    found: dict[Key, Row] = {}
    for rows in table.with_keys(prepared(usable, table)):
        if rows:
            raws = list(zip(*rows, strict=True))
            columns = (read(raws[i]) for i, read in enumerate(readers))
            found.update(zip(zip(*columns, strict=True), rows, strict=True))
    return found


def with_integers(keys: list[int], table: Table) -> list[Row]:
    """Rows with these ascending integer keys: if they are close together, a range is faster."""
    if keys[-1] - keys[0] < 2 * len(keys):
        return table.between(keys[0], keys[-1])
    return [row for rows in table.with_keys([(key,) for key in keys]) for row in rows]


def prepared(keys: Sequence[Key], table: Table) -> list[Key]:
    """The keys as a query takes them, past the code of custom fields."""
    connection = table.connection
    plain = [without_code(field, connection) for field in table.key]
    return [
        tuple(
            value if field is None else field.get_db_prep_value(value, connection)
            for field, value in zip(plain, key, strict=True)
        )
        for key in keys
    ]


def _is_unusable(key: Key) -> bool:
    """Whether no row of the other endpoint can have, or be asked for, such a key."""
    return any(
        isinstance(part, (Unreadable, Unmatched)) or (isinstance(part, str) and not is_utf8(part))
        for part in key
    )


def shown_key(key: Key) -> Any:
    parts = [shown(part.raw if isinstance(part, Unmatched) else part) for part in key]
    return parts[0] if len(parts) == 1 else parts
