"""Work that a second process shares with this one.

A forked process has Python's interpreter lock to itself; where forking is not safe, a thread does
the work. Either has its own connections and closes them at the end.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connections

from fixturepipe.databases import forks
from fixturepipe.databases.endpoints import SOURCE, connection_to
from fixturepipe.errors import FixturepipeError


@contextmanager
def second_process(begin: Callable[[], None]) -> Iterator[Executor]:
    """Gives an executor of one process, which calls `begin` first.

    Raises FixturepipeError if the process dies.
    """
    pool: Executor
    if forks.start_method() == "fork":
        connection_to(SOURCE).close()  # SQLite's locks do not survive a fork
        context = multiprocessing.get_context("fork")
        pool = ProcessPoolExecutor(1, context, initializer=_begin_fork, initargs=(begin,))
    else:
        pool = ThreadPoolExecutor(1, initializer=begin)
    try:
        yield pool
        pool.submit(_close_connections).result()
    except BrokenExecutor as error:
        raise FixturepipeError(
            f"The second process of check died: {error}", hint="Run the same command again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_fork(begin: Callable[[], None]) -> None:
    forks.begin()
    begin()


def _close_connections() -> None:
    connections.close_all()
