"""Several statements in one packet: a far server is waited for once, and not once for each.

MySQL and MariaDB take that; other databases get them one by one.

https://dev.mysql.com/doc/c-api/9.4/en/c-api-multiple-queries.html: the server runs them in turn and
ends at the first one that it refuses; what follows that one is sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.mysql import packet_size

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
        part = _fitting(statements[len(found) :], limit)
        found += _outcomes(connection, part)
    return found


def results(connection: BaseDatabaseWrapper, statements: Sequence[str]) -> list[Rows]:
    """The rows of each statement. Raises the first error."""
    found: list[Rows] = []
    for outcome in outcomes(connection, statements):
        if isinstance(outcome, DatabaseError):
            raise outcome
        found.append(outcome)
    return found


def insert_rows(
    connection: BaseDatabaseWrapper, statement: str, rows: Sequence[Sequence[Any]]
) -> None:
    """INSERT … VALUES of a few rows at a time, as many as a packet takes. Raises DatabaseError."""
    with connection.cursor() as cursor:
        # The driver joins rows up to this length, of text that is not escaped yet.
        driver: Any = cursor.cursor.cursor
        driver.max_stmt_length = min(driver.max_stmt_length, packet_size(connection) // 2)
        cursor.executemany(statement, rows)


def insert_accepted(
    connection: BaseDatabaseWrapper, table: str, statement: str, rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows into an empty table, all at once or else one by one, without refused ones."""
    try:
        insert_rows(connection, statement, rows)
    except DatabaseError:
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")
            for row in rows:
                with suppress(DatabaseError):
                    cursor.execute(statement, row)


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


def _fitting(statements: Sequence[str], limit: int) -> Sequence[str]:
    """The first statements that fit into a packet, but at least one."""
    size = 0
    for number, statement in enumerate(statements):
        size += len(statement.encode()) + 1
        if number and size > limit:
            return statements[:number]
    return statements


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
