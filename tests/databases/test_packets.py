"""Several statements in one packet, on real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from bench.proxy import Proxy, proxy_to
from fixturepipe.databases import packets
from fixturepipe.databases.endpoints import SOURCE, Endpoint, Endpoints, connection_to
from tests.proxy import through
from tests.servers import Server


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with proxy_to(server.base) as made:
        yield made


@pytest.fixture
def connection(proxy: Proxy, empty_target: Endpoint) -> Iterator[BaseDatabaseWrapper]:
    Endpoints("default", through(proxy, empty_target)).open()
    yield connection_to(SOURCE)
    connections.close_all()


def test_statements_take_one_round_trip(connection: BaseDatabaseWrapper, proxy: Proxy) -> None:
    connection.ensure_connection()
    before = proxy.round_trips
    found = packets.results(connection, ["SELECT 1", "SET @a = 2", "SELECT @a, 'x;y'"])
    assert found == [[(1,)], [], [(2, "x;y")]]
    assert proxy.round_trips == before + 1


def test_what_follows_a_refused_statement_is_done_all_the_same(
    connection: BaseDatabaseWrapper,
) -> None:
    one, two, three, four = packets.outcomes(
        connection, ["SELECT 1", "SELECT nothing", "SELECT nowhere", "SELECT 4"]
    )
    assert (one, four) == ([(1,)], [(4,)])
    assert [e.args[0] for e in (two, three) if isinstance(e, DatabaseError)] == [1054, 1054]


def test_a_packet_is_not_longer_than_the_server_takes(
    connection: BaseDatabaseWrapper, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "packet_size", lambda _: 30)
    connection.ensure_connection()
    before = proxy.round_trips
    found = packets.results(connection, [f"SELECT {number}{number}" for number in range(9)])
    assert [value for ((value,),) in found] == [11 * number for number in range(9)]
    assert proxy.round_trips == before + 3


def test_refused_rows_are_found_by_halves(connection: BaseDatabaseWrapper, proxy: Proxy) -> None:
    packets.results(connection, ["CREATE TEMPORARY TABLE t (n INT, CHECK (n % 100 <> 7))"])
    before = proxy.round_trips
    assert packets.refused_rows(connection, "t (n)", [(n,) for n in range(300)]) == [7, 107, 207]
    assert proxy.round_trips - before < 60
    assert packets.results(connection, ["SELECT COUNT(*) FROM t"]) == [[(297,)]]


def test_a_session_is_open_after_a_few_round_trips(
    connection: BaseDatabaseWrapper, proxy: Proxy
) -> None:
    connection.ensure_connection()
    # The password (twice on MySQL), the driver's SET NAMES, Django's question, all of ours.
    assert proxy.round_trips <= 5
