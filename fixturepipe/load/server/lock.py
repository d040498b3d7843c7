"""One loader at a time in a database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.mysql import recall_server
from fixturepipe.databases.queries import rows_of, value_of
from fixturepipe.errors import LoadError

# Seconds: so long a busy server may take to notice that the lock's holder was killed.
_LOCK_WAIT = 3
_HOLDER = "SELECT ID, HOST, TIME FROM information_schema.PROCESSLIST WHERE ID = IS_USED_LOCK(%s)"


@contextmanager
def loader_lock(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Be the only loader in the database during the block. Raises LoadError if there is another.

    It is a named lock of the server, on a connection of its own: the server frees it when the
    connection ends, however its holder died. An engine with a pool keeps its connections open.
    """
    holding = connection.copy()
    recall_server(holding)
    name = lock_name(connection)
    try:
        if value_of(holding, "SELECT GET_LOCK(%s, %s)", [name, _LOCK_WAIT]) != 1:
            raise _taken(holding, name)
        yield
        # Not after an interrupt, which would wait for a network that is silent.
        with suppress(DatabaseError):
            value_of(holding, "SELECT RELEASE_LOCK(%s)", [name])
    finally:
        holding.close()


def lock_name(connection: BaseDatabaseWrapper) -> str:
    """Lock names are the server's, not the database's, and at most 64 characters long."""
    database = str(connection.settings_dict["NAME"]).encode()
    return f"fixturepipe.{hashlib.sha256(database).hexdigest()[:32]}"


def _taken(connection: BaseDatabaseWrapper, name: str) -> LoadError:
    message = "Another fixturepipe command is running on this database"
    hint = "Wait until it ends, then run the same command again."
    # MySQL cannot list sessions while one of them runs a statement with an emoji (3854).
    with suppress(DatabaseError):
        for number, host, seconds in rows_of(connection, _HOLDER, [name]):
            message += f" (connection {number} from {host}, which has been idle for {seconds:,} s)"
            hint += f" If its machine is gone, free the lock on the server: KILL {number};"
    return LoadError(message, hint=hint)
