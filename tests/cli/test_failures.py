"""Only what is a fault of fixturepipe is called one."""

from __future__ import annotations

import sqlite3

import django.db
import msgspec
import MySQLdb
import pytest

from fixturepipe.cli.failures import failure_of
from fixturepipe.errors import LoadError

OURS = "fault of fixturepipe"


def undecodable() -> Exception:
    try:
        msgspec.json.decode(b"{")
    except msgspec.DecodeError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "w/1-dump/a.json"), "w/1-dump/a.json: No space"),
        (django.db.OperationalError(2006, "gone away"), "does not answer: gone away (error 2006)"),
        (django.db.OperationalError(4031, "inactivity"), "does not answer"),
        (MySQLdb.OperationalError(2013, "Lost connection"), "does not answer"),
        (
            django.db.OperationalError(1104, "max_join_size"),
            "The server refused a statement: max_join_size",
        ),
        (django.db.DatabaseError("database disk image is malformed"), "SQLite cannot read"),
        (sqlite3.DatabaseError("file is not a database"), "SQLite cannot read"),
        (django.db.OperationalError("database is locked"), "SQLite: database is locked"),
        (sqlite3.OperationalError("database or disk is full"), "SQLite: database or disk is full"),
        (undecodable(), "A file in the run directory is damaged"),
        (MemoryError(), "There is not enough memory"),
    ],
)
def test_a_failure_of_the_world_is_not_ours(error: Exception, message: str) -> None:
    failure = failure_of(error)
    assert message in failure.message
    assert failure.hint
    assert OURS not in failure.hint
    assert failure.exit_code == 3


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        django.db.ProgrammingError(1064, "syntax"),
        django.db.OperationalError(1054, "Unknown column"),
        django.db.IntegrityError(1062, "Duplicate entry"),
        django.db.OperationalError("no such column: x"),
    ],
)
def test_a_fault_of_ours_is_called_one(error: Exception) -> None:
    assert OURS in failure_of(error).hint


def test_an_error_of_ours_stays_as_it_is() -> None:
    error = LoadError("a", hint="b")
    assert failure_of(error) is error
