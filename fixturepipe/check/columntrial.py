"""Columns of unusual types, which only the target knows: it is asked about each value.

A field class of the project's own may have any type on MySQL: an enum, a timestamp, a datetime
without microseconds, a decimal with fewer places. Such a column may refuse a value that SQLite
holds, or round, fold or reorder it. So the values go into a column of that type in a temporary
table, one batch after the other, and are read back.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check.columntest import FINE, Wrong
from fixturepipe.databases.fields import Field, has_built_in_column, root_field
from fixturepipe.databases.packets import refused_rows
from fixturepipe.databases.queries import executed, rows_of
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.values import Column, Reader
from fixturepipe.fixes.values import Verdict

_TABLE = "fixturepipe_column"
# What the tests of numbers and texts know, whatever class the field is of.
KNOWN = re.compile(
    r"varchar\(\d+\)|(tiny|small|medium|big)?int(eger)?(\(\d+\))?( unsigned)?"
    r"|double( precision)?|float|longtext",
    re.IGNORECASE,
)


def is_unusual(field: Field, kind: str, connection: BaseDatabaseWrapper) -> bool:
    """Whether the field's column, of this type, is of one that no test of values knows.

    A server that has the column names the type without its character set, which the field gives.
    """
    if root_field(field) is not field or has_built_in_column(field, connection):
        return False
    kinds = (kind, field.db_type(connection) or "")
    is_known = all(KNOWN.fullmatch(each) for each in kinds)
    return not is_known or field.get_internal_type() == "UUIDField"


class ColumnTrial:
    """Asks a server about the values of one column. `kind` is its type in SQL."""

    def __init__(
        self, field: Field, kind: str, source: BaseDatabaseWrapper, connection: BaseDatabaseWrapper
    ) -> None:
        self._kind = re.sub(r"\bNOT NULL\b|\bAUTO_INCREMENT\b", "", kind, flags=re.IGNORECASE)
        self._is_uuid = field.get_internal_type() == "UUIDField"
        self._connection = connection
        table = table_name(field.model, connection)
        self._column = Column(
            field,
            Reader(field, source, table_name(field.model, source)),
            Reader(field, connection, table),
        )

    def verdicts(self, values: Sequence[Any]) -> list[Verdict]:
        """What is wrong with each value; nothing if the server does not take the table."""
        try:
            columns = f"n INTEGER PRIMARY KEY, c {self._kind}"
            executed(self._connection, f"CREATE TEMPORARY TABLE {_TABLE} ({columns})")
        except DatabaseError:
            return [FINE] * len(values)
        try:
            self._insert(values)
            kept: dict[int, Any] = dict(rows_of(self._connection, f"SELECT n, c FROM {_TABLE}"))
        finally:
            executed(self._connection, f"DROP TEMPORARY TABLE {_TABLE}")
        return [self._verdict(raw, number, kept) for number, raw in enumerate(values)]

    def _verdict(self, raw: Any, number: int, kept: dict[int, Any]) -> Verdict:
        if number not in kept:
            return (Wrong.REFUSED_VALUE,)
        return (Wrong.CHANGED,) if self._column.differing([raw], [kept[number]]) else FINE

    def _insert(self, values: Sequence[Any]) -> None:
        """Insert what the column takes."""
        rows = [(number, self._written(value)) for number, value in enumerate(values)]
        refused_rows(self._connection, _TABLE, rows)

    def _written(self, value: Any) -> Any:
        """The value as the load writes it."""
        if self._is_uuid and "binary" in self._kind.lower():
            return uuid.UUID(str(value)).bytes
        return value
