"""A row of the ledger means that the chunk is in."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints
from fixturepipe.databases.ledger import Entry, Ledger, remove_ledger
from fixturepipe.databases.packets import outcomes
from fixturepipe.errors import LoadError
from fixturepipe.load.server.lock import loader_lock, lock_name

RUN, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def connection(shared_target: Endpoint, source: Endpoint) -> Iterator[BaseDatabaseWrapper]:
    Endpoints("default", source, shared_target).open()
    yield connections[TARGET]
    connections[TARGET].close()


@pytest.fixture
def ledger(connection: BaseDatabaseWrapper) -> Ledger:
    made = Ledger(connection, RUN)
    made.register_run(was_empty=False, migrated=True, tables=())
    return made


def test_what_is_completed_is_read_back(ledger: Ledger) -> None:
    entry = Entry(3, "c" * 64, {"a.b": 5, "a.c": 7}, {"a.b": 1}, 0.25)
    assert ledger.begin(3, "c" * 64)
    ledger.complete(entry)
    assert ledger.applied() == {3: entry}
    assert entry.objects == 12


def test_a_chunk_is_begun_once(ledger: Ledger) -> None:
    assert ledger.begin(1, "c" * 64)
    assert not ledger.begin(1, "c" * 64)


def test_a_second_loader_of_a_chunk_waits_for_the_first(
    ledger: Ledger,
) -> None:
    found: list[bool] = []

    def begin_too() -> None:
        other = connections[TARGET]  # each thread has its own
        with transaction.atomic(using=TARGET):
            found.append(Ledger(other, RUN).begin(1, "d" * 64))
            transaction.set_rollback(True, using=TARGET)
        other.close()

    thread = threading.Thread(target=begin_too)
    with transaction.atomic(using=TARGET):
        assert ledger.begin(1, "c" * 64)
        thread.start()
        thread.join(0.3)
        assert not found
    thread.join()
    assert found == [False]


def test_what_is_rolled_back_is_not_in(ledger: Ledger) -> None:
    with transaction.atomic(using=TARGET):
        ledger.begin(1, "c" * 64)
        transaction.set_rollback(True, using=TARGET)
    assert ledger.applied() == {}


def test_what_a_run_found_first_stays(ledger: Ledger) -> None:
    state = ledger.register_run(was_empty=True, migrated=False)
    assert (state.was_empty, state.migrated) == (False, True)


def test_marks_are_kept(ledger: Ledger) -> None:
    assert ledger.mark_keeps_ids(["fixturepipe_ledger"])
    ledger.mark_finished()
    state = ledger.state()
    assert state is not None
    assert (state.keeps_ids, state.finished) == (True, True)


def test_only_unfinished_runs_with_chunks_are_in_the_way(
    ledger: Ledger, connection: BaseDatabaseWrapper
) -> None:
    other = Ledger(connection, OTHER)
    other.register_run(was_empty=False, migrated=True)
    assert _others(ledger, connection) == ()
    other.begin(1, "c" * 64)
    assert _others(ledger, connection) == (OTHER,)
    other.mark_finished()
    assert _others(ledger, connection) == ()


def _others(ledger: Ledger, connection: BaseDatabaseWrapper) -> tuple[str, ...]:
    return ledger.contents(outcomes(connection, ledger.questions)).unfinished_others


def test_the_tables_go_with_the_last_run(
    ledger: Ledger, connection: BaseDatabaseWrapper, source: Endpoint, shared_target: Endpoint
) -> None:
    endpoints = Endpoints("default", source, shared_target)
    Ledger(connection, OTHER).register_run(was_empty=False, migrated=True)
    remove_ledger(endpoints, RUN)
    assert ledger.exists()
    assert ledger.state() is None
    remove_ledger(endpoints, OTHER)
    assert not ledger.exists()
    remove_ledger(endpoints, OTHER)


def test_the_lock_is_free_when_its_holder_is_gone(connection: BaseDatabaseWrapper) -> None:
    with loader_lock(connection):
        with (
            pytest.raises(LoadError, match=r"running .* which has been idle for \d+ s") as taken,
            loader_lock(connection),
        ):
            pass
        assert re.search(r"free the lock on the server: KILL \d+;", taken.value.hint)
    with loader_lock(connection):
        pass


def test_a_lock_that_is_about_to_be_free_is_waited_for(connection: BaseDatabaseWrapper) -> None:
    """As that of a loader that was killed is, until the server has noticed."""

    def kill(holder: int) -> None:
        with connection.copy().cursor() as cursor:
            cursor.execute(f"KILL {holder}")
            cursor.db.close()

    with loader_lock(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT IS_USED_LOCK(%s)", [lock_name(connection)])
            killer = threading.Timer(0.5, kill, cursor.fetchone())
        killer.start()
        with loader_lock(connection):
            killer.join()


def test_databases_have_locks_of_their_own(
    connection: BaseDatabaseWrapper, second_target: Endpoint
) -> None:
    with loader_lock(connection):
        Endpoints("default", second_target, second_target).open()
        with loader_lock(connections[TARGET]):
            pass
