"""Single statements and what they answer, whatever bytes SQLite's text holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.pages import Row

Answer = TypeVar("Answer")


def rows_of(
    connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any] = ()
) -> list[Row]:
    """The rows of a statement."""

    def ask() -> list[Row]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    return any_text(connection, ask)


def value_of(
    connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any] = ()
) -> Any:
    """The first value of the first row of a statement; None if it has no row."""
    rows = rows_of(connection, statement, parameters)
    return rows[0][0] if rows else None


def each_row(
    connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any] = ()
) -> Iterator[Row]:
    """The rows of a statement, of which SQLite holds few in memory.

    The connection must do nothing else until the last row is given.
    """
    decoding = undecodable_text if connection.vendor == "sqlite" else nullcontext
    with decoding(connection), connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        while rows := cursor.fetchmany(1_000):
            yield from rows


def executed(
    connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any] = ()
) -> None:
    """Run a statement that answers nothing."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


def is_undecodable(error: OperationalError) -> bool:
    """Whether the error is that of SQLite's driver for text that is not UTF-8."""
    return "decode to UTF-8" in str(error)


def any_text(connection: BaseDatabaseWrapper, ask: Callable[[], Answer]) -> Answer:
    """The answer of a database, in which bytes that are not UTF-8 are lone surrogates (PEP 383).

    `ask` is called a second time if SQLite's text cannot be decoded.
    """
    try:
        return ask()
    except OperationalError as error:
        if not is_undecodable(error):
            raise
    with undecodable_text(connection):
        return ask()


@contextmanager
def undecodable_text(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """While in the block, bytes of SQLite that are not UTF-8 become lone surrogates (PEP 383)."""
    connection.ensure_connection()
    raw: Any = connection.connection
    raw.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        raw.text_factory = str
