"""Several statements in one packet: a far server is waited for once, and not once for each.

MySQL and MariaDB take that; other databases get them one by one.

https://dev.mysql.com/doc/c-api/9.4/en/c-api-multiple-queries.html: the server runs them in turn and
ends at the first one that it refuses; what follows that one is sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.encoding import force_str

from fixturepipe.databases.mysql import packet_size
from fixturepipe.databases.queries import executed

Value = TypeVar("Value")
Rows = list[tuple[Any, ...]]

# As much is sent while the server works on what came before, however near it is.
_LONGEST = 256 << 10
# The bytes that the columns of one key take in a condition.
_NAMED = 200


def outcomes(
    connection: BaseDatabaseWrapper, statements: Sequence[str]
) -> list[Rows | DatabaseError]:
    """The rows of each statement (none if it gives no rows), or the error that refuses it.

    The statements are SQL without parameters. An error that is not about one of them, such as a
    lost connection, is the outcome of it and of all that follow.
    """
    found: list[Rows | DatabaseError] = []
    if connection.vendor != "mysql":
        return [outcome for each in statements for outcome in _outcomes(connection, [each])]
    limit = min(_LONGEST, packet_size(connection))
    while len(found) < len(statements):
        packet = next(_packets(statements[len(found) :], limit))
        found += _outcomes(connection, packet)
    return found


def results(connection: BaseDatabaseWrapper, statements: Sequence[str]) -> list[Rows]:
    """The rows of each statement. Raises the first error."""
    found: list[Rows] = []
    for outcome in outcomes(connection, statements):
        if isinstance(outcome, DatabaseError):
            raise outcome
        found.append(outcome)
    return found


def row_counts(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> dict[str, int]:
    """The number of rows of each of these tables that has any."""
    names = sorted(tables)
    quote = connection.ops.quote_name
    counts = results(connection, [f"SELECT COUNT(*) FROM {quote(name)}" for name in names])
    return {name: int(n) for name, ((n,),) in zip(names, counts, strict=True) if n}


def last_result(connection: BaseDatabaseWrapper, statements: Iterable[str]) -> Rows:
    """The rows of the last of many statements, which are sent as they come. Raises the first error.

    The connection is to MySQL or MariaDB.
    """
    found: list[Rows] = [[]]
    for packet in _packets(statements, min(_LONGEST, packet_size(connection))):
        found = results(connection, packet)
    return found[-1]


def inserts(
    connection: BaseDatabaseWrapper, table: str, rows: Iterable[Sequence[Any]]
) -> Iterator[str]:
    """INSERT statements for rows of whole tables, each of about as much as is sent at once.

    The connection is to MySQL or MariaDB.
    """
    limit = min(_LONGEST, packet_size(connection)) // 2
    texts = (_row(connection, row) for row in rows)
    for batch in _packets(texts, limit):
        yield f"INSERT INTO {table} VALUES {','.join(batch)}"


def _row(connection: BaseDatabaseWrapper, row: Sequence[Any]) -> str:
    driver: Any = connection.connection
    values = (
        f"x'{value.hex()}'"
        if isinstance(value, (bytes, memoryview))
        else force_str(driver.literal(value))
        for value in row
    )
    return f"({','.join(values)})"


def refused_rows(
    connection: BaseDatabaseWrapper, table: str, rows: Iterable[Sequence[Any]]
) -> list[int]:
    """Insert rows into a table; gives the positions of those that the server refuses.

    `table` is its name in SQL, perhaps with columns. The connection is to MySQL or MariaDB.
    """
    return list(_refused(connection, table, [_row(connection, row) for row in rows]))


def _refused(
    connection: BaseDatabaseWrapper, table: str, rows: Sequence[str], first: int = 0
) -> Iterator[int]:
    """Halves what is refused until the refused row is alone."""
    if not rows:
        return
    if len(rows) == 1 or 4 * sum(map(len, rows)) <= min(_LONGEST, packet_size(connection)):
        try:
            executed(connection, f"INSERT INTO {table} VALUES {','.join(rows)}")
        except DatabaseError:
            if len(rows) == 1:
                yield first
                return
        else:
            return
    middle = len(rows) // 2
    yield from _refused(connection, table, rows[:middle], first)
    yield from _refused(connection, table, rows[middle:], first + middle)


def in_batches(
    connection: BaseDatabaseWrapper, values: Iterable[Value], most: int
) -> Iterator[list[Value]]:
    """Lists of at most `most` values (keys, or their parts), each for one statement.

    A statement that names each of them, with its columns, fits into the server's packet.
    """
    limit = packet_size(connection) if connection.vendor == "mysql" else None
    remaining = iter(values)
    while batch := list(islice(remaining, most)):
        yield from _within(batch, limit)


def _within(values: list[Value], limit: int | None) -> Iterator[list[Value]]:
    # A character of the text that Python shows takes four bytes at most.
    if limit is None or len(values) == 1 or 4 * len(repr(values)) + _NAMED * len(values) <= limit:
        yield values
    else:
        middle = len(values) // 2
        yield from _within(values[:middle], limit)
        yield from _within(values[middle:], limit)


def _packets(parts: Iterable[str], limit: int) -> Iterator[list[str]]:
    """Statements, or parts of one, as many together as fit into `limit` bytes, but at least one."""
    packet: list[str] = []
    left = limit
    for part in parts:
        size = len(part.encode()) + 1
        if packet and size > left:
            yield packet
            packet, left = [], limit
        packet.append(part)
        left -= size
    if packet:
        yield packet


def _outcomes(
    connection: BaseDatabaseWrapper, statements: Sequence[str]
) -> list[Rows | DatabaseError]:
    """The outcomes of one packet's statements, up to the first error."""
    found: list[Rows | DatabaseError] = []
    with connection.cursor() as cursor:
        try:
            cursor.execute(";".join(statements))
            found.append(list(cursor.fetchall()) if cursor.description else [])
            while connection.vendor == "mysql" and cursor.nextset():
                found.append(list(cursor.fetchall()))
        except DatabaseError as error:
            found.append(error)
    return found
