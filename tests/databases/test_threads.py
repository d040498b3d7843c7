"""Threads with connections of their own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from fixturepipe.databases.endpoints import SOURCE, Endpoint, Endpoints, connection_to
from fixturepipe.databases.threads import connected_threads

THREADS = 3


def test_each_thread_opens_its_connection_and_closes_it(source: Endpoint) -> None:
    Endpoints("default", source).open()
    with connected_threads(THREADS, SOURCE) as pool:
        opened = [pool.submit(lambda: connection_to(SOURCE)) for _ in range(THREADS)]
        assert all(each.result().connection is not None for each in opened)
    assert all(each.result().connection is None for each in opened)
    connections.close_all()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("submitted", range(2 * THREADS))
def test_an_interrupt_leaves_no_thread_that_waits_for_others(
    submitted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, left = ThreadPoolExecutor.submit, iter(range(submitted))

    def interrupted(pool, *task):  # type: ignore[no-untyped-def]
        if next(left, None) is None:
            raise KeyboardInterrupt
        return submit(pool, *task)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt), connected_threads(THREADS):
        pass
