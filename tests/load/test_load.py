"""What `load` does: lossless, resuming, refusing what is not the run's."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import connections
from django.db.models.signals import post_save, pre_migrate, pre_save

from fixturepipe.artifacts.loadstatus import read_load_status
from fixturepipe.artifacts.manifest import read_manifest, write_manifest
from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints
from fixturepipe.errors import (
    ChunkFileError,
    ConfigurationError,
    LoadError,
    TransientLoadError,
    UsageError,
)
from fixturepipe.events import Event, Notice, StageAdvanced
from fixturepipe.load.server import lock
from fixturepipe.load.server.lock import loader_lock
from tests.apps.loading import models
from tests.django_versions import needs_generated_fields
from tests.loading import (
    RUN,
    Log,
    a,
    chunk_path,
    column,
    execute,
    load_into,
    make_run,
    read_applied,
    rows,
)
from tests.servers import Server

SHADES = [a("shade", 1, slug="red"), a("shade", 2, slug="blue")]


# ---- nothing is lost


def test_json_null_arrives_where_the_manifest_says(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    objects = [a("document", n, content=None, required=None) for n in (1, 2, 3)]
    directory = make_run(
        tmp_path / "run", objects, json_nulls={"loading.document": {"content": [2]}}
    )
    load_into(shared_target, source, directory)
    found = execute(
        shared_target, "SELECT id, content IS NULL, required IS NULL FROM loading_document"
    )
    assert sorted(found) == [(1, 1, 0), (2, 0, 0), (3, 1, 0)]


def test_descriptors_have_no_say_over_values(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [a("custom", 1, words="one two", loud="quiet")])
    load_into(shared_target, source, directory)
    assert column(shared_target, "custom", "loud") == ["quiet"]  # Loud.__set__ makes capitals


def test_the_order_of_ordered_objects_arrives_as_it_was(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    lines = [a("line", n, place=1, _order=order) for n, order in ((1, 7), (2, 0), (3, 3))]
    directory = make_run(tmp_path / "run", [a("place", 1, name="p")], lines)
    load_into(shared_target, source, directory)
    assert column(shared_target, "line", "_order") == [7, 0, 3]


def test_a_field_may_ask_the_database_while_a_statement_is_under_way(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    objects = [a("asking", n, name="x" * 200) for n in range(1, 3001)]
    load_into(shared_target, source, make_run(tmp_path / "run", objects))
    assert execute(shared_target, "SELECT COUNT(*) FROM loading_asking") == [(3000,)]


def test_a_reference_to_a_hidden_object_is_resolved(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(
        tmp_path / "run",
        [a("person", 4, name="Ada", born="1815-12-10", deleted=True)],
        [a("pointer", 1, person=["Ada", "1815-12-10"])],
    )
    load_into(shared_target, source, directory)
    assert column(shared_target, "pointer", "person_id") == [4]


def test_natural_keys_differ_where_the_collation_sees_them_as_equal(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    slugs = ["straße", "strasse", "STRASSE", "strasse ", "Strasse", "é", "e", "E"]
    directory = make_run(
        tmp_path / "run",
        [a("shade", n, slug=slug) for n, slug in enumerate(slugs, start=1)],
        [a("pointer", n, shade=[slug]) for n, slug in enumerate(slugs, start=1)],
    )
    load_into(shared_target, source, directory)
    assert column(shared_target, "pointer", "shade_id") == list(range(1, len(slugs) + 1))


def test_a_key_that_only_the_collation_would_find_is_an_error(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES, [a("pointer", 1, shade=["RED"])])
    with pytest.raises(LoadError, match=r"pk 1, field shade = \['RED'\]: no loading.Shade has"):
        load_into(shared_target, source, directory)


def test_references_by_natural_key_go_to_later_objects_of_the_chunk(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    nodes = [
        a("node", 1, slug="leaf", parent=["twig"]),
        a("node", 2, slug="twig", parent=["root"]),
        a("node", 3, slug="root", parent=None),
    ]
    load_into(shared_target, source, make_run(tmp_path / "run", nodes))
    assert column(shared_target, "node", "parent_id") == [2, 3, None]


@needs_generated_fields
def test_fields_that_an_object_does_not_give_get_their_defaults(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [a("defaults", 1, name="ada")])
    load_into(shared_target, source, directory)
    found = execute(
        shared_target, "SELECT python, called, `database`, `upper` FROM loading_defaults"
    )
    assert [(p, str(c), d, u) for p, c, d, u in found] == [(7, "2020-02-29", 9, "ADA")]


def test_no_receiver_is_called_and_the_models_are_named_once(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    called: list[str] = []

    def receiver(instance: models.Watched, **_: Any) -> None:
        called.append(instance.name)

    objects = [a("watched", n, name=f"w{n}") for n in (1, 2)]
    directory = make_run(tmp_path / "run", objects, [a("watched", 3, name="w3")])
    pre_save.connect(receiver, sender=models.Watched)
    try:
        log = Log()
        load_into(shared_target, source, directory, log=log)
    finally:
        pre_save.disconnect(receiver, sender=models.Watched)
    assert called == []
    assert log.text.count("loading.Watched") == 1
    assert "--signals" in log.text


def test_receivers_are_called_with_signals(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    called: list[tuple[str, bool]] = []

    def receiver(instance: models.Watched, raw: bool, **_: Any) -> None:
        called.append((instance.name, raw))

    directory = make_run(tmp_path / "run", [a("watched", 1, name="w1")], SHADES)
    post_save.connect(receiver, sender=models.Watched)
    try:
        log = Log()
        result = load_into(shared_target, source, directory, log=log, signals=True)
    finally:
        post_save.disconnect(receiver, sender=models.Watched)
    assert called == [("w1", True)]
    assert log.text == ""
    assert result.models == {"loading.watched": 1, "loading.shade": 2}


# ---- once, and again


def test_a_second_load_loads_nothing(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES)
    first = load_into(shared_target, source, directory)
    again = load_into(shared_target, source, directory)
    assert (first.objects, first.chunks, first.present, first.complete) == (2, 1, 0, True)
    assert (again.objects, again.chunks, again.present, again.complete) == (0, 0, 1, True)
    assert again.models == {"loading.shade": 2}


def test_load_continues_after_a_refused_chunk_is_corrected(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(
        tmp_path / "run", SHADES, [a("pointer", 1, shade=9)], [a("spot", x=1, y=2)]
    )
    with pytest.raises(LoadError, match="pk 1, field shade = 9"):
        load_into(shared_target, source, directory)
    load_status = read_load_status(directory, RUN)
    assert load_status is not None
    assert (load_status.loaded, load_status.failed, load_status.finished) == (((1, 1),), 2, False)
    path = chunk_path(directory, 2)
    path.write_text(path.read_text().replace("9", "2"))
    log = Log()
    result = load_into(shared_target, source, directory, log=log)
    assert result.chunks == 2
    assert "was edited" in log.text
    assert column(shared_target, "pointer", "shade_id") == [2]
    load_status = read_load_status(directory, RUN)
    assert load_status is not None
    assert (load_status.loaded, load_status.failed, load_status.finished) == (((1, 3),), None, True)


def test_an_edited_chunk_is_loaded_over_with_changed_only(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES)
    load_into(shared_target, source, directory)
    path = chunk_path(directory, 1)
    path.write_text(path.read_text().replace("red", "crimson"))
    log = Log()
    assert load_into(shared_target, source, directory, log=log).chunks == 0
    assert "edited after they were loaded: 1. `fixturepipe load --changed`" in log.text
    assert load_into(shared_target, source, directory, changed=True).chunks == 1
    assert column(shared_target, "shade", "slug") == ["crimson", "blue"]
    log = Log()
    assert load_into(shared_target, source, directory, changed=True, log=log).chunks == 0
    assert load_into(shared_target, source, directory, log=log).chunks == 0
    assert "edited" not in log.text


def test_a_chunk_that_was_arranged_again_is_refused(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    load_into(shared_target, source, make_run(tmp_path / "run", SHADES))
    other = make_run(tmp_path / "other", [a("shade", 3, slug="green")])
    with pytest.raises(LoadError, match=r"differ from those in .*/other: 1"):
        load_into(shared_target, source, other)


def test_a_damaged_chunk_is_named(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES)
    path = chunk_path(directory, 1)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ChunkFileError, match=r"0001-loading\.shade\.json, line 3") as caught:
        load_into(shared_target, source, directory)
    assert caught.value.exit_code == 3
    assert "continue with `fixturepipe load`" in caught.value.hint
    assert rows(shared_target, "loading.shade") == {}


def test_a_chunk_that_is_gone_is_named(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES)
    chunk_path(directory, 1).unlink()
    with pytest.raises(ChunkFileError, match="there is no such file"):
        load_into(shared_target, source, directory)


def test_only_and_from_choose_chunks(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", *[[a("shade", n, slug=f"s{n}")] for n in (1, 2, 3, 4)])
    assert load_into(shared_target, source, directory, only=2).chunks == 1
    assert not load_into(shared_target, source, directory, start=4).complete
    assert column(shared_target, "shade", "slug") == ["s2", "s4"]
    assert load_into(shared_target, source, directory).complete


def test_chunks_that_a_chosen_one_needs_are_named(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", *[[a("shade", n, slug=f"s{n}")] for n in (1, 2, 3, 4)])
    log = Log()
    load_into(shared_target, source, directory, log=log, only=2)
    load_into(shared_target, source, directory, log=log, start=4)
    load_into(shared_target, source, directory, log=log)
    named = [line for line in log.text.splitlines() if "others that are not loaded" in line]
    assert [line.partition(": ")[2].partition(".")[0] for line in named] == ["1", "1, 3"]


def test_a_chunk_that_does_not_exist_is_refused(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    with pytest.raises(UsageError, match="There is no chunk 7"):
        load_into(shared_target, source, make_run(tmp_path / "run", SHADES), only=7)


@pytest.mark.parametrize("loader", ["fast", "stock"])
def test_a_dry_run_leaves_nothing(
    loader: str, tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES, [a("pointer", 1, shade=["red"])])
    result = load_into(shared_target, source, directory, dry_run=True, loader=loader)
    assert (result.objects, result.dry_run) == (3, True)
    assert rows(shared_target, "loading.shade", "loading.pointer") == {}
    assert load_into(shared_target, source, directory).objects == 3


def test_a_dry_run_finds_what_a_load_would(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES, [a("pointer", 1, shade=["green"])])
    with pytest.raises(LoadError, match="green"):
        load_into(shared_target, source, directory, dry_run=True)
    assert rows(shared_target, "loading.shade", "loading.pointer") == {}


def test_a_lost_ledger_does_no_harm(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES, [a("pointer", 1, shade=["red"])])
    load_into(shared_target, source, directory)
    before = rows(shared_target)
    execute(shared_target, "DROP TABLE fixturepipe_ledger")
    execute(shared_target, "DROP TABLE fixturepipe_run")
    with pytest.raises(ConfigurationError, match=r"rows that this run did not write:\n.*Shade: 2"):
        load_into(shared_target, source, directory)
    load_into(shared_target, source, directory, existing="update")
    assert rows(shared_target) == before


def test_reading_the_ledger_makes_no_table(source: Endpoint, shared_target: Endpoint) -> None:
    assert read_applied(Endpoints("default", source, shared_target), RUN) == {}
    assert execute(shared_target, "SHOW TABLES LIKE 'fixturepipe%'") == []


def test_chunks_that_the_server_confirmed_and_lost_are_loaded_again(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES, [a("spot", 1, x=1, y=1)])
    log = Log()

    def lose_the_first(event: Event) -> None:
        log(event)
        if isinstance(event, StageAdvanced) and "0002" in event.label:
            execute(shared_target, "DELETE FROM fixturepipe_ledger WHERE number = 1")
            execute(shared_target, "DELETE FROM loading_shade")

    result = load_into(shared_target, source, directory, log=lose_the_first)
    assert column(shared_target, "shade", "slug") == ["red", "blue"]
    assert result.complete
    assert "lost chunks that it had confirmed: 1." in log.text


# ---- what the target must be


def test_a_connection_lost_in_migrate_is_no_fault_of_the_project(
    tmp_path: Path, source: Endpoint, empty_target: Endpoint
) -> None:
    def lose(using: str, **kwargs: Any) -> None:
        with connections[using].cursor() as cursor:
            cursor.execute("KILL CONNECTION_ID()")

    directory = make_run(tmp_path / "run", SHADES)
    pre_migrate.connect(lose)
    try:
        with pytest.raises(TransientLoadError, match="was not migrated"):
            load_into(empty_target, source, directory)
    finally:
        pre_migrate.disconnect(lose)
    assert load_into(empty_target, source, directory).complete


def test_a_target_at_other_migrations_is_refused_with_the_list(
    tmp_path: Path, source: Endpoint, target: Endpoint
) -> None:
    execute(
        target, "DELETE FROM django_migrations WHERE name = '0012_alter_user_first_name_max_length'"
    )
    with pytest.raises(
        ConfigurationError, match=r"auth\.0012_alter_user_first_name_max_length is not"
    ):
        load_into(target, source, make_run(tmp_path / "run", SHADES))


def test_an_unfinished_run_of_others_is_refused(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    other = "f" * 32
    load_into(
        shared_target, source, make_run(tmp_path / "other", SHADES, SHADES, run=other), only=1
    )
    with pytest.raises(ConfigurationError, match=f"a run that is not finished: {other}"):
        load_into(shared_target, source, make_run(tmp_path / "run", SHADES))


def test_a_second_loader_is_refused(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES)
    Endpoints("default", source, shared_target).open()
    with (
        loader_lock(connections[TARGET]),
        pytest.raises(LoadError, match="Another fixturepipe command is running on this database"),
    ):
        load_into(shared_target, source, directory)
    assert load_into(shared_target, source, directory).complete


@contextmanager
def statement_with_emoji(server: Server) -> Iterator[None]:
    """Another session runs a statement with an emoji during the block."""
    runs, ends = (f"emoji_{uuid.uuid4().hex}" for _ in range(2))
    with closing(server.connect()) as busy, closing(server.connect()) as holder:
        cursor = holder.cursor()
        cursor.execute("SELECT GET_LOCK(%s, 0)", [ends])
        statement = f"SELECT GET_LOCK('{runs}', 0), GET_LOCK('{ends}', 60), '\U0001f600'"
        waiting = Thread(target=busy.cursor().execute, args=(statement,))
        waiting.start()
        try:
            while not cursor.execute("SELECT 1 FROM DUAL WHERE IS_USED_LOCK(%s)", [runs]):
                time.sleep(0.01)
            yield
        finally:
            cursor.execute("SELECT RELEASE_LOCK(%s)", [ends])
            waiting.join()


def test_statements_with_emoji_of_other_sessions_stop_no_load(
    tmp_path: Path,
    source: Endpoint,
    shared_target: Endpoint,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # MySQL cannot list its sessions meanwhile: error 3854.
    monkeypatch.setattr(lock, "_LOCK_WAIT", 0)
    directory = make_run(tmp_path / "run", SHADES)
    Endpoints("default", source, shared_target).open()
    with statement_with_emoji(server):
        with (
            loader_lock(connections[TARGET]),
            pytest.raises(LoadError, match="Another fixturepipe command is running"),
        ):
            load_into(shared_target, source, directory)
        assert load_into(shared_target, source, directory).complete


def test_tables_without_transactions_are_refused(
    tmp_path: Path, source: Endpoint, target: Endpoint
) -> None:
    execute(target, "ALTER TABLE loading_watched ENGINE = MyISAM")
    with pytest.raises(ConfigurationError, match=r"loading_watched \(MyISAM\)"):
        load_into(target, source, make_run(tmp_path / "run", [a("watched", 1, name="w")]))


def test_a_missing_table_is_named(tmp_path: Path, source: Endpoint, target: Endpoint) -> None:
    execute(target, "DROP TABLE loading_watched")
    directory = make_run(tmp_path / "run", [a("watched", 1, name="w")])
    with pytest.raises(ConfigurationError, match=r"no table for loading\.Watched"):
        load_into(target, source, directory)


def test_a_directory_without_chunks_is_refused(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    from fixturepipe.errors import RunDirectoryError

    directory = make_run(tmp_path / "run", SHADES)
    manifest = read_manifest(directory)
    manifest.arrangement = None
    write_manifest(directory, manifest)
    with pytest.raises(RunDirectoryError, match="has no chunks"):
        load_into(shared_target, source, directory)


# ---- files


def test_a_full_disk_does_not_stop_the_load(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", SHADES, [a("spot", 1, x=1, y=1)])
    # The load_status's temporary name is taken by a directory, so that it cannot be written.
    (directory.path / ".load.json.tmp").mkdir()
    log = Log()
    assert load_into(shared_target, source, directory, log=log).complete
    warnings = [e for e in log.events if isinstance(e, Notice) and "load.json" in e.text]
    assert len(warnings) == 1


def test_the_loaded_file_is_the_one_whose_sum_is_written(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    from hashlib import sha256

    directory = make_run(tmp_path / "run", SHADES)
    path = chunk_path(directory, 1)
    path.write_text(json.dumps(SHADES))
    load_into(shared_target, source, directory)
    entry = read_applied(Endpoints("default", source, shared_target), RUN)[1]
    assert entry.sha256 == sha256(path.read_bytes()).hexdigest()
    assert (entry.objects, entry.models) == (2, {"loading.shade": 2})


@pytest.mark.parametrize("loader", ["fast", "stock"])
def test_no_chunk_but_the_last_is_remembered(
    loader: str, tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    import gc

    from django.core.management.commands import loaddata

    def remembered() -> int:
        gc.collect()
        return sum(loaddata.Command in type(each).__mro__ for each in gc.get_objects())

    directory = make_run(tmp_path / "run", *[[a("shade", n, slug=f"s{n}")] for n in range(4)])
    before = remembered()  # Django's own command remembers itself; other tests call it
    load_into(shared_target, source, directory, loader=loader)
    assert remembered() - before <= 1
