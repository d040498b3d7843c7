"""No key that the source ever allocated is allocated again."""

from __future__ import annotations

from pathlib import Path

from django.db import connections

from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints
from fixturepipe.databases.sequences import next_keys, reset_sequences
from tests.apps.loading.models import Odd, Place, Restaurant, Shade
from tests.loading import a, load_into, make_run
from tests.servers import Server

SHADES = [a("shade", 1, slug="red"), a("shade", 5, slug="blue")]


def next_key(server: Server, target: Endpoint) -> int:
    """The key that the server gives the next row."""
    connection = server.connect(target.settings["NAME"])
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO loading_shade (slug) VALUES ('new')")
        key = int(cursor.lastrowid)
    connection.close()
    return key


def test_the_next_key_is_above_the_sources_highest(
    tmp_path: Path, source: Endpoint, target: Endpoint, server: Server
) -> None:
    directory = make_run(tmp_path / "run", SHADES, sequences={"loading_shade": 1000})
    (reset,) = load_into(target, source, directory).sequences
    assert (reset.table, reset.before, reset.after) == ("loading_shade", 6, 1001)
    assert next_key(server, target) == 1001


def test_the_next_key_is_above_the_rows_where_the_source_says_less(
    tmp_path: Path, source: Endpoint, target: Endpoint, server: Server
) -> None:
    directory = make_run(tmp_path / "run", SHADES, sequences={"loading_shade": 2})
    assert load_into(target, source, directory).sequences == ()
    assert next_key(server, target) == 6


def test_a_second_load_raises_nothing(tmp_path: Path, source: Endpoint, target: Endpoint) -> None:
    directory = make_run(tmp_path / "run", SHADES, sequences={"loading_shade": 1000})
    load_into(target, source, directory)
    assert load_into(target, source, directory).sequences == ()


def test_tables_that_give_out_no_keys_are_left_alone(source: Endpoint, target: Endpoint) -> None:
    Endpoints("default", source, target).open()
    connection = connections[TARGET]
    wanted = {"loading.odd": 9, "loading.restaurant": 9, "loading.place": 9}
    resets = reset_sequences(connection, [Odd, Place, Restaurant, Shade], wanted)
    assert [reset.table for reset in resets] == ["loading_place"]
    assert next_keys(connection)["loading_place"] == 10
    connection.close()
