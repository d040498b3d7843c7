"""What the server's errors mean: whether to try again, whose they are, what to do.

Numbers and texts from https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html,
https://dev.mysql.com/doc/mysql-errors/9.4/en/client-error-reference.html and
https://mariadb.com/kb/en/mariadb-error-code-reference/.
"""

from __future__ import annotations

import re
from contextlib import suppress

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import Model
from fixturepipe.databases.queries import rows_of

# Nothing is wrong with the data: the same statements may succeed a little later.
TRANSIENT = {
    1040: "too many connections",
    1053: "the server is shutting down",
    1077: "the server is shutting down",
    1080: "the server ended the connection",
    1152: "the connection was aborted",
    1184: "the connection was aborted",
    1203: "too many connections of the user",
    1205: "a lock was not granted in time",
    1213: "a deadlock",
    1317: "the statement was interrupted",
    1927: "the connection was killed",
    2002: "the server does not answer",
    2003: "the server does not answer",
    2006: "the server has gone away",
    2013: "the connection was lost",
    2014: "the connection was interrupted",
    2026: "the secure connection failed",
    2055: "the connection was lost",
    4031: "the server ended the idle connection",
}
# Every statement meets them, until somebody puts the server or the account right.
_OF_THE_SERVER = {
    1021: "the disk is full",
    1114: "the table is full",
    1226: "the account has reached a limit",
    1290: "the server is read-only",
    1836: "the server is read-only",
}
# Every row meets them: to look for one that is at fault, or to leave it out, is of no use.
_OF_NO_ROW = {
    **_OF_THE_SERVER,
    1036: "the table is read-only",
    1044: "the user lacks a privilege",
    1142: "the user lacks a privilege",
    1143: "the user lacks a privilege",
    1146: "the table does not exist",
    1227: "the user lacks a privilege",
}
DUPLICATE = {1062, 1586, 1859}
NO_SUCH_ROW = {1216, 1452}
NO_PRIVILEGE = {1044, 1142, 1143}
LOCK_WAIT_TIMEOUT = 1205

_GRANT = (
    "Grant the user SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX and REFERENCES on"
    " the database."
)
_HINTS = {
    1021: "Make room on the server's disk.",
    1044: _GRANT,
    1048: "The column does not allow NULL: give it a value.",
    1062: "Another row has this value already; the target's collation may see two values as one.",
    1114: "Make room on the server's disk, or raise the table's limit.",
    1142: _GRANT,
    1143: _GRANT,
    1153: "Raise the server's max_allowed_packet.",
    1226: "Wait until the hour of the limit is over, or raise it: ALTER USER … WITH ….",
    1264: "The number does not fit into the target's column.",
    1265: "The value would be cut to fit into the target's column.",
    1292: "The target does not accept this value as a date or number.",
    1364: "The column has no default: the object must give it a value.",
    1366: "The column's type or character set cannot hold this value.",
    1406: "The value is longer than the target's column.",
    1452: "The object refers to an object that is not in the target.",
    3140: "The value is not JSON as the target reads it.",
    3819: "The value breaks a check constraint of the target.",
    4025: "The value breaks a check constraint of the target.",
}
_HINTS[1216] = _HINTS[1452]

_OLDEST = (
    "SELECT p.ID, p.USER, p.HOST, trx_started"
    " FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST p"
    " ON p.ID = trx_mysql_thread_id"
    " WHERE p.ID <> CONNECTION_ID() AND trx_rows_locked + trx_rows_modified > 0"
    " ORDER BY trx_started LIMIT 1"
)
_COLUMN = (
    re.compile(r"[Cc]olumn [`']?(?:`?[^`'.]+`?\.)*`?([^`'.\s]+)[`']?"),
    re.compile(r"FOREIGN KEY \(`([^`]+)`\)"),
    re.compile(r"[Ff]ield '([^']+)'"),
)
_KEY = re.compile(r"for key '(?:[^'.]+\.)?([^']+)'")
_CONSTRAINT = (
    re.compile(r"Check constraint '([^']+)'"),
    re.compile(r"CONSTRAINT `(?:[^`.]+\.)?([^`]+)` failed"),
)


def code_of(error: BaseException) -> int | None:
    """The server's or client library's error number, if the error has one."""
    code = error.args[0] if error.args else None
    return code if isinstance(code, int) else None


def server_message(error: BaseException) -> str:
    """The server's own words, with its number."""
    code = code_of(error)
    if code is None:
        return str(error) or type(error).__name__
    words = error.args[1] if len(error.args) > 1 else ""
    return f"{words} (error {code})"


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help.

    A connection that Django closed while it rolled back reports itself as an InterfaceError
    without a number that the server knows.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DatabaseError) or type(seen).__module__.startswith("MySQLdb"):
            code = code_of(seen)
            if code in TRANSIENT or code == 0:
                return True
        seen = seen.__cause__ or seen.__context__
    return False


def is_of_the_server(error: BaseException) -> bool:
    """Whether any statement may meet the error, now or until the server is put right."""
    return is_transient(error) or code_of(error) in _OF_THE_SERVER


def stops_chunk(error: BaseException) -> bool:
    """Whether an error says nothing of the rows: the chunk as a whole waits until that is fixed."""
    return is_transient(error) or code_of(error) in _OF_NO_ROW


def hint_for(error: BaseException) -> str:
    """What to do about an error; empty where nothing is known."""
    return _HINTS.get(code_of(error) or 0, "")


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


def columns_in_error(
    error: BaseException, model: Model, connection: BaseDatabaseWrapper
) -> tuple[str, ...]:
    """The columns of the model's table that an error speaks of; empty where it does not say."""
    words = str(error.args[1]) if len(error.args) > 1 else str(error)
    columns = {field.column for field in model._meta.local_concrete_fields}
    for pattern in _COLUMN:
        found = pattern.search(words)
        if found and found.group(1) in columns:
            return (found.group(1),)
    key = _KEY.search(words)
    name = key.group(1) if key else _first_group(words)
    if name is None:
        return ()
    if name in columns:  # MariaDB names a column's check, and a unique column's key, after it
        return (name,)
    return tuple(_columns_of(name, model, connection))


def _first_group(words: str) -> str | None:
    for pattern in _CONSTRAINT:
        found = pattern.search(words)
        if found:
            return found.group(1)
    return None


def _columns_of(name: str, model: Model, connection: BaseDatabaseWrapper) -> list[str]:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, model._meta.db_table)
    if name == "PRIMARY":
        return next((c["columns"] for c in constraints.values() if c["primary_key"]), [])
    return list(constraints.get(name, {}).get("columns", ()))
