"""After a sync the target holds what the source holds, whatever happened to either between."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fixturepipe import (
    ConfigurationError,
    Declaration,
    Event,
    LoadError,
    Notice,
    RunDirectoryError,
    StageFinished,
    UsageError,
)
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import read_state
from fixturepipe.artifacts.syncs import DIFFERENCES, read_deletes, read_syncs, sync_directory_of
from fixturepipe.databases.endpoints import Endpoints
from tests import servers
from tests.conftest import sqlite_endpoint
from tests.sync.moved import Moved, end

KILLS = int(os.environ.get("FIXTUREPIPE_CRASHES", "2"))


def label_and_keys(directory: RunDirectory, number: int) -> list[tuple[str, object]]:
    return list(read_deletes(sync_directory_of(directory, number)))


@settings(
    max_examples=int(os.environ.get("FIXTUREPIPE_SYNCS", "4")),
    # An example takes seconds, and a smaller seed is no simpler one.
    phases=[phase for phase in Phase if phase is not Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 10**6), times=st.integers(1, 60), by_files=st.booleans())
def test_any_edits_of_the_source_arrive(
    moved: Moved, seed: int, times: int, by_files: bool
) -> None:
    # Each example edits the first state, while the target is at that of the example before.
    shutil.copyfile(moved.source.with_name("first.sqlite3"), moved.source)
    with moved.editor(seed) as editor:
        editor.edit(times)
    if not by_files:
        moved.forget_snapshot()
    assert moved.sync(keep_snapshot=True).ok
    assert moved.differences() == []


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_sync_is_undone_or_done_and_the_next_ends_equal(moved: Moved, seed: int) -> None:
    if seed % 2:
        moved.sync(keep_snapshot=True)
    with moved.editor(seed) as editor:
        editor.edit(40)
    process = moved.start()
    time.sleep(random.Random(seed).uniform(0.2, 2.5))
    end(process)
    assert moved.sync().ok
    assert moved.differences() == []


def test_a_file_that_a_killed_sync_left_is_removed_by_the_next(moved: Moved) -> None:
    moved.in_source("UPDATE loading_strict SET once = 'changed' WHERE id = 1")
    number = moved.sync().number
    left = sync_directory_of(RunDirectory(moved.workdir), number).path / DIFFERENCES
    left.touch()  # by a kill between the commit and the end
    assert moved.sync().ok
    assert not left.exists()
    assert left.parent.exists()


def test_rows_trade_unique_values_and_keys(moved: Moved) -> None:
    moved.in_source("UPDATE loading_strict SET once = 'free' WHERE id = 1")
    moved.in_source("UPDATE loading_strict SET once = 'one' WHERE id = 2")
    moved.in_source("UPDATE loading_strict SET once = 'two' WHERE id = 1")
    assert moved.sync().updated["loading.strict"] == 2
    moved.in_source("UPDATE loading_strict SET id = 99 WHERE id = 1")
    moved.in_source("UPDATE loading_strict SET id = 1 WHERE id = 2")
    moved.in_source("UPDATE loading_strict SET id = 2 WHERE id = 99")
    result = moved.sync()
    assert (result.updated, result.inserted, result.deleted) == ({"loading.strict": 2}, {}, {})
    assert moved.in_target("SELECT once FROM loading_strict WHERE id < 3 ORDER BY id") == [
        ("one",),
        ("two",),
    ]


def test_what_was_deleted_is_listed_and_gone(moved: Moved) -> None:
    moved.in_source('DELETE FROM "loading odd table"')
    gone = moved.in_target("SELECT name FROM `loading odd table`")
    result = moved.sync()
    assert result.deleted == {"loading.odd": len(gone)}
    listed = label_and_keys(RunDirectory(moved.workdir), result.number)
    assert sorted(listed) == sorted(("loading.odd", key) for (key,) in gone)
    assert moved.in_target("SELECT COUNT(*) FROM `loading odd table`") == [(0,)]


def test_permissions_that_the_source_has_deleted_are_named(moved: Moved) -> None:
    row = "name, content_type_id, codename) SELECT 'Own', id, 'aaa' FROM django_content_type"
    moved.in_source(f"INSERT INTO auth_permission ({row} WHERE model = 'shade'")
    assert moved.sync().inserted == {"auth.permission": 1}
    moved.in_source("DELETE FROM auth_permission WHERE codename = 'aaa'")
    events: list[Event] = []
    result = moved.sync(events)
    assert (result.ok, result.rows) == (True, 0)
    named = [each.text for each in events if isinstance(each, Notice)]
    # Earlier tests may have deleted permissions, too: the first five are named.
    (text,) = (each for each in named if "no longer has auth.permission" in each)
    assert "aaa.loading.shade" in text


def test_a_sync_without_a_change_proves_it_and_keeps_no_files(moved: Moved) -> None:
    before = len(read_syncs(RunDirectory(moved.workdir)))
    for _ in range(3):
        result = moved.sync()
        assert (result.ok, result.rows, result.number) == (True, 0, 0)
    assert len(read_syncs(RunDirectory(moved.workdir))) <= before + 1


def test_the_target_gives_no_key_that_the_source_has_allocated(moved: Moved) -> None:
    moved.in_source("INSERT INTO loading_watched (id, name) VALUES (500, 'gone')")
    moved.in_source("DELETE FROM loading_watched")
    assert moved.sync().ok
    moved.in_target("INSERT INTO loading_watched (name) VALUES ('new')")
    assert moved.in_target("SELECT id > 500 FROM loading_watched") == [(1,)]
    moved.in_target("DELETE FROM loading_watched")


def test_status_knows_the_last_sync(moved: Moved) -> None:
    moved.in_source("INSERT INTO loading_watched (id, name) VALUES (1, 'one'), (2, 'two')")
    result = moved.sync()
    last = read_state(RunDirectory(moved.workdir)).sync
    assert last is not None
    assert (last.number, last.rows, last.verified) == (result.number, 2, True)


# ---- what is refused


def test_rows_that_somebody_else_wrote_are_refused_and_stay(moved: Moved) -> None:
    moved.in_source("INSERT INTO loading_watched (id, name) VALUES (9, 'nine')")
    moved.in_target("UPDATE loading_shade SET slug = 'mine' WHERE id = 1")
    moved.in_target("INSERT INTO loading_shade (id, slug) VALUES (77, 'mine, too')")
    moved.in_target("DELETE FROM loading_document WHERE id = 1")
    with pytest.raises(ConfigurationError, match="looks live") as refused:
        moved.sync()
    for said in ("shade: 1 row changed: 1", "shade: 1 row added: 77", "document: 1 row deleted: 1"):
        assert f"loading.{said}" in refused.value.message
    assert moved.in_target("SELECT COUNT(*) FROM loading_watched WHERE id = 9") == [(0,)]
    # A row that the source has is the source's again; one that it lacks stays.
    updated = moved.sync(existing="update")
    wrong = [each for each in updated.verify.models if not each.ok]
    assert [(each.model, each.extra, each.differing, each.missing) for each in wrong] == [
        ("loading.shade", 1, 0, 0)
    ]
    assert moved.sync(existing="delete").ok
    assert moved.differences() == []


def test_a_row_that_both_have_changed_is_refused(moved: Moved) -> None:
    moved.in_source("UPDATE loading_shade SET slug = 'ours' WHERE id = 1")
    moved.in_target("UPDATE loading_shade SET slug = 'theirs' WHERE id = 1")
    with pytest.raises(ConfigurationError, match=r"loading.shade: 1 row changed: 1"):
        moved.sync()


def test_a_row_that_both_have_changed_to_the_same_is_equal(moved: Moved) -> None:
    moved.in_source("UPDATE loading_shade SET slug = 'same' WHERE id = 1")
    moved.in_target("UPDATE loading_shade SET slug = 'same' WHERE id = 1")
    result = moved.sync()
    assert (result.ok, result.rows) == (True, 0)


def test_a_reference_to_a_deleted_row_stops_it_and_nothing_changes(moved: Moved) -> None:
    moved.in_source("UPDATE loading_strict SET place_id = 1 WHERE id = 1")
    moved.sync()
    before = moved.in_target("SELECT COUNT(*) FROM loading_place")
    for table, column in (
        *(("loading_pizzeria", "restaurant_ptr_id"), ("loading_restaurant", "place_ptr_id")),
        *(("loading_line", "place_id"), ("loading_place", "id")),
    ):
        moved.in_source(f"DELETE FROM {table} WHERE {column} = 1")
    with pytest.raises(LoadError, match=r"place refers to loading.Place 1") as refused:
        moved.sync()
    assert "The sync changed nothing in the target" in refused.value.hint
    assert moved.in_target("SELECT COUNT(*) FROM loading_place") == before
    moved.in_source("UPDATE loading_strict SET place_id = NULL WHERE place_id = 1")
    assert moved.sync().ok


def test_a_source_that_was_migrated_since_is_refused_by_name(moved: Moved) -> None:
    name = "('auth', '0099_more', '2026-01-01')"
    moved.in_source(f"INSERT INTO django_migrations (app, name, applied) VALUES {name}")
    manifest = moved.workdir / "manifest.json"
    content = json.loads(manifest.read_text())
    kept = [each for each in content["migrations"] if each != ["auth", "0001_initial"]]
    manifest.write_text(json.dumps({**content, "migrations": kept}))
    try:
        with pytest.raises(ConfigurationError, match=r"applied since: auth.0001_initial"):
            moved.sync()
    finally:
        manifest.write_text(json.dumps(content))


def test_a_target_without_the_finished_run_is_refused(moved: Moved, tmp_path: Path) -> None:
    other = Moved(moved.endpoints, tmp_path / "other")
    with pytest.raises(RunDirectoryError, match="no run"):
        other.sync()
    shutil.copytree(moved.workdir, other.workdir, dirs_exist_ok=True)
    manifest = other.workdir / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "run": "0" * 32}))
    with pytest.raises(ConfigurationError, match="holds no finished run"):
        other.sync()


def test_chunks_that_were_not_loaded_are_refused(moved: Moved, tmp_path: Path) -> None:
    other = Moved(moved.endpoints, tmp_path / "other")
    shutil.copytree(moved.workdir, other.workdir, dirs_exist_ok=True)
    chunk = next((other.workdir / "2-chunks").glob("0001-*"))
    chunk.unlink()
    with pytest.raises(RunDirectoryError, match="no longer holds what was loaded"):
        other.sync()


def test_what_was_loaded_is_not_dumped_over(moved: Moved) -> None:
    moved.in_source("INSERT INTO loading_watched (id, name) VALUES (4, 'four')")
    for command in (moved.run, moved.dump):
        with pytest.raises(UsageError, match="This run is finished") as refused:
            command()
        assert "fixturepipe sync" in refused.value.hint
    assert moved.sync().inserted == {"loading.watched": 1}


# ---- what the run altered


def test_fixes_the_transform_and_rejects_of_the_run_stay(
    server: servers.Server, source_template: Path, target_template: str, tmp_path: Path
) -> None:
    shutil.copyfile(source_template, tmp_path / "source.sqlite3")
    with server.database() as target:
        server.copy(target_template, str(target.settings["NAME"]))
        source = sqlite_endpoint(tmp_path / "source.sqlite3")
        moved = Moved(Endpoints("default", source, target), tmp_path / "run")
        place = "INSERT INTO loading_place (id, name) VALUES"
        moved.in_source(f"{place} (1, 'first'), (2, '{'long ' * 20}'), (3, 'third'), (4, 'drop')")
        moved.in_source("INSERT INTO loading_line (id, place_id, _order) VALUES (1, 99, 0)")
        moved.run(
            fix=(Declaration("loading.Place.name", "truncate"),),
            transform="tests.transforms:numbered_places",
            on_orphan="reject",
            ignore=("FP201",),
        )
        names = "SELECT id, name FROM loading_place ORDER BY id"
        assert moved.in_target(names)[0] == (1, "first 1")
        # What the transform makes of it is not what the target holds, though the source is.
        moved.in_source("UPDATE loading_place SET name = 'first 1' WHERE id = 1")
        moved.in_source(f"UPDATE loading_place SET name = '{'longer ' * 20}' WHERE id = 2")
        moved.in_source(f"{place} (5, 'fifth')")
        result = moved.sync()
        assert (result.ok, result.updated) == (True, {"loading.place": 2})
        cut = ("longer " * 20)[:40]
        assert moved.in_target(names) == [
            *((1, "first 1 1"), (2, cut), (3, "third 3"), (5, "fifth 5")),
        ]
        assert moved.sync().rows == 0
        moved.in_source("INSERT INTO loading_place (id, name) VALUES (99, 'found')")
        assert moved.sync().inserted == {"loading.place": 1, "loading.line": 1}


# ---- a dry run


def test_a_dry_run_counts_and_changes_nothing(moved: Moved) -> None:
    with moved.editor(7) as editor:
        editor.edit(30)
    before = len(read_syncs(RunDirectory(moved.workdir)))
    dry = moved.sync(dry_run=True)
    assert dry.rows > 0
    assert dry.expected_seconds is not None
    assert len(read_syncs(RunDirectory(moved.workdir))) == before
    events: list[object] = []
    wet = moved.sync(events)  # type: ignore[arg-type]
    assert (dry.inserted, dry.updated, dry.deleted) == (wet.inserted, wet.updated, wet.deleted)
    assert any(isinstance(e, StageFinished) and e.stage == "sync" for e in events)


def test_touched_models_alone_can_be_compared(moved: Moved) -> None:
    moved.in_source("INSERT INTO loading_watched (id, name) VALUES (3, 'three')")
    result = moved.sync(verify="touched")
    assert [each.model for each in result.verify.models] == ["loading.watched"]
    assert result.ok


class Meanwhile(list[Event]):
    """The events of a sync. Once it has found what differs, somebody else writes to the target."""

    def __init__(self, write: Callable[[], object]) -> None:
        self._write = write

    def append(self, event: Event) -> None:
        if isinstance(event, StageFinished) and event.stage == "sync":
            self._write()


@pytest.mark.parametrize(
    ("ours", "theirs", "named"),
    [
        (
            "UPDATE loading_shade SET slug = 'ours' WHERE id = 1",
            "UPDATE loading_shade SET slug = 'theirs' WHERE id = 1",
            "loading.shade: 1 row changed: 1",
        ),
        (
            "UPDATE loading_strict SET once = 'ours' WHERE id = 1",
            "DELETE FROM loading_strict WHERE id = 1",
            "loading.strict: 1 row deleted: 1",
        ),
        (
            "INSERT INTO loading_shade (id, slug) VALUES (901, 'ours')",
            "INSERT INTO loading_shade (id, slug) VALUES (901, 'theirs')",
            "loading.shade pk 901: the target already has a row with this key",
        ),
    ],
)
def test_a_row_that_somebody_else_writes_during_a_sync_stays_and_is_named(
    moved: Moved, server: servers.Server, ours: str, theirs: str, named: str
) -> None:
    moved.in_source(ours)
    assert moved.endpoints.target is not None
    database = str(moved.endpoints.target.settings["NAME"])
    with pytest.raises((ConfigurationError, LoadError), match=named):
        moved.sync(events=Meanwhile(lambda: server.execute(theirs, database)))
    for table, column in (("shade", "slug"), ("strict", "once")):
        rows = f"SELECT COUNT(*) FROM loading_{table} WHERE {column} = 'ours'"
        assert moved.in_target(rows) == [(0,)]
