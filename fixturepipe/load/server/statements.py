"""Multi-row statements on the loading connection: sized, sent ahead, and halved when refused.

While the server works on one statement, the next is put together: a statement is sent without
waiting for its outcome, which is asked for before anything else is done on the connection, by
Django or a field's code too. (A thread that waits for it costs up to five milliseconds a
statement: so long Python lets another thread run before it hands over its lock.) InnoDB takes
back a refused statement whole, so the rows of one can be sent again in halves until the refused
row is alone.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.load.server.servererrors import stops_chunk

# Above this a longer statement saves nothing, and memory and the server's log suffer.
_LONGEST = 1_000_000
_MOST_ROWS = 5_000

# Notes that say nothing of the values: deprecated syntax, statements unsafe for replication.
_HARMLESS = {1287, 1592, 1681, 3135, 3719, 3778}


class Batch(Protocol):
    """Rows for one table, as SQL literals. `insert` is the statement up to its VALUES."""

    @property
    def insert(self) -> str: ...

    @property
    def cells(self) -> Sequence[tuple[str, ...]]: ...

    def part(self: _Rows, start: int, stop: int) -> _Rows:
        """Some of the rows."""

    def joined(self: _Rows, others: _Rows) -> _Rows:
        """These rows and others of the same table."""

    def __len__(self) -> int: ...


_Rows = TypeVar("_Rows", bound=Batch)


class ServerWarning(DatabaseError):
    """The server took a row and said that it changed it; `args` as those of its errors."""


class PacketTooLargeError(DatabaseError):
    """One row is longer than a statement may be."""


@dataclass(frozen=True)
class _Statement(Generic[_Rows]):
    """Rows for one INSERT, their texts, and about how many bytes those have."""

    rows: _Rows
    texts: list[str]
    size: int

    def has_room(self, more: _Statement[_Rows], limit: int) -> bool:
        """Whether the other rows are for the same table and fit in."""
        fits = self.size + more.size <= limit and len(self.texts) + len(more.texts) <= _MOST_ROWS
        return fits and self.rows.insert == more.rows.insert

    def joined(self, more: _Statement[_Rows]) -> _Statement[_Rows]:
        """One INSERT of both."""
        rows = self.rows.joined(more.rows)
        return _Statement(rows, self.texts + more.texts, self.size + more.size)


def _nobody_asks(_: object, error: Exception) -> None:
    raise error


class StatementWriter(Generic[_Rows]):
    """Inserts rows; the outcome of a statement is known when the next is sent, or by `drain`.

    `packet_size` is the most bytes that the server takes in one statement.
    `refused` is called with each single row that the server refuses, and its error. With
    `keep_going`, statements are undone one by one, so that what follows a refused row can stay.
    Errors that are not the rows' fault are raised. `meanwhile` is called again and again while
    the server is at work, as long as it gives True. `has_left_rows` says that a statement which
    gave a warning was not undone, so that its rows are in the way when they are sent again.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        packet_size: int,
        refused: Callable[[_Rows, Exception], None],
        *,
        keep_going: bool,
        meanwhile: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._packet_size = packet_size
        self._refused: Callable[[_Rows, Exception], None] = refused
        self._keep_going = keep_going
        self._meanwhile = meanwhile
        self._limit = min(_LONGEST, packet_size)
        self._waiting: _Rows | None = None
        self._queued: _Statement[_Rows] | None = None
        self.has_left_rows = False

    def insert(self, rows: _Rows) -> None:
        """Send rows, in as many statements as the server's packet size asks for.

        While the server is at work they wait, and further ones join them: the farther the server
        is, the longer the statements are.
        """
        texts = list(map(",".join, rows.cells))
        start = size = 0
        for index, text in enumerate(texts):
            size += len(text) + 3
            if index > start and (size > self._limit or index - start >= _MOST_ROWS):
                self._add(_Statement(rows.part(start, index), texts[start:index], size))
                start, size = index, len(text) + 3
        if len(rows) > start:
            last = rows.part(start, len(rows)) if start else rows
            self._add(_Statement(last, texts[start:], size))

    def insert_numbered(self, row: _Rows) -> int | None:
        """Insert a single row whose key the server gives; gives the key, None if refused."""
        self.drain()
        try:
            self._run(self._statement(row, [",".join(row.cells[0])]))
        except (DatabaseError, UnicodeEncodeError) as error:
            self._halve(row, error)
            return None
        raw: Any = self._connection.connection
        return int(raw.insert_id())

    def drain(self) -> None:
        """Send what waits, wait for the statement under way, and deal with its outcome."""
        self._send_queued()
        self._finish()

    def _add(self, more: _Statement[_Rows]) -> None:
        if self._queued is not None and not self._queued.has_room(more, self._limit):
            self._send_queued()
        self._queued = more if self._queued is None else self._queued.joined(more)
        if not (self._is_waiting() and not self._is_answered()):
            self._send_queued()

    def _send_queued(self) -> None:
        queued, self._queued = self._queued, None
        if queued is not None:
            self._send(queued.rows, queued.texts)

    def _finish(self) -> None:
        self._use_the_wait()
        rows, self._waiting = self._waiting, None
        if rows is None:
            return
        try:
            self._outcome()
        except DatabaseError as error:
            self._halve(rows, error)

    def _use_the_wait(self) -> None:
        """Do something else until the statement under way has its outcome."""
        if not self._is_waiting():
            return
        # What is done meanwhile may ask the server after all: that comes here again, and drains.
        meanwhile, self._meanwhile = self._meanwhile, lambda: False
        try:
            while self._is_waiting() and not self._is_answered() and meanwhile():
                pass
        finally:
            self._meanwhile = meanwhile

    def _is_waiting(self) -> bool:
        return self._waiting is not None

    def _is_answered(self) -> bool:
        raw: Any = self._connection.connection
        outcome = select.poll()
        outcome.register(raw.fileno(), select.POLLIN)
        return bool(outcome.poll(0))

    def in_turn(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """For `execute_wrapper`: a query of anybody else's waits for the statement under way."""
        self.drain()
        return execute(sql, params, many, context)

    def execute(self, sql: str) -> None:
        """Run one statement here and now. Raises the server's error, or ServerWarning."""
        self.drain()
        self._run(sql.encode())

    def close(self) -> None:
        """Let go of the connection; the outcome of a statement under way is of no interest."""
        # Its owner's method: without a cycle the chunk's objects are freed with their owner.
        self._refused = _nobody_asks
        self._queued = None
        if self._waiting is not None:
            self._waiting = None
            with suppress(DatabaseError):
                self._outcome()

    def _send(self, rows: _Rows, texts: list[str]) -> None:
        try:
            statement = self._statement(rows, texts)
        except (UnicodeEncodeError, PacketTooLargeError) as error:
            self._finish()
            self._halve(rows, error)
            return
        self._finish()
        try:
            self._begin(statement)
        except DatabaseError as error:
            self._halve(rows, error)
        else:
            self._waiting = rows

    def _statement(self, rows: Batch, texts: list[str]) -> bytes:
        statement = f"{rows.insert}({'),('.join(texts)})".encode()
        if len(statement) > self._packet_size:
            raise PacketTooLargeError(
                1153,
                f"The row has {len(statement):,} bytes; the server's max_allowed_packet"
                f" allows {self._packet_size:,}",
            )
        return statement

    def _run(self, statement: bytes) -> None:
        self._begin(statement)
        self._outcome()

    def _begin(self, statement: bytes) -> None:
        with self._connection.wrap_database_errors:
            raw: Any = self._connection.connection
            if self._keep_going:
                raw.query(b"SAVEPOINT fixturepipe_statement")
            raw.send_query(statement)

    def _outcome(self) -> None:
        with self._connection.wrap_database_errors:
            raw: Any = self._connection.connection
            raw.read_query_result()
            if raw.warning_count():
                self._refuse_warnings(raw)

    def _refuse_warnings(self, raw: Any) -> None:
        raw.query(b"SHOW WARNINGS")
        warnings = raw.store_result().fetch_row(0)
        for _, code, words in warnings:
            if int(code) in _HARMLESS:
                continue
            if self._keep_going:
                raw.query(b"ROLLBACK TO SAVEPOINT fixturepipe_statement")
            else:
                self.has_left_rows = True
            text = words.decode() if isinstance(words, bytes) else words
            raise ServerWarning(int(code), text)

    def _halve(self, rows: _Rows, error: Exception) -> None:
        """Send refused rows again in halves; a single one is reported."""
        if stops_chunk(error):
            raise error
        if len(rows) == 1:
            self._refused(rows, error)
            return
        middle = len(rows) // 2
        for part in (rows.part(0, middle), rows.part(middle, len(rows))):
            try:
                self._run(self._statement(part, list(map(",".join, part.cells))))
            except (DatabaseError, UnicodeEncodeError) as refusal:
                self._halve(part, refusal)
