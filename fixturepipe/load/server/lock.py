"""One loader at a time in a database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.mysql import recall_server
from fixturepipe.databases.pages import Row
from fixturepipe.databases.queries import rows_of, value_of
from fixturepipe.errors import LoadError

_HOLDER = "SELECT ID, HOST, TIME FROM information_schema.PROCESSLIST WHERE ID = IS_USED_LOCK(%s)"


class LoaderLock:
    """At most one loader in a database: a named lock of the server, on a connection of its own.

    The server frees it when the connection ends, however its holder died.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection.copy()
        recall_server(self._connection)
        database = str(connection.settings_dict["NAME"]).encode()
        # Lock names are the server's, not the database's, and at most 64 characters long.
        self._name = f"fixturepipe.{hashlib.sha256(database).hexdigest()[:32]}"

    def acquire(self) -> None:
        """Take the lock; again after the server went away. Raises LoadError if it is taken."""
        if self._is_held():
            return
        self._connection.close()
        if value_of(self._connection, "SELECT GET_LOCK(%s, %s)", [self._name, _LOCK_WAIT]) == 1:
            return
        holders: list[Row] = []
        # MySQL cannot list sessions while one of them runs a statement with an emoji (3854).
        with suppress(DatabaseError):
            holders = rows_of(self._connection, _HOLDER, [self._name])
        self._connection.close()
        raise _taken(holders[0] if holders else None)

    def release(self) -> None:
        """Give the lock back."""
        self._connection.close()

    def _is_held(self) -> bool:
        if self._connection.connection is None:
            return False
        mine = "SELECT IS_USED_LOCK(%s) = CONNECTION_ID()"
        try:
            return bool(value_of(self._connection, mine, [self._name]) == 1)
        except DatabaseError:
            return False


@contextmanager
def loader_lock(connection: BaseDatabaseWrapper) -> Iterator[LoaderLock]:
    """Hold the lock for the length of the block."""
    lock = LoaderLock(connection)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


def _taken(holder: tuple[Any, ...] | None) -> LoadError:
    """`holder` is the connection that has the lock, if the server still shows it."""
    message = "Another fixturepipe command is running on this database"
    hint = "Wait until it ends, then run the same command again."
    if holder is not None:
        number, host, seconds = holder
        message += f" (connection {number} from {host}, which has been idle for {seconds:,} s)"
        hint += f" If its machine is gone, free the lock on the server: KILL {number};"
    return LoadError(message, hint=hint)


# Seconds: so long a busy server may take to notice that the lock's holder was killed.
_LOCK_WAIT = 3
