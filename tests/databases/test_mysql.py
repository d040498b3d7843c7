"""Sessions of ours on real servers."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction

from bench.proxy import proxy_to
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoint, Endpoints
from fixturepipe.errors import TransientLoadError
from fixturepipe.events import Event, StageAdvanced
from tests.conftest import sqlite_endpoint
from tests.loading import a, column, load_into, make_run
from tests.proxy import through
from tests.servers import Server


@pytest.fixture
def hostile(empty_target: Endpoint, tmp_path: Path) -> Iterator[Endpoints]:
    """A target whose settings make each session limited, lenient and short."""
    settings = (
        "sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES,ONLY_FULL_GROUP_BY'",
        "sql_select_limit = 1, sql_safe_updates = 1, max_join_size = 1, autocommit = 0",
        "wait_timeout = 1, net_read_timeout = 1, foreign_key_checks = 0, NAMES latin1",
        "default_storage_engine = MyISAM",
    )
    options = {"init_command": f"SET {', '.join(settings)}"}
    target = replace(empty_target, settings={**empty_target.settings, "OPTIONS": options})
    both = Endpoints("default", sqlite_endpoint(tmp_path / "source.sqlite3"), target, timeout=77)
    both.open()
    yield both
    connections.close_all()


def ask(alias: str, statement: str) -> tuple[Any, ...]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return tuple(cursor.fetchone())


def test_a_session_has_no_limits_whatever_the_server_says(hostile: Endpoints) -> None:
    values = ask(
        TARGET,
        "SELECT @@autocommit, @@sql_safe_updates, @@sql_big_selects, @@foreign_key_checks,"
        " @@wait_timeout, @@net_read_timeout, @@character_set_client, @@sql_select_limit",
    )
    assert values == (1, 0, 1, 1, 31536000, 3600, "utf8mb4", 2**64 - 1)


def test_tables_have_foreign_keys_whatever_the_default_engine_is(hostile: Endpoints) -> None:
    assert ask(TARGET, "SELECT @@default_storage_engine") == ("InnoDB",)
    assert connections[TARGET].features.supports_foreign_keys


def test_a_session_is_strict_and_writes_literals_as_django_does(hostile: Endpoints) -> None:
    (modes,) = ask(TARGET, "SELECT @@sql_mode")
    has = set(modes.split(","))
    assert {"STRICT_TRANS_TABLES", "NO_AUTO_VALUE_ON_ZERO", "ONLY_FULL_GROUP_BY"} <= has
    assert not {"PAD_CHAR_TO_FULL_LENGTH", "ANSI_QUOTES"} & has
    assert connections[TARGET].features.allows_auto_pk_0


def test_the_bound_alias_is_set_up_like_the_target(hostile: Endpoints) -> None:
    with hostile.bound_to_target() as alias:
        assert ask(alias, "SELECT @@wait_timeout") == (31536000,)


def test_the_bound_alias_takes_over_the_connection_and_gives_it_back(hostile: Endpoints) -> None:
    number = ask(TARGET, "SELECT CONNECTION_ID()")
    with hostile.bound_to_target() as alias:
        assert ask(alias, "SELECT CONNECTION_ID()") == number
        assert connections[TARGET].connection is None
    assert ask(TARGET, "SELECT CONNECTION_ID()") == number


def test_a_transaction_of_the_target_keeps_its_connection(hostile: Endpoints) -> None:
    with transaction.atomic(using=TARGET):
        number = ask(TARGET, "SELECT CONNECTION_ID()")
        with hostile.bound_to_target() as alias:
            assert ask(alias, "SELECT CONNECTION_ID()") != number


def test_a_connection_has_timeouts(hostile: Endpoints) -> None:
    options = connections[TARGET].settings_dict["OPTIONS"]
    assert (options["read_timeout"], options["write_timeout"]) == (77, 77)


def test_a_connection_that_the_server_closed_is_opened_again(hostile: Endpoints) -> None:
    (number,) = ask(TARGET, "SELECT CONNECTION_ID()")
    with hostile.bound_to_target(apart=True) as alias, connections[alias].cursor() as cursor:
        cursor.execute(f"KILL {number}")
    hostile.open()
    assert ask(TARGET, "SELECT 1") == (1,)


def test_a_source_on_a_server_is_set_up_too(empty_target: Endpoint) -> None:
    Endpoints("default", empty_target).open()
    try:
        assert ask(SOURCE, "SELECT @@wait_timeout") == (31536000,)
    finally:
        connections.close_all()


def test_a_connection_kills_the_one_that_it_replaces(empty_target: Endpoint) -> None:
    Endpoints("default", empty_target).open()
    try:
        lost = connections[SOURCE]
        (number,) = ask(SOURCE, "SELECT CONNECTION_ID()")
        kept, lost.connection = lost.connection, None  # as after a silence: nobody said goodbye
        ask(SOURCE, "SELECT 1")
        deadline = time.monotonic() + 20
        alive = f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {number}"
        while ask(SOURCE, alive) != (0,):
            assert time.monotonic() < deadline
        kept.close()
    finally:
        connections.close_all()


def test_a_silent_network_is_an_error(server: Server, empty_target: Endpoint) -> None:
    with proxy_to(server.base) as proxy:
        target = through(proxy, empty_target)
        Endpoints("default", target, timeout=1).open()
        try:
            assert ask(SOURCE, "SELECT 1") == (1,)
            proxy.silent = True
            with pytest.raises(OperationalError, match="Lost connection"):
                ask(SOURCE, "SELECT 1")
        finally:
            connections.close_all()


def test_a_connection_over_tcp_is_kept_alive(server: Server, empty_target: Endpoint) -> None:
    with proxy_to(server.base) as proxy:
        Endpoints("default", through(proxy, empty_target)).open()
        try:
            connections[SOURCE].ensure_connection()
            raw: Any = connections[SOURCE].connection
            with socket.socket(fileno=os.dup(raw.fileno())) as peer:
                assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        finally:
            connections.close_all()


def test_a_silence_that_lasts_ends_the_load_in_one_sentence(
    server: Server, source: Endpoint, shared_target: Endpoint, tmp_path: Path
) -> None:
    directory = make_run(tmp_path / "run", *[[a("shade", n, slug=str(n))] for n in range(3)])
    with proxy_to(server.base) as proxy:

        def be_silent(event: Event) -> None:
            if isinstance(event, StageAdvanced):
                proxy.silent = True

        target = through(proxy, shared_target, read_timeout=1, connect_timeout=1)
        with pytest.raises(TransientLoadError, match=r"0002.*(Lost connection|timeout)") as ended:
            load_into(target, source, directory, log=be_silent, pauses=(0.1,))
    assert "\n" not in str(ended.value)
    assert "`fixturepipe load`" in ended.value.hint
    assert load_into(shared_target, source, directory).chunks == 2


def test_a_load_goes_on_after_a_silence(
    server: Server, source: Endpoint, shared_target: Endpoint, tmp_path: Path
) -> None:
    chunks = [[a("shade", number, slug=f"shade {number}")] for number in range(4)]
    directory = make_run(tmp_path / "run", *chunks)
    with proxy_to(server.base) as proxy:

        def be_silent(event: Event) -> None:
            if isinstance(event, StageAdvanced) and not proxy.silences:
                proxy.be_silent(2.0)

        target = through(proxy, shared_target, read_timeout=1, connect_timeout=1)
        load_into(target, source, directory, log=be_silent)
        assert proxy.silences == 1
    assert len(column(shared_target, "shade", "slug")) == 4
