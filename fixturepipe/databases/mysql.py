"""Sessions of MySQL and MariaDB: all connections of ours to the source or the target.

What a session has, whatever the server, `init_command` or the settings say:

- the character set utf8mb4, on both sides: "utf8" is utf8mb3 to a server, which reads emoji as
  question marks;
- autocommit, where Django believes that it is on;
- a strict `sql_mode`, so that a value that does not fit is an error, with NO_AUTO_VALUE_ON_ZERO, so
  that a key of 0 arrives as 0, and without the modes that change literals or syntax or pad text
  (https://dev.mysql.com/doc/refman/9.4/en/sql-mode.html); `sql_notes`, because the server cuts
  trailing spaces and decimals with a mere note;
- foreign and unique keys checked, in tables of InnoDB, which has transactions, and never of an
  engine that the server takes in its place;
- the right to write, where only the server's default denies it;
- no limit on rows, joins and the time of a statement;
- a year of patience with an idle connection, so that it lasts as long as a stage;
- up-to-date figures in the catalog, which MySQL otherwise caches for a day.

A connection also has timeouts and TCP keepalive, so that a silent network is an error. The server
may not know that such a connection is lost, and keep its transaction and its locks: the next
connection in its place kills it.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import django
from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.queries import value_of

EVERY_CHARACTER = "utf8mb4"
_CONNECT_SECONDS = 30

_WANTED = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
_UNWANTED = ("NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI", "ORACLE", "PAD_CHAR_TO_FULL_LENGTH")
_SETTINGS = {
    "sql_notes": 1,
    "default_storage_engine": "InnoDB",
    "foreign_key_checks": 1,
    "unique_checks": 1,
    "sql_safe_updates": 0,
    "sql_big_selects": 1,
    "sql_select_limit": 18446744073709551615,
    "group_concat_max_len": 1_000_000,
    "wait_timeout": 31_536_000,
    "net_read_timeout": 3600,
    "net_write_timeout": 3600,
}
_READ_WRITE = "SET SESSION TRANSACTION READ WRITE"
_READ_COMMITTED = f"{_READ_WRITE}, ISOLATION LEVEL READ COMMITTED"
# The server ignores empty modes between two commas.
_MODES = f"CONCAT(',', @@SESSION.sql_mode, ',{_WANTED}')"
for _unwanted in _UNWANTED:
    _MODES = f"REPLACE({_MODES}, ',{_unwanted},', ',')"
# MySQL alone reads the first comment, MariaDB alone the second
# (https://mariadb.com/docs/server/reference/sql-structure/comment-syntax).
_VARIANTS = (
    "/*!80000 , SESSION information_schema_stats_expiry = 0, SESSION max_execution_time = 0 */"
    "/*M!100300 , SESSION max_statement_time = 0, SESSION idle_transaction_timeout = 0 */"
)
# Seconds: a silent peer is asked after the first, each second one, and given up after the last.
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}
_USER_TIMEOUT_MS = 120_000
# Seconds: a server that answers sooner is near.
_FAR = 0.002
# The distance of a far server is the shortest of so many answers.
_MEASURED = 2


@dataclass(frozen=True)
class _Session:
    """A session on a server. `process` is ours: a fork inherits connections, but not sessions.

    `most_connections` is how many the account may have; 0 is no limit
    (https://dev.mysql.com/doc/refman/9.4/en/user-resources.html: the session's variable holds the
    account's own limit, or else the server's).
    """

    number: int
    host: str
    max_allowed_packet: int
    most_connections: int
    process: int
    opened: float


# What Django asks a server on each new connection (`mysql_server_data`), by its address.
_server_facts: dict[str, dict[str, Any]] = {}
# How many seconds it took to set up each session, and to ping it, by the server's address.
_round_trips: dict[str, list[float]] = {}
_last_sessions: WeakKeyDictionary[BaseDatabaseWrapper, _Session] = WeakKeyDictionary()


def session_settings(settings: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """Database settings for a connection of ours: with timeouts, unless the user has set others.

    Nothing else is sent while it opens: `set_up_session` sets all at once.
    """
    options = {
        "connect_timeout": min(_CONNECT_SECONDS, seconds),
        "read_timeout": seconds,
        "write_timeout": seconds,
        "isolation_level": None,
        "autocommit": None,
        **settings["OPTIONS"],
        "multi_statements": True,
    }
    return {**settings, "OPTIONS": options}


def set_up_session(connection: BaseDatabaseWrapper) -> None:
    """Set up a new connection, in one round trip."""
    raw: Any = connection.connection
    if raw.character_set_name() != EVERY_CHARACTER:
        raw.set_character_set(EVERY_CHARACTER)
    _keep_alive(raw.fileno())
    django: Any = connection
    settings = "".join(f", SESSION {name} = {value}" for name, value in _SETTINGS.items())
    autocommit = ", SESSION autocommit = 1" if connection.autocommit else ""
    statements = (
        _READ_WRITE if django.isolation_level else _READ_COMMITTED,
        f"SET NAMES {EVERY_CHARACTER}, SESSION sql_mode = {_MODES}"
        f"{settings}{autocommit}{_VARIANTS}",
        "SELECT @@SESSION.sql_mode, CONNECTION_ID(), @@hostname, @@max_allowed_packet,"
        " @@SESSION.max_user_connections",
    )
    asked = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(";".join(statements))
        seconds = time.perf_counter() - asked
        while cursor.description is None:
            cursor.nextset()
        modes, number, host, packet, most = cursor.fetchone() or ("", 0, "", 0, 0)
    # Django remembers the modes that the server had, and refuses keys of 0 by them.
    connection.__dict__["sql_mode"] = set(str(modes).split(","))
    django.mysql_server_data["default_storage_engine"] = _SETTINGS["default_storage_engine"]
    _server_facts[_place(connection)] = django.mysql_server_data
    _round_trips.setdefault(_place(connection), []).append(seconds)
    limits = int(packet), int(most)
    session = _Session(int(number), str(host), *limits, os.getpid(), time.monotonic())
    _kill_last(connection, session)


def recall_server(connection: BaseDatabaseWrapper) -> None:
    """Give a connection of another thread or alias what Django has asked this server before."""
    known = _server_facts.get(_place(connection))
    if known is not None:
        connection.__dict__.setdefault("mysql_server_data", known)


def _place(connection: BaseDatabaseWrapper) -> str:
    settings = connection.settings_dict
    return repr([settings[name] for name in ("HOST", "PORT", "OPTIONS")])


def _kill_last(connection: BaseDatabaseWrapper, session: _Session) -> None:
    """Kill the session that this connection had before, if the server still has it."""
    last = _last_sessions.get(connection)
    _last_sessions[connection] = session
    if last is None or (last.process, last.host) != (session.process, session.host):
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Uptime'")
        found = cursor.fetchone()
        # A server that has started since counts from 1 again: the number is another session's.
        if found is None or int(found[1]) < session.opened - last.opened:
            return
        # It has usually ended.
        with suppress(DatabaseError):
            cursor.execute(f"KILL {last.number}")


def round_trip(connection: BaseDatabaseWrapper) -> float:
    """How many seconds the server takes to answer nothing in particular; 0 for other databases."""
    connection.ensure_connection()
    if connection.vendor != "mysql":
        return 0.0
    seconds = _round_trips[_place(connection)]
    # Perhaps this machine was busy.
    while min(seconds) > _FAR and len(seconds) < _MEASURED:
        asked = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        seconds.append(time.perf_counter() - asked)
    return min(seconds)


def answers(connection: BaseDatabaseWrapper) -> bool:
    """Whether an open connection can be used; how long the server takes is a round trip."""
    asked = time.perf_counter()
    usable = bool(connection.is_usable())
    if connection.vendor == "mysql":
        _round_trips.setdefault(_place(connection), []).append(time.perf_counter() - asked)
    return usable


def hand_over(giver: BaseDatabaseWrapper, taker: BaseDatabaseWrapper) -> None:
    """Move an open connection, with its session, to another alias of the same database.

    Nothing is moved that is in a transaction, or if the taker has a connection of its own.
    """
    is_idle = giver.connection is not None and giver.autocommit and not giver.in_atomic_block
    is_wanted = taker.connection is None and taker.settings_dict == giver.settings_dict
    session = _last_sessions.get(giver)
    if not (is_idle and is_wanted and session and session.process == os.getpid()):
        return
    recall_server(taker)
    own: Any = taker
    own.connection, own.autocommit, own.isolation_level = giver.connection, True, None
    own.sql_mode = giver.__dict__["sql_mode"]
    giver.connection = None
    _last_sessions[taker] = _last_sessions.pop(giver)


def max_allowed_packet(connection: BaseDatabaseWrapper) -> int:
    """The server's max_allowed_packet, in bytes."""
    connection.ensure_connection()
    if connection in _last_sessions:
        return _last_sessions[connection].max_allowed_packet
    # The project's own connection.
    return int(value_of(connection, "SELECT @@max_allowed_packet"))


def packet_size(connection: BaseDatabaseWrapper) -> int:
    """The most bytes that a statement may have."""
    # The packet's header counts as well.
    return max_allowed_packet(connection) - 1024


# What this process itself has open when it asks.
_FEW = 2


def further_connections(connection: BaseDatabaseWrapper, wanted: int) -> int:
    """How many of `wanted` further connections the account may have, by its limit."""
    connection.ensure_connection()
    if connection.vendor != "mysql" or not (most := _last_sessions[connection].most_connections):
        return wanted
    used = _FEW
    # MySQL cannot list sessions while one of them runs a statement with an emoji (3854).
    with suppress(DatabaseError):
        used = value_of(
            connection,
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
            " WHERE USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)",
        )
    return max(0, min(wanted, most - int(used)))


def asked_charset(options: Mapping[str, Any]) -> str:
    """The character set that OPTIONS of a database's settings ask for, or Django's default."""
    named = re.search(r"\bNAMES\s+['\"]?(\w+)", str(options.get("init_command", "")), re.IGNORECASE)
    default = EVERY_CHARACTER if django.VERSION >= (5, 2) else "utf8"
    return named[1] if named else str(options.get("charset", default))


def _keep_alive(descriptor: int) -> None:
    """Have the system notice that the server's host is gone; a Unix socket needs none of it."""
    # A duplicate: the socket object closes its descriptor, and the driver needs its own.
    with socket.socket(fileno=os.dup(descriptor)) as peer:
        if peer.family not in (socket.AF_INET, socket.AF_INET6):
            return
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in {**_KEEPALIVE, "TCP_USER_TIMEOUT": _USER_TIMEOUT_MS}.items():
            # Each system has some of these options.
            with suppress(AttributeError, OSError):
                peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
