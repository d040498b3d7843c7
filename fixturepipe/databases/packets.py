"""Several statements in one packet: a far server is waited for once, and not once for each.

MySQL and MariaDB take that; other databases get them one by one.

https://dev.mysql.com/doc/c-api/9.4/en/c-api-multiple-queries.html: the server runs them in turn and
ends at the first one that it refuses; what follows that one is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.mysql import packet_size

Rows = list[tuple[Any, ...]]

# As much is sent while the server works on what came before, however near it is.
_LONGEST = 256 << 10


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
