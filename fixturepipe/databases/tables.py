"""Tables as they are: raw rows in key order, a page at a time, from either end.

Nothing of a project's own code takes part: no manager, no `from_db`, no signal, so nothing
hides a row or changes a value. A page is bounded in rows and in bytes, so memory stays flat
whatever the table holds, and no read lasts long enough to block a writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from django.db import OperationalError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import sql
from MySQLdb.constants import FIELD_TYPE

from fixturepipe.databases.endpoints import table_name
from fixturepipe.databases.fields import Field, is_integer, key_fields, root_field, stored_fields

Row = tuple[Any, ...]
Key = tuple[Any, ...]
Answer = TypeVar("Answer")

PAGE_ROWS = 2_000
PAGE_BYTES = 8 << 20

_TEXT_TYPES = (
    FIELD_TYPE.DATE,
    FIELD_TYPE.DATETIME,
    FIELD_TYPE.DECIMAL,
    FIELD_TYPE.NEWDECIMAL,
    FIELD_TYPE.TIME,
)
_WIDE = frozenset({"TextField", "BinaryField", "JSONField"})


@dataclass(frozen=True)
class Bounds:
    """Keys above `after` and up to `upto`, both raw; None where there is no bound."""

    after: Key | None = None
    upto: Key | None = None


EVERYTHING = Bounds()


@dataclass(frozen=True)
class Condition:
    """What rows must meet besides: SQL with %s for each of `parameters`."""

    sql: str
    parameters: tuple[Any, ...] = ()


class Table:
    """A model's table at one end. Rows are tuples of raw values in the order of `fields`.

    `fields` begin with the key: the primary key, or another that is unique. `as_text` asks
    mysqlclient for moments and decimals as the server writes them, without making objects of
    them: a third of the time where most will only be compared.
    """

    def __init__(
        self,
        model: type[models.Model],
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
        self._wide = [i for i, field in enumerate(self.fields) if _is_wide(field)]

    def count(self, condition: Condition | None = None) -> int:
        """The number of rows."""
        where, parameters = _where([condition] if condition else [])
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {self.quoted}{where}", parameters)
            return int(cursor.fetchone()[0])

    def pages(
        self,
        bounds: Bounds = EVERYTHING,
        condition: Condition | None = None,
        rows: int = PAGE_ROWS,
        *,
        as_stored: bool = False,
    ) -> Iterator[list[Row]]:
        """Yield the rows in the order of their keys, as lists of at most `rows`.

        `fields` must begin with the key. `as_stored` gives SQLite's rows in the order in which
        they lie in the file, which is quicker where the key is text; each has its rowid at the
        end, as one value more.
        """
        by_rowid = as_stored and self.connection.vendor == "sqlite"
        after = bounds.after
        limit = rows if not self._wide else min(rows, 200)
        while True:
            page = self._page(after, bounds.upto, condition, limit, by_rowid)
            if not page:
                return
            yield page
            after = page[-1][-1:] if by_rowid else page[-1][: len(self.key)]
            if self._wide:
                room = PAGE_BYTES * len(page) // max(1, self._bytes(page))
                limit = max(1, min(rows, room, limit * 2))

    def with_keys(self, keys: Sequence[Key]) -> Iterator[list[Row]]:
        """Yield the rows that have one of the keys (values prepared for this connection)."""
        most = (self.connection.features.max_query_params or PAGE_ROWS) // len(self.key)
        remaining = iter(keys)
        while part := list(islice(remaining, max(1, most))):
            yield self._fetch(self._among(part))

    def between(self, first: Any, last: Any) -> list[Row]:
        """The rows whose single key lies from `first` to `last`, both included."""
        column = self.column(self.key[0])
        return self._fetch(Condition(f"{column} >= %s AND {column} <= %s", (first, last)))

    def key_range(self) -> tuple[Any, Any]:
        """The lowest and the highest single key."""
        column = self.column(self.key[0])
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT MIN({column}), MAX({column}) FROM {self.quoted}")
            first, last = cursor.fetchone()
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
            field.select_format(compiler, self.column(field), [])[0] for field in self.fields
        )
        return f"SELECT {', '.join(columns)}{more} FROM {self.quoted}"

    def _page(
        self,
        after: Key | None,
        upto: Key | None,
        condition: Condition | None,
        limit: int,
        by_rowid: bool,
    ) -> list[Row]:
        order = ["rowid"] if by_rowid else [self.column(field) for field in self.key]
        conditions = [condition] if condition else []
        if after is not None:
            conditions.append(_beyond(order, after, ">"))
        if upto is not None:
            conditions.append(_beyond(order, upto, "<", or_equal=True))
        where, parameters = _where(conditions)
        select = self._select(", rowid" if by_rowid else "")
        query = f"{select}{where} ORDER BY {', '.join(order)} LIMIT {limit}"
        return self._read(query, parameters, PAGE_BYTES)

    def _fetch(self, condition: Condition) -> list[Row]:
        where, parameters = _where([condition])
        return self._read(f"{self._select()}{where}", parameters)

    def _read(self, query: str, parameters: Sequence[Any], budget: int | None = None) -> list[Row]:
        return any_text(self.connection, lambda: self._execute(query, parameters, budget))

    def _execute(self, query: str, parameters: Sequence[Any], budget: int | None) -> list[Row]:
        with self.connection.cursor() as cursor, self._conversion():
            cursor.execute(query, parameters)
            if budget is None or not self._wide or self.connection.vendor != "sqlite":
                return list(cursor.fetchall())
            return self._within_budget(cursor, budget)

    def _within_budget(self, cursor: Any, budget: int) -> list[Row]:
        """SQLite hands rows out one by one: stop before a page of long values fills memory.

        What a page leaves, the next one begins with.
        """
        page: list[Row] = []
        used = 0
        while used < budget and (rows := cursor.fetchmany(100)):
            used += self._bytes(rows)
            page += rows
        return page

    def _bytes(self, rows: list[Row]) -> int:
        """The size of the long columns, about: characters and bytes."""
        return sum(_length([row[position] for row in rows]) for position in self._wide)

    def _conversion(self) -> AbstractContextManager[None]:
        if self._as_text and reads_as_text(self.connection):
            return _server_text(self.connection)
        return nullcontext()

    def _among(self, keys: Sequence[Key]) -> Condition:
        columns = ", ".join(map(self.column, self.key))
        if len(self.key) == 1:
            listed = ", ".join(["%s"] * len(keys))
            return Condition(f"{columns} IN ({listed})", tuple(key[0] for key in keys))
        each = f"({', '.join(['%s'] * len(self.key))})"
        listed = ", ".join([each] * len(keys))
        values = "VALUES " if self.connection.vendor == "sqlite" else ""
        flat = tuple(value for key in keys for value in key)
        return Condition(f"({columns}) IN ({values}{listed})", flat)


def _length(values: Sequence[Any]) -> int:
    try:
        return sum(map(len, filter(None, values)))
    except TypeError:  # a number among the texts, as SQLite allows
        return sum(len(value) for value in values if isinstance(value, (str, bytes)))


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


def _is_wide(field: Field) -> bool:
    root = root_field(field)
    return root.get_internal_type() in _WIDE or (root.max_length or 0) > 4_000


def _where(conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
    if not conditions:
        return "", []
    joined = " AND ".join(f"({condition.sql})" for condition in conditions)
    return f" WHERE {joined}", [value for each in conditions for value in each.parameters]


def reads_as_text(connection: BaseDatabaseWrapper) -> bool:
    """Whether the connection can hand out moments and decimals as text."""
    if connection.vendor != "mysql":
        return False
    connection.ensure_connection()
    return isinstance(getattr(connection.connection, "converter", None), dict)


@contextmanager
def _server_text(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """While in the block, results hold moments and decimals as text."""
    raw: Any = connection.connection
    before = raw.converter
    raw.converter = {**before, **dict.fromkeys(_TEXT_TYPES, str)}
    try:
        yield
    finally:
        raw.converter = before


def any_text(connection: BaseDatabaseWrapper, ask: Callable[[], Answer]) -> Answer:
    """The answer of a database, in which bytes that are not UTF-8 are lone surrogates (PEP 383).

    `ask` is called again where SQLite's text could not be decoded.
    """
    try:
        return ask()
    except OperationalError as error:
        if connection.vendor != "sqlite" or "decode to UTF-8" not in str(error):
            raise
    with _undecodable_text(connection):
        return ask()


@contextmanager
def _undecodable_text(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """While in the block, bytes that are not UTF-8 are read as lone surrogates (PEP 383)."""
    connection.ensure_connection()
    raw: Any = connection.connection
    raw.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        raw.text_factory = str
