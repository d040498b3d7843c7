"""Threads that query a server in parallel, each over its own connections."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connections

# Each has its connections, and processes have Django in their memory.
_MOST = 8


def worthwhile(waiting: float, working: float) -> int:
    """How many threads or processes share some work: one a core, more if they wait for a server.

    `waiting` and `working` are the seconds that one of them would need.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return max(cores, min(int(cores * (1 + waiting / working)), _MOST))


@contextmanager
def connected_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads, each of which closes its Django connections at the end."""
    with ThreadPoolExecutor(count) as pool:
        try:
            yield pool
        finally:
            everyone = threading.Barrier(count)

            def close() -> None:
                everyone.wait()
                connections.close_all()

            for future in [pool.submit(close) for _ in range(count)]:
                future.result()
