"""One consistent snapshot of the source for the whole dump, while the site goes on writing.

SQLite is copied through its backup API (https://www.sqlite.org/backup.html), a few pages at a
time, so that the site is not blocked. The copy starts over if the site writes meanwhile, and takes
a single step if that keeps happening. Other databases are read in one REPEATABLE READ
transaction. The source's alias is bound to the snapshot.

A SQLite connection is opened without Django's converters (detect_types=0): they turn what
they cannot read into None, and the dump must see the stored values.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.keptsnapshot import draft_path
from fixturepipe.artifacts.rundir import FILE_MODE, RunDirectory
from fixturepipe.databases.endpoints import (
    LOCK_SECONDS,
    DatabaseSettings,
    Endpoint,
    Endpoints,
    connection_to,
)
from fixturepipe.databases.sqlitefile import locked
from fixturepipe.dump.options import SnapshotKind
from fixturepipe.errors import ConfigurationError, UsageError

STEP_PAGES = 4_096
RESTARTS = 3


@dataclass(frozen=True)
class Snapshot:
    """One state of the source: a connection under the source's own alias, the SQLite file that
    holds this state alone, if there is one, and whether that file is the run's own copy."""

    connection: BaseDatabaseWrapper
    file: Path | None = None
    is_copy: bool = False

    @contextmanager
    def writable(self) -> Iterator[BaseDatabaseWrapper]:
        """The copy, open for changes during the block.

        Raises UsageError if there is no copy: the source is never written to.
        """
        if not self.is_copy or self.file is None:
            raise UsageError(
                "Fixes are applied to a copy of the source, and this snapshot is not a copy",
                hint="Use --snapshot backup for a SQLite source, and --transform for any other.",
            )
        settings, name = self.connection.settings_dict, self.connection.settings_dict["NAME"]
        self.connection.close()
        settings["NAME"] = str(self.file)
        try:
            yield self.connection
        finally:
            self.connection.close()
            settings["NAME"] = name


@contextmanager
def snapshot_of(
    directory: RunDirectory, endpoints: Endpoints, kind: SnapshotKind, *, keep: bool = False
) -> Iterator[Snapshot]:
    """A snapshot of the source for the length of the block.

    With `keep`, a copy becomes the draft of the kept snapshot when the block ends well. Raises
    ConfigurationError if another process keeps the source locked.
    """
    # One that a killed command has left is of an earlier state.
    draft_path(directory).unlink(missing_ok=True)
    if endpoints.source.vendor != "sqlite":
        opened = _server_transaction(endpoints)
    elif kind == "transaction" and not _in_memory(endpoints):
        opened = _sqlite_transaction(endpoints)
    else:
        opened = _copy(directory, endpoints, keep=keep)
    with opened as snapshot:
        yield snapshot


@contextmanager
def _copy(directory: RunDirectory, endpoints: Endpoints, *, keep: bool) -> Iterator[Snapshot]:
    with backup(directory, endpoints) as copy:
        options = _raw(endpoints)
        options.pop("init_command", None)
        settings = {"NAME": f"{copy.as_uri()}?immutable=1", "OPTIONS": options}
        with _kept_in_memory(endpoints), _bound(endpoints, settings) as connection:
            yield Snapshot(connection, copy, is_copy=True)
        if keep:
            copy.rename(draft_path(directory))


@contextmanager
def _reading_only(connection: Any) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = 1")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = 0")


@contextmanager
def _sqlite_transaction(endpoints: Endpoints) -> Iterator[Snapshot]:
    with (
        _bound(endpoints, {"OPTIONS": _raw(endpoints)}) as connection,
        _reading_only(connection),
        transaction.atomic(connection.alias),
    ):
        with connection.cursor() as cursor:
            # A transaction sees what was committed before its first read.
            cursor.execute("SELECT COUNT(*) FROM sqlite_master")
            cursor.execute("PRAGMA journal_mode")
            in_log = cursor.fetchone() == ("wal",)
        yield Snapshot(connection, None if in_log else Path(connection.settings_dict["NAME"]))


@contextmanager
def _server_transaction(endpoints: Endpoints) -> Iterator[Snapshot]:
    options = dict(endpoints.source.settings.get("OPTIONS", {}))
    begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
    if endpoints.source.vendor == "mysql":
        options["isolation_level"] = "repeatable read"
        begin = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
    # Within a transaction, PostgreSQL's server-side cursors work behind a pooler too. Without them
    # a whole result is held in memory.
    changes = {"OPTIONS": options, "DISABLE_SERVER_SIDE_CURSORS": False}
    with _bound(endpoints, changes) as connection, transaction.atomic(connection.alias):
        with connection.cursor() as cursor:
            cursor.execute(begin)
        yield Snapshot(connection)


@contextmanager
def backup(directory: RunDirectory, endpoints: Endpoints) -> Iterator[Path]:
    """A copy of a SQLite source in the run directory, for the length of the block."""
    path = directory.path.absolute() / "snapshot.sqlite3"
    remove_backup(directory)
    try:
        with endpoints.bound_to_source() as alias:
            connection = connection_to(alias)
            connection.ensure_connection()
            try:
                _back_up(connection.connection, path, Path(str(endpoints.source.settings["NAME"])))
            except (sqlite3.Error, OSError) as error:
                raise ConfigurationError(
                    f"The source cannot be copied to {path}: {error}",
                    hint="Give --workdir a place with room for a copy of the source, or read it "
                    "in one transaction with --snapshot transaction.",
                ) from error
        yield path
    finally:
        remove_backup(directory)


def remove_backup(directory: RunDirectory) -> None:
    """Remove the copy, including one that a killed dump has left."""
    for ending in ("", "-journal", "-wal", "-shm"):
        (directory.path / f"snapshot.sqlite3{ending}").unlink(missing_ok=True)


class _TornError(Exception):
    """The source was written to while it was copied, too often."""


def _back_up(source: sqlite3.Connection, path: Path, file: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE))
    copy = sqlite3.connect(path, isolation_level=None)
    try:
        copy.execute("PRAGMA synchronous=OFF")
        try:
            source.backup(copy, pages=STEP_PAGES, progress=_Watch(file), sleep=0.01)
        except _TornError:
            source.backup(copy, pages=-1, progress=_Watch(file), sleep=0.01)
        # The copy of a source in WAL mode is in WAL mode, which wants files of its own.
        copy.execute("PRAGMA journal_mode=DELETE").fetchall()
    finally:
        copy.close()


class _Watch:
    """Progress of a backup: how often it started over, and how long it has been blocked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._left: int | None = None
        self._restarts = 0
        self._moved = time.monotonic()

    def __call__(self, status: int, remaining: int, _total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            if time.monotonic() - self._moved > LOCK_SECONDS:
                raise locked(self._file)
            return
        self._moved = time.monotonic()
        if self._left is not None and remaining >= self._left:
            self._restarts += 1
        self._left = remaining
        if self._restarts > RESTARTS:
            raise _TornError


@contextmanager
def _bound(endpoints: Endpoints, changes: DatabaseSettings) -> Iterator[BaseDatabaseWrapper]:
    """Bind the source's alias to the source's settings with changes."""
    settings = {**endpoints.source.settings, **changes}
    changed = replace(endpoints, source=Endpoint(endpoints.source.name, settings))
    with changed.bound_to_source() as alias:
        yield connection_to(alias)


@contextmanager
def _kept_in_memory(endpoints: Endpoints) -> Iterator[None]:
    """A source in memory disappears with its last connection: keep that one open."""
    kept = connections[endpoints.alias] if _in_memory(endpoints) else None
    try:
        yield
    finally:
        if kept is not None:
            connections[endpoints.alias] = kept


def _in_memory(endpoints: Endpoints) -> bool:
    with endpoints.bound_to_source() as alias:
        connection: Any = connection_to(alias)
        return bool(connection.is_in_memory_db())


def _raw(endpoints: Endpoints) -> dict[str, Any]:
    options = endpoints.source.settings.get("OPTIONS", {})
    return {**options, "detect_types": 0, "timeout": max(LOCK_SECONDS, options.get("timeout", 0))}
