"""Threads that query a server in parallel, each over its own connections."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from django.db import Error as DatabaseError
from django.db import connections

from fixturepipe.databases.endpoints import connection_to

# Each has its connections, and processes have Django in their memory.
_MOST = 8


def worthwhile(waiting: float, working: float) -> int:
    """How many threads or processes share some work: one per core, more if they wait for a server.

    `waiting` and `working` are the seconds that one of them would need.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return max(cores, min(int(cores * (1 + waiting / working)), _MOST))


@contextmanager
def connected_threads(count: int, *aliases: str) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads, each of which closes its Django connections at the end.

    Each begins to open those of the aliases at once.
    """
    everyone = threading.Barrier(count)

    def open_all() -> None:
        everyone.wait()
        for alias in aliases:
            # The error comes again where the connection is used.
            with suppress(DatabaseError):
                connection_to(alias).ensure_connection()

    def close_all() -> None:
        with suppress(threading.BrokenBarrierError):
            everyone.wait()
        connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        try:
            for _ in range(count):
                pool.submit(open_all)
            try:
                yield pool
            finally:
                for future in [pool.submit(close_all) for _ in range(count)]:
                    future.result()
        finally:
            # After an interrupt some threads may wait for others that never come.
            everyone.abort()
