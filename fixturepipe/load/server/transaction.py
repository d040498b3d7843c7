"""A chunk's transaction, whose first and last statements take a round trip each.

Django's `atomic` sends four statements of its own. Here BEGIN goes to the server together with the
first statement, and COMMIT with the last (https://dev.mysql.com/doc/c-api/9.4/en/
c-api-multiple-queries.html): a far server is waited for half as often. Whatever else happens in
the block is Django's affair as ever: savepoints, a rollback after an error, a broken connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper


class ChunkTransaction:
    """The open transaction: `begin` comes first, `end` last, each with one statement (SQL text).

    Within another transaction of the caller's it neither begins nor commits.
    """

    def __init__(self, connection: BaseDatabaseWrapper, *, within: bool) -> None:
        self._connection = connection
        self._within = within
        self.is_committed = False

    def begin(self, statement: str) -> None:
        """Run the first statement. Raises the server's error."""
        self._run([statement] if self._within else ["BEGIN", statement])

    def end(self, statement: str) -> None:
        """Run the last statement and commit. Raises the server's error."""
        self._run([statement] if self._within else [statement, "COMMIT"])
        self.is_committed = not self._within

    def _run(self, statements: list[str]) -> None:
        with self._connection.wrap_database_errors:
            raw: Any = self._connection.connection
            raw.query(";".join(statements).encode())
            while raw.next_result() == 0:
                pass


@contextmanager
def chunk_transaction(connection: BaseDatabaseWrapper) -> Iterator[ChunkTransaction]:
    """`transaction.atomic` that leaves BEGIN and COMMIT to the block, where it is outermost."""
    connection.ensure_connection()
    opened = ChunkTransaction(connection, within=connection.in_atomic_block)
    if connection.in_atomic_block:
        with transaction.atomic(using=connection.alias):
            yield opened
        return
    django: Any = connection  # the stubs know no `_commit`
    commit = django._commit

    def commit_once() -> None:
        if not opened.is_committed:
            commit()

    # BEGIN suspends the session's autocommit until the transaction ends.
    own = {"_set_autocommit": lambda _: None, "_commit": commit_once}
    connection.__dict__.update(own)
    try:
        with transaction.atomic(using=connection.alias):
            yield opened
    finally:
        for name in own:
            del connection.__dict__[name]
