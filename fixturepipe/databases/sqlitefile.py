"""SQLite files that cannot be read: damaged pages, and locks that other processes hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import DatabaseError

from fixturepipe.databases.endpoints import LOCK_SECONDS, Endpoint
from fixturepipe.errors import ConfigurationError, FixturepipeError, SourceDataError

# The texts of SQLITE_CORRUPT and SQLITE_NOTADB (https://www.sqlite.org/rescode.html): an error
# of a worker process comes without its code.
_DAMAGED = ("database disk image is malformed", "file is not a database")
_LOCKED = ("database is locked", "database table is locked")


@contextmanager
def readable(source: Endpoint) -> Iterator[None]:
    """A block that reads the source.

    Raises SourceDataError with the tables that SQLite cannot read, and ConfigurationError if
    another process keeps the file locked.
    """
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        explained = _explained(str(error), Path(str(source.settings["NAME"])))
        if explained is None:
            raise
        raise explained from error


def _explained(text: str, file: Path) -> FixturepipeError | None:
    """The error to raise in place of SQLite's; None for one that is not about the file."""
    if any(known in text for known in _LOCKED):
        return locked(file)
    if any(known in text for known in _DAMAGED):
        return _damaged(text, file)
    return None


def locked(file: Path) -> ConfigurationError:
    """The error for a source that another process keeps locked."""
    return ConfigurationError(
        f"Another process kept the source {file} locked for {LOCK_SECONDS} seconds",
        hint="End the process that keeps its transaction open, and run the same command again.",
    )


def _damaged(text: str, file: Path) -> SourceDataError:
    tables = _unreadable_tables(file)
    named = f" in {'these tables' if len(tables) > 1 else 'the table'}: {', '.join(tables)}"
    recovered = file.with_name(f"recovered-{file.name}")
    return SourceDataError(
        f"The source {file} is damaged{named if tables else ''} ({text})",
        hint=f"Write what can be read to another file with `sqlite3 {file} .recover | sqlite3 "
        f"{recovered}`, compare it with a backup, and name it with --source sqlite:///{recovered}",
    )


def _unreadable_tables(file: Path) -> list[str]:
    """The tables whose rows cannot all be read; empty if only an index is damaged."""
    found = []
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '% VIRTUAL %'"
        for name in [row[0].decode(errors="replace") for row in connection.execute(query)]:
            try:
                quoted = name.replace('"', '""')
                for _ in connection.execute(f'SELECT * FROM "{quoted}" NOT INDEXED'):
                    pass
            except sqlite3.DatabaseError:
                found.append(name)
    except sqlite3.DatabaseError:  # the page that lists the tables
        return []
    finally:
        connection.close()
    return found
