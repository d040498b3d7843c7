"""A chunk's transaction: Django's `atomic`, but BEGIN and COMMIT go with other statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints, connection_to
from fixturepipe.load.server.transaction import ChunkTransaction, chunk_transaction
from tests.loading import column

FIRST = "INSERT INTO loading_shade (id, slug) VALUES (1, 'first')"
LAST = "UPDATE loading_shade SET slug = 'last' WHERE id = 1"


@pytest.fixture
def connection(shared_target: Endpoint, source: Endpoint) -> Iterator[BaseDatabaseWrapper]:
    Endpoints("default", source, shared_target).open()
    yield connection_to(TARGET)
    connection_to(TARGET).close()


def commands(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """How many of each kind of statement this session has run."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Com\\_%'")
        return {name: int(n) for name, n in cursor.fetchall() if name != "Com_show_status"}


@contextmanager
def begun(connection: BaseDatabaseWrapper) -> Iterator[ChunkTransaction]:
    with chunk_transaction(connection) as opened:
        opened.begin(FIRST)
        yield opened


def test_it_commits_with_its_last_statement(
    connection: BaseDatabaseWrapper, shared_target: Endpoint
) -> None:
    before = commands(connection)
    with chunk_transaction(connection) as opened:
        opened.begin(FIRST)
        opened.end(LAST)
    after = commands(connection)
    assert {name for name in after if after[name] != before[name]} == {
        "Com_begin",
        "Com_insert",
        "Com_update",
        "Com_commit",
    }
    assert connection.get_autocommit()
    assert column(shared_target, "shade", "slug") == ["last"]


@pytest.mark.parametrize("error", [ValueError, DatabaseError])
def test_an_error_rolls_it_back(
    error: type[Exception], connection: BaseDatabaseWrapper, shared_target: Endpoint
) -> None:
    with pytest.raises(error), begun(connection):
        raise error
    assert column(shared_target, "shade", "slug") == []


def test_a_refused_last_statement_rolls_it_back(
    connection: BaseDatabaseWrapper, shared_target: Endpoint
) -> None:
    with pytest.raises(IntegrityError), begun(connection) as opened:
        opened.end(FIRST)
    assert column(shared_target, "shade", "slug") == []


def test_within_another_transaction_it_is_part_of_that(
    connection: BaseDatabaseWrapper, shared_target: Endpoint
) -> None:
    with transaction.atomic(using=TARGET):
        with chunk_transaction(connection) as opened:
            opened.begin(FIRST)
            opened.end(LAST)
        transaction.set_rollback(True, using=TARGET)
    assert column(shared_target, "shade", "slug") == []
