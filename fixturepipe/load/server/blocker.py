"""Which transaction keeps a lock that a statement waited for in vain."""

from __future__ import annotations

from contextlib import suppress

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.queries import rows_of
from fixturepipe.load.server.servererrors import code_of

LOCK_WAIT_TIMEOUT = 1205


_OLDEST = (
    "SELECT p.ID, p.USER, p.HOST, trx_started"
    " FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST p"
    " ON p.ID = trx_mysql_thread_id"
    " WHERE p.ID <> CONNECTION_ID() AND trx_rows_locked + trx_rows_modified > 0"
    " ORDER BY trx_started LIMIT 1"
)


def blocker_of(error: Exception, connection: BaseDatabaseWrapper) -> str:
    """A sentence that names the oldest other transaction with locks, and how to end it.

    Empty for other errors, and if the account may not see transactions: that takes the privilege
    PROCESS.
    """
    if code_of(error) != LOCK_WAIT_TIMEOUT:
        return ""
    with suppress(DatabaseError):
        for number, user, host, started in rows_of(connection, _OLDEST):
            return (
                f"Connection {number} ({user} from {host}) has a transaction with locks open since"
                f" {started}: wait for its end, or end it on the server: KILL {number};"
            )
    return ""
