"""Rows that the run did not write are never changed or deleted unasked, whenever they appear."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.models.signals import post_migrate

from fixturepipe.artifacts.manifest import read_manifest, write_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints
from fixturepipe.databases.ledger import RUNS, Ledger
from fixturepipe.errors import ConfigurationError, LoadError
from fixturepipe.events import Event, StageAdvanced
from fixturepipe.load.server.tablemaker import WrittenTables
from fixturepipe.load.stage import LoadOptions, prepare_target
from tests.apps.loading import models
from tests.loading import RUN, Log, a, column, execute, load_into, make_run

SHADES = [a("shade", 1, slug="red"), a("shade", 2, slug="blue")]
MORE = [a("shade", 3, slug="green"), a("shade", 4, slug="white")]
SITE_ROW = "INSERT INTO loading_shade (id, slug) VALUES (8, 'by the site')"


def prepare(directory: RunDirectory, source: Endpoint, target: Endpoint) -> None:
    endpoints = Endpoints("default", source, target)
    endpoints.open()
    prepare_target(directory, endpoints, LoadOptions(), Log())


@contextmanager
def row_after_migrate() -> Iterator[None]:
    """A project that inserts a row whenever it is migrated."""

    def insert(using: str, **_: Any) -> None:
        models.Shade.objects.using(using).get_or_create(id=8, slug="of a migration")

    post_migrate.connect(insert)
    try:
        yield
    finally:
        post_migrate.disconnect(insert)


# ---- what migrate wrote


def test_what_the_runs_own_migrate_wrote_is_replaced(
    tmp_path: Path, source: Endpoint, empty_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES)
    with row_after_migrate():
        load_into(empty_target, source, directory)
    assert column(empty_target, "shade", "slug") == ["red", "blue"]


def test_rows_that_appear_after_migrate_are_not_the_runs(
    tmp_path: Path, source: Endpoint, empty_target: Endpoint
) -> None:
    directory = RunDirectory(tmp_path / "run")
    with row_after_migrate():
        prepare(directory, source, empty_target)
        assert column(empty_target, "shade", "slug") == []
        prepare(directory, source, empty_target)
    execute(empty_target, SITE_ROW)
    make_run(tmp_path / "run", SHADES, run=read_manifest(directory).run)
    with pytest.raises(ConfigurationError, match=r"did not write:\n  loading.Shade: 1 \(key 8\)"):
        load_into(empty_target, source, directory)
    assert column(empty_target, "shade", "slug") == ["by the site"]


def test_an_interrupted_migrate_begins_again(
    tmp_path: Path, source: Endpoint, empty_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES)
    prepare(directory, source, empty_target)
    execute(empty_target, f"UPDATE {RUNS} SET migrated = 0")
    execute(empty_target, "DELETE FROM django_migrations WHERE app = 'auth'")
    assert load_into(empty_target, source, directory).complete


def test_an_interrupted_migrate_drops_no_rows_that_it_did_not_write(
    tmp_path: Path, source: Endpoint, empty_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES)
    prepare(directory, source, empty_target)
    execute(empty_target, f"UPDATE {RUNS} SET migrated = 0")
    execute(empty_target, SITE_ROW)
    with pytest.raises(ConfigurationError, match="did not write:\n  loading_shade: 1"):
        load_into(empty_target, source, directory)
    assert column(empty_target, "shade", "slug") == ["by the site"]


@pytest.mark.parametrize(
    ("statements", "tables"),
    [
        (["INSERT INTO `a` (`b`) VALUES (1)"], {"a"}),
        (["insert ignore into x.a values (1)", "REPLACE `b` VALUES (1)"], {"a", "b"}),
        (["CREATE TABLE a AS SELECT 1", "CREATE TABLE b (c int)"], {"a"}),
        (["INSERT INTO a VALUES (1)", "ALTER TABLE `a` RENAME TO `b`"], {"a", "b"}),
        (["ALTER TABLE `a` RENAME TO `b`", "RENAME TABLE c TO d"], set()),
        (["UPDATE a SET b = 1", "SELECT * FROM a", "DELETE FROM a"], set()),
    ],
)
def test_a_written_table_is_recorded_before_it_is_written(
    statements: list[str], tables: set[str]
) -> None:
    events: list[str] = []
    written = WrittenTables(lambda table: events.append(f"record {table}"))
    for statement in statements:
        written(lambda *_: events.append("execute"), statement, None, False, {})
    assert {event.partition(" ")[2] for event in events if event != "execute"} == tables
    assert not tables or events[0] != "execute"


# ---- what others wrote


def test_rows_of_others_are_refused_with_their_counts(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    execute(shared_target, "INSERT INTO loading_shade (id, slug) VALUES (7, 'mine'), (8, 'too')")
    with pytest.raises(
        ConfigurationError, match=r"rows that this run did not write:\n  loading.Shade: 2"
    ):
        load_into(shared_target, source, make_run(tmp_path / "run", SHADES))


def test_existing_rows_are_updated_by_their_key(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    execute(shared_target, "INSERT INTO loading_shade (id, slug) VALUES (2, 'old'), (8, 'kept')")
    load_into(shared_target, source, make_run(tmp_path / "run", SHADES), existing="update")
    assert column(shared_target, "shade", "slug") == ["red", "blue", "kept"]


def test_a_row_that_is_the_same_is_not_written_again(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    """The trigger would refuse it."""
    execute(shared_target, "INSERT INTO loading_shade (id, slug) VALUES (1, 'red'), (2, 'Blue')")
    execute(
        shared_target,
        "CREATE TRIGGER no_change BEFORE UPDATE ON loading_shade FOR EACH ROW"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'written'",
    )
    try:
        with pytest.raises(LoadError, match=r"loading.shade pk 2: written") as raised:
            load_into(shared_target, source, make_run(tmp_path / "run", SHADES), existing="update")
        assert "pk 1" not in str(raised.value)
    finally:
        execute(shared_target, "DROP TRIGGER no_change")


def test_an_update_never_reaches_another_row_through_a_unique_column(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    execute(shared_target, "INSERT INTO loading_product (id, number) VALUES (5, 'n')")
    directory = make_run(tmp_path / "run", [a("product", 6, number="n")])
    with pytest.raises(LoadError, match="pk 6, field number = 'n': Duplicate"):
        load_into(shared_target, source, directory, existing="update")
    assert column(shared_target, "product", "id") == [5]


def test_existing_rows_are_deleted_first(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    execute(shared_target, "INSERT INTO loading_shade (id, slug) VALUES (2, 'old'), (8, 'gone')")
    load_into(shared_target, source, make_run(tmp_path / "run", SHADES), existing="delete")
    assert column(shared_target, "shade", "slug") == ["red", "blue"]


def test_deleting_happens_once(tmp_path: Path, source: Endpoint, shared_target: Endpoint) -> None:
    directory = make_run(tmp_path / "run", SHADES, [a("spot", 1, x=1, y=1)])
    load_into(shared_target, source, directory, existing="delete", only=1)
    load_into(shared_target, source, directory, existing="delete")
    assert column(shared_target, "shade", "slug") == ["red", "blue"]


def test_a_row_that_the_site_wrote_between_two_loads_is_refused_with_its_key(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES, MORE)
    load_into(shared_target, source, directory, only=1)
    execute(shared_target, "INSERT INTO loading_shade (id, slug) VALUES (3, 'by the site')")
    with pytest.raises(ConfigurationError, match=r"loading.Shade: 1 \(key 3\)"):
        load_into(shared_target, source, directory)
    assert column(shared_target, "shade", "slug") == ["red", "blue", "by the site"]
    load_into(shared_target, source, directory, existing="update")
    assert column(shared_target, "shade", "slug") == ["red", "blue", "green", "white"]


def test_only_rows_that_no_chunk_has_are_deleted_between_two_loads(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES, MORE)
    load_into(shared_target, source, directory, only=1)
    execute(shared_target, SITE_ROW)
    load_into(shared_target, source, directory, existing="delete")
    assert column(shared_target, "shade", "slug") == ["red", "blue", "green", "white"]


def test_rows_whose_keys_the_server_gave_are_never_taken_for_others(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [a("product", None, number="n")], SHADES)
    load_into(shared_target, source, directory, only=1)
    execute(shared_target, "INSERT INTO loading_product (id, number) VALUES (77, 'site')")
    with pytest.raises(ConfigurationError, match=r"loading.Product: 1$"):
        load_into(shared_target, source, directory)
    with pytest.raises(ConfigurationError, match="whose keys do not show"):
        load_into(shared_target, source, directory, existing="delete")
    assert sorted(column(shared_target, "product", "number")) == ["n", "site"]


@pytest.mark.parametrize("key", [4, 8])
def test_a_row_that_the_site_writes_during_a_load_stays_and_is_named(
    key: int, tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES, MORE)

    def write_meanwhile(event: Event) -> None:
        if isinstance(event, StageAdvanced) and "0001" in event.label:
            execute(shared_target, SITE_ROW.replace("8", str(key)))

    refusal = "loading.shade pk 4: the target already has a row with this key"
    if key == 8:  # in nobody's way, so it is found at the end
        refusal = r"loading.Shade: 1 \(key 8\)"
    with pytest.raises((LoadError, ConfigurationError), match=refusal):
        load_into(shared_target, source, directory, log=write_meanwhile)
    assert "by the site" in column(shared_target, "shade", "slug")
    assert load_into(shared_target, source, directory, existing="update").complete


def test_a_site_that_writes_after_the_load_is_done_is_in_nobodys_way(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES)
    load_into(shared_target, source, directory)
    execute(shared_target, SITE_ROW)
    assert load_into(shared_target, source, directory).chunks == 0


# ---- content types and permissions


def with_ids(directory: RunDirectory, ids: dict[str, list[tuple[list[Any], int]]]) -> None:
    manifest = read_manifest(directory)
    manifest.natural_ids = ids
    write_manifest(directory, manifest)


def test_content_types_keep_their_ids_where_the_target_had_none(
    tmp_path: Path, source: Endpoint, empty_target: Endpoint
) -> None:
    types = [a("contenttypes.contenttype", app_label="loading", model=m) for m in ("shade", "spot")]
    permission = {"content_type": ["loading", "spot"], "codename": "view_spot", "name": "view"}
    objects = [*types, a("auth.permission", **permission)]
    directory = make_run(tmp_path / "run", objects, SHADES)
    with_ids(
        directory,
        {
            "contenttypes.contenttype": [(["loading", "shade"], 41), (["loading", "spot"], 7)],
            "auth.permission": [(["view_spot", "loading", "spot"], 99)],
        },
    )
    load_into(empty_target, source, directory)
    assert sorted(execute(empty_target, "SELECT id, model FROM django_content_type")) == [
        (7, "spot"),
        (41, "shade"),
    ]
    assert execute(empty_target, "SELECT id, content_type_id FROM auth_permission") == [(99, 7)]
    state = Ledger(connections[TARGET], RUN).state()
    assert state is not None
    assert state.keeps_ids


def test_content_types_of_a_target_that_has_some_are_matched(
    tmp_path: Path, source: Endpoint, target: Endpoint
) -> None:
    before = execute(target, "SELECT id FROM django_content_type WHERE model = 'shade'")
    directory = make_run(
        tmp_path / "run", [a("contenttypes.contenttype", app_label="loading", model="shade")]
    )
    with_ids(directory, {"contenttypes.contenttype": [(["loading", "shade"], 4_100)]})
    load_into(target, source, directory)
    assert execute(target, "SELECT id FROM django_content_type WHERE model = 'shade'") == before
