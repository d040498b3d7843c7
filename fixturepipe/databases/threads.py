"""Threads that query a server in parallel, each over its own connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connections


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
