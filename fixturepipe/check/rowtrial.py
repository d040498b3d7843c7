"""Rows of the source, tried in a temporary table of the target that has some of their columns.

SQLite and each server evaluate SQL by rules of their own: whether case counts, what a letter is to
a regular expression, how whole numbers are divided, which dates there are. So nothing is compared
or emulated here: the server gets the values, and says what it does with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import Field, Model, key_fields, root_field, stored_fields
from fixturepipe.databases.mysql import packet_size
from fixturepipe.databases.packets import refused_rows, results
from fixturepipe.databases.pages import wide_columns
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tables import Row, Table
from fixturepipe.databases.tablesql import CreateTable, without_unique
from fixturepipe.databases.text import is_utf8
from fixturepipe.databases.values import Reader, Unreadable

_WITH, _WITHOUT = "fixturepipe_with_definition", "fixturepipe_without_definition"
# Some servers demand one: sql_require_primary_key, innodb_force_primary_key.
_KEY = "fixturepipe_key BIGINT AUTO_INCREMENT PRIMARY KEY"
_TIMES = ("DateField", "DateTimeField", "TimeField")
_CLOCK = r"\d\d:\d\d:\d\d(\.\d{1,6})?"
_TIME = re.compile(rf"\d{{4}}-\d\d-\d\d( {_CLOCK})?|{_CLOCK}")
# The target's answers for so many different rows are remembered.
_KNOWN = 20_000


# What becomes of a row on its way: of its raw key, and of its values of some fields. None if it is
# dropped.
Altered = Callable[[Row, Sequence[Field], Row], Row | None]


class RowWriter:
    """Writes raw values of the source as the parameters of an INSERT into the target."""

    def __init__(
        self, fields: Sequence[Field], source: BaseDatabaseWrapper, target: BaseDatabaseWrapper
    ) -> None:
        self._readers = [(f, Reader(f, source, table_name(f.model, source))) for f in fields]
        self._target = target
        self._longest = packet_size(target) // 4
        self._same_zone = source.timezone == target.timezone

    def __call__(self, row: Row) -> list[Any] | None:
        """The parameters; None if a value is dirty or very long, as other findings say."""
        written = []
        for (field, reader), raw in zip(self._readers, row, strict=False):
            value = raw if self._is_as_written(reader, raw) else reader.value(raw)
            if isinstance(value, Unreadable) or not self._can_be_sent(raw):
                return None
            if not (value is raw or reader.is_json):
                value = root_field(field).get_db_prep_value(value, self._target, prepared=False)
            written.append(value)
        return written

    def _is_as_written(self, reader: Reader, raw: Any) -> bool:
        """Whether Django writes the value in the same way to both: datetimes take long to read."""
        if reader.is_raw or raw is None:
            return True
        is_time = reader.kind in _TIMES and not reader.own and self._same_zone
        return is_time and isinstance(raw, str) and _TIME.fullmatch(raw) is not None

    def _can_be_sent(self, raw: Any) -> bool:
        if not isinstance(raw, (str, bytes)):
            return True
        return len(raw) <= self._longest and (isinstance(raw, bytes) or is_utf8(raw))


class DefinitionTrial:
    """Asks the target which rows of a model one definition of its table refuses.

    `table` is the target's table; `definition` is a CHECK constraint's or a generated column's.
    """

    def __init__(
        self,
        model: Model,
        source: BaseDatabaseWrapper,
        target: BaseDatabaseWrapper,
        table: CreateTable,
        definition: str,
    ) -> None:
        definitions = table.needed_by(definition)
        self.fields = tuple(
            field for field in stored_fields(model) if field.column.lower() in definitions
        )
        self._rows = Table(model, source, (*key_fields(model), *self.fields))
        self.width = len(self._rows.key)
        self._target = target
        self._write = RowWriter(self.fields, source, target)
        self._remembers = not wide_columns(self.fields)
        self._places = ", ".join(target.ops.quote_name(field.column) for field in self.fields)
        # The name may be taken: those of CHECK constraints are unique in a database of MySQL.
        unnamed = re.sub(r"^CONSTRAINT `(?:[^`]|``)+` ", "", definition)
        columns = [_without_keys(each) for each in definitions.values() if each != definition]
        without = CreateTable(_WITHOUT, (_KEY, *columns))
        self._tables = (without, CreateTable(_WITH, (_KEY, *columns, unnamed)))

    def refused(self, altered: Altered | None = None) -> Iterator[Row]:
        """The rows that it refuses: their raw keys, then their values of `fields`; only those that
        it refuses as they are altered, too, if that is given.

        Raises DatabaseError if the target does not take the table.
        """
        gone = [f"DROP TEMPORARY TABLE IF EXISTS {each.table}" for each in self._tables]
        results(self._target, [*gone, *(each.temporary() for each in self._tables)])
        try:
            for row in self._refused_rows():
                key, values = row[: self.width], row[self.width :]
                new = values if altered is None else altered(key, self.fields, values)
                if new is values or (new is not None and self._tried([new])):
                    yield row
        finally:
            results(self._target, gone)

    def _refused_rows(self) -> Iterator[Row]:
        known: dict[Row, bool] = {}
        for page in self._rows.pages():
            values = [row[self.width :] for row in page]
            new = [each for each in dict.fromkeys(values) if each not in known]
            broken = self._tried(new)
            known.update((each, number in broken) for number, each in enumerate(new))
            for row, each in zip(page, values, strict=True):
                if known[each]:
                    yield row
            if len(known) > _KNOWN or not self._remembers:
                known.clear()

    def _tried(self, rows: Sequence[Row]) -> set[int]:
        """The positions of the rows that only the table with the definition refuses."""
        written = {n: made for n, row in enumerate(rows) if (made := self._write(row)) is not None}
        refused = self._refused(_WITH, written)
        return refused - self._refused(_WITHOUT, {n: written[n] for n in refused})

    def _refused(self, table: str, written: dict[int, list[Any]]) -> set[int]:
        numbers = list(written)
        places = f"{table} ({self._places})"
        found = {numbers[n] for n in refused_rows(self._target, places, written.values())}
        if numbers:
            results(self._target, [f"TRUNCATE {table}"])
        return found


def _without_keys(definition: str) -> str:
    """A column's definition that takes a value twice."""
    bare = without_unique(definition)
    return bare.replace(" PRIMARY KEY", "").replace(" AUTO_INCREMENT", "")
