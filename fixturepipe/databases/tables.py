"""Raw rows of a table in key order, a page at a time, from either endpoint.

The project's own code takes no part: no manager, no `from_db`, no signal, so nothing hides a row
or changes a value. Pages are bounded in rows and in bytes (see `pages`), so memory does not grow
with the table, and no read lasts long enough to block a writer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import sql
from MySQLdb.constants import FIELD_TYPE

from fixturepipe.databases.fields import (
    Field,
    Model,
    has_own_sql,
    is_integer,
    key_fields,
    stored_fields,
)
from fixturepipe.databases.packets import in_batches
from fixturepipe.databases.pages import (
    FIRST_WIDE_ROWS,
    PAGE_ROWS,
    fetch_page,
    next_limit,
    wide_columns,
)
from fixturepipe.databases.pages import Row as Row
from fixturepipe.databases.queries import any_text, executed, rows_of, value_of
from fixturepipe.databases.tablenames import table_name

Key = tuple[Any, ...]

_TEXT_TYPES = (
    FIELD_TYPE.DATE,
    FIELD_TYPE.DATETIME,
    FIELD_TYPE.DECIMAL,
    FIELD_TYPE.NEWDECIMAL,
    FIELD_TYPE.TIME,
)


@dataclass(frozen=True)
class Bounds:
    """Keys above `after` and up to `upto`, both raw; None where there is no bound."""

    after: Key | None = None
    upto: Key | None = None


EVERYTHING = Bounds()


@dataclass(frozen=True)
class Condition:
    """A further condition on rows: SQL with %s for each of `parameters`."""

    sql: str
    parameters: tuple[Any, ...] = ()


class Table:
    """A model's table at one endpoint. Rows are tuples of raw values in the order of `fields`.

    `fields` begin with the key: the primary key, or another unique one. `as_text` asks
    mysqlclient for datetimes and decimals as text, as the server writes them. That takes a third
    of the time of making objects, and most values are only compared.
    """

    def __init__(
        self,
        model: Model,
        connection: BaseDatabaseWrapper,
        fields: Sequence[Field] | None = None,
        *,
        key: Sequence[Field] | None = None,
        as_text: bool = False,
    ) -> None:
        self.model = model
        self.connection = connection
        self._as_text = as_text
        self.name = table_name(model, connection)
        self.key = tuple(key) if key is not None else key_fields(model)
        self.fields = tuple(fields) if fields is not None else stored_fields(model)
        self.has_integer_key = len(self.key) == 1 and is_integer(self.key[0])
        self._wide = wide_columns(self.fields)

    def count(self, condition: Condition | None = None) -> int:
        """The number of rows."""
        where, parameters = _where([condition] if condition else [])
        question = f"SELECT COUNT(*) FROM {self.quoted}{where}"
        return int(value_of(self.connection, question, parameters))

    def pages(
        self,
        bounds: Bounds = EVERYTHING,
        condition: Condition | None = None,
        rows: int = PAGE_ROWS,
        *,
        as_stored: bool = False,
    ) -> Iterator[list[Row]]:
        """Yield the rows in the order of their keys, as lists of at most `rows`.

        `fields` must begin with the key. `as_stored` yields SQLite's rows in the order of the
        file, which is faster if the key is text. Each row may then have its rowid as the last
        value.
        """
        rowid = self._rowid() if as_stored else ""
        after = bounds.after
        limit = rows if not self._wide else min(rows, FIRST_WIDE_ROWS)
        while True:
            page = self._page(after, bounds.upto, condition, limit, rowid)
            if not page:
                return
            yield page
            after = page[-1][-1:] if rowid else page[-1][: len(self.key)]
            limit = next_limit(limit, page, rows, self._wide)

    def _rowid(self) -> str:
        """What SQLite calls the row's number here; empty if the table has none.

        https://www.sqlite.org/rowidtable.html: a column may take over any of the names.
        """
        if self.connection.vendor != "sqlite":
            return ""
        named = rows_of(self.connection, f"PRAGMA table_xinfo({self.quoted})")
        columns = {name.lower() for _, name, *_ in named}
        listed = rows_of(self.connection, f"PRAGMA table_list({self.quoted})")
        (without,) = (row[4] for row in listed if row[0] == "main")
        names = [name for name in ("rowid", "_rowid_", "oid") if name not in columns]
        return "" if without or not names else names[0]

    def with_keys(self, keys: Sequence[Key]) -> Iterator[list[Row]]:
        """Yield the rows that have one of the keys (values prepared for this connection)."""
        for condition in self._among(keys):
            yield self._fetch(condition)

    def delete(self, keys: Sequence[Key]) -> None:
        """Delete the rows that have one of the keys (values prepared for this connection)."""
        for condition in self._among(keys):
            where, parameters = _where([condition])
            executed(self.connection, f"DELETE FROM {self.quoted}{where}", parameters)

    def between(self, first: Any, last: Any) -> list[Row]:
        """The rows whose single key is between `first` and `last`, both included."""
        column = self.column(self.key[0])
        return self._fetch(Condition(f"{column} >= %s AND {column} <= %s", (first, last)))

    def key_range(self) -> tuple[Any, Any]:
        """The lowest and the highest single key."""
        column = self.column(self.key[0])
        extremes = f"SELECT MIN({column}), MAX({column}) FROM {self.quoted}"
        ((first, last),) = rows_of(self.connection, extremes)
        return first, last

    @property
    def quoted(self) -> str:
        """The table's name as SQL takes it."""
        return str(self.connection.ops.quote_name(self.name))

    def column(self, field: Field) -> str:
        """A column's name as SQL takes it."""
        return str(self.connection.ops.quote_name(field.column))

    def _select(self, more: str = "") -> str:
        compiler = sql.Query(self.model).get_compiler(connection=self.connection)
        columns = (
            self.column(field)
            if has_own_sql(field)
            else field.select_format(compiler, self.column(field), [])[0]
            for field in self.fields
        )
        return f"SELECT {', '.join(columns)}{more} FROM {self.quoted}"

    def _page(
        self,
        after: Key | None,
        upto: Key | None,
        condition: Condition | None,
        limit: int,
        rowid: str,
    ) -> list[Row]:
        order = [rowid] if rowid else [self.column(field) for field in self.key]
        conditions = [condition] if condition else []
        if after is not None:
            conditions.append(_beyond(order, after, ">"))
        if upto is not None:
            conditions.append(_beyond(order, upto, "<", or_equal=True))
        where, parameters = _where(conditions)
        select = self._select(f", {rowid}" if rowid else "")
        query = f"{select}{where} ORDER BY {', '.join(order)} LIMIT {limit}"
        return self._read(query, parameters, limit)

    def _fetch(self, condition: Condition) -> list[Row]:
        where, parameters = _where([condition])
        return self._read(f"{self._select()}{where}", parameters)

    def _read(self, query: str, parameters: Sequence[Any], limit: int | None = None) -> list[Row]:
        return any_text(self.connection, lambda: self._execute(query, parameters, limit))

    def _execute(self, query: str, parameters: Sequence[Any], limit: int | None) -> list[Row]:
        """The result; with a limit, perhaps only its first rows, and the rest on the next page."""
        with self.connection.cursor() as cursor, self._conversion():
            cursor.execute(query, parameters)
            # SQLite reads rows one by one; other drivers hold the whole result already.
            if limit is None or self.connection.vendor != "sqlite":
                return list(cursor.fetchall())
            return fetch_page(cursor, limit, self._wide)

    def _conversion(self) -> AbstractContextManager[None]:
        if self._as_text and reads_as_text(self.connection):
            return _server_text(self.connection)
        return nullcontext()

    def _among(self, keys: Sequence[Key]) -> Iterator[Condition]:
        """Conditions that the rows with these keys meet, each for as many as a statement takes."""
        columns = ", ".join(map(self.column, self.key))
        each = ", ".join(["%s"] * len(self.key))
        values = ""
        if len(self.key) > 1:
            columns, each = f"({columns})", f"({each})"
            values = "VALUES " if self.connection.vendor == "sqlite" else ""
        most = (self.connection.features.max_query_params or PAGE_ROWS) // len(self.key)
        for part in in_batches(self.connection, keys, max(1, most)):
            listed = ", ".join([each] * len(part))
            yield Condition(f"{columns} IN ({values}{listed})", tuple(chain.from_iterable(part)))


def _beyond(
    columns: Sequence[str], key: Key, comparison: str, *, or_equal: bool = False
) -> Condition:
    """The key comes after (or before) another; written so that indexes serve it."""
    parts: list[str] = []
    parameters: list[Any] = []
    for depth, column in enumerate(columns):
        last = depth == len(columns) - 1
        operator = f"{comparison}=" if or_equal and last else comparison
        equals = [f"{name} = %s" for name in columns[:depth]]
        parts.append(" AND ".join([*equals, f"{column} {operator} %s"]))
        parameters += key[: depth + 1]
    return Condition(" OR ".join(parts), tuple(parameters))


def _where(conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
    if not conditions:
        return "", []
    joined = " AND ".join(f"({condition.sql})" for condition in conditions)
    return f" WHERE {joined}", [value for each in conditions for value in each.parameters]


def reads_as_text(connection: BaseDatabaseWrapper) -> bool:
    """Whether the connection can return datetimes and decimals as text."""
    if connection.vendor != "mysql":
        return False
    connection.ensure_connection()
    return isinstance(getattr(connection.connection, "converter", None), dict)


@contextmanager
def _server_text(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """While in the block, results hold datetimes and decimals as text."""
    raw: Any = connection.connection
    before = raw.converter
    raw.converter = {**before, **dict.fromkeys(_TEXT_TYPES, str)}
    try:
        yield
    finally:
        raw.converter = before
