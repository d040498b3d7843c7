"""The settings of the loading connection: strict, exact, and put back at the end.

Nothing here lets wrong data in: foreign keys and unique keys stay checked. What is set:

- `sql_mode` strict, so that a value which does not fit is an error, and NO_AUTO_VALUE_ON_ZERO,
  so that a key of 0 arrives as 0 (https://dev.mysql.com/doc/refman/9.4/en/sql-mode.html);
  without NO_BACKSLASH_ESCAPES and ANSI_QUOTES, which would change how literals are written;
- `sql_notes` on, because the server cuts trailing spaces and decimals with a mere note;
- the character set utf8mb4.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

_WANTED = {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "NO_AUTO_VALUE_ON_ZERO"}
_UNWANTED = {"NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI", "PAD_CHAR_TO_FULL_LENGTH"}


class LoadingSession:
    """The session settings of one connection; `apply` again after each reconnection."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._before: tuple[Any, ...] | None = None
        self._packet_size = 0
        # The connection that the settings were made on; another one has the server's own.
        self._applied_to: object = None

    def apply(self) -> None:
        """Connect if need be, and make the settings."""
        connection = self._connection
        connection.ensure_connection()
        if self._applied_to is connection.connection:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT @@SESSION.sql_mode, @@SESSION.sql_notes, @@SESSION.foreign_key_checks,"
                " @@SESSION.unique_checks, @@SESSION.character_set_client"
            )
            self._before = cursor.fetchone()
            assert self._before is not None
            modes = set(str(self._before[0]).split(",")) - {""}
            wanted = ",".join(sorted((modes - _UNWANTED) | _WANTED))
            cursor.execute(
                "SET SESSION sql_mode = %s, SESSION sql_notes = 1,"
                " SESSION foreign_key_checks = 1, SESSION unique_checks = 1",
                [wanted],
            )
            if self._before[4] != "utf8mb4":
                cursor.execute("SET NAMES utf8mb4")
        self._applied_to = connection.connection
        self._forget_what_django_cached()

    def packet_size(self) -> int:
        """The bytes that a statement may have."""
        if not self._packet_size:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT @@max_allowed_packet")
                (size,) = cursor.fetchone() or (0,)
            # The packet's header and the statement's own words count as well.
            self._packet_size = int(size) - 1024
        return self._packet_size

    def restore(self) -> None:
        """Put the session back as it was, if it is still the same connection."""
        connection = self._connection
        if self._before is None or self._applied_to is not connection.connection:
            return
        mode, notes, foreign_keys, unique, _ = self._before
        with connection.cursor() as cursor:
            cursor.execute(
                "SET SESSION sql_mode = %s, SESSION sql_notes = %s,"
                " SESSION foreign_key_checks = %s, SESSION unique_checks = %s",
                [mode, notes, foreign_keys, unique],
            )
        self._applied_to = None
        self._forget_what_django_cached()

    def _forget_what_django_cached(self) -> None:
        """Django remembers the mode it first saw, and refuses keys of 0 by it."""
        for name in ("mysql_server_data", "mysql_server_info", "sql_mode"):
            self._connection.__dict__.pop(name, None)
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT @@SESSION.sql_mode")
            (mode,) = cursor.fetchone() or ("",)
        self._connection.__dict__["sql_mode"] = set(str(mode).split(","))
