"""Threads that ask a server side by side, each over connections of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connections


@contextmanager
def connected_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that close the connections which Django gave each of them."""
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
