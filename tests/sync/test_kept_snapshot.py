"""A sync that knows the last snapshot looks only at what has changed in the source since."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fixturepipe import ConfigurationError, Event, Notice, StageStarted, SyncResult
from fixturepipe.artifacts.keptsnapshot import TABLE, draft_path, kept_path, read_kept
from fixturepipe.artifacts.rundir import RunDirectory
from tests.sync.moved import Moved


def kept(moved: Moved) -> Path:
    return kept_path(RunDirectory(moved.workdir))


def said(events: list[Event]) -> str:
    texts = (each.text for each in events if isinstance(each, Notice))
    # What tests before this one have deleted from the source is named in each sync.
    return "\n".join(text for text in texts if not text.startswith("The source no longer has"))


def synced(moved: Moved, **options: object) -> tuple[SyncResult, list[Event]]:
    events: list[Event] = []
    return moved.sync(events, **options), events


def compared(events: list[Event]) -> list[int]:
    """How many rows each comparison of whole models was about."""
    return [
        each.total for each in events if isinstance(each, StageStarted) and each.stage == "verify"
    ]


def test_only_what_changed_is_looked_at_and_everything_is_proved(known: Moved) -> None:
    before = kept(known).read_bytes()
    known.in_source("UPDATE loading_shade SET slug = 'other' WHERE id = 1")
    known.in_source("INSERT INTO loading_watched (id, name) VALUES (9, 'nine')")
    known.in_source('DELETE FROM "loading odd table"')
    result, events = synced(known)
    assert (result.updated, result.inserted) == ({"loading.shade": 1}, {"loading.watched": 1})
    assert result.deleted.keys() == {"loading.odd"}
    assert len(compared(events)) == 1  # the proof
    assert len(result.verify.models) > 50
    assert not said(events)
    assert kept(known).read_bytes() != before
    assert known.differences() == []


def test_without_a_change_everything_is_proved_all_the_same(known: Moved) -> None:
    result, events = synced(known)
    assert (result.ok, result.rows, len(compared(events))) == (True, 0, 1)


def test_touched_models_alone_can_be_proved(known: Moved) -> None:
    known.in_source("INSERT INTO loading_watched (id, name) VALUES (9, 'nine')")
    result, events = synced(known, verify="touched")
    assert [each.model for each in result.verify.models] == ["loading.watched"]
    result, events = synced(known, verify="touched")
    assert (result.ok, compared(events), said(events)) == (True, [], "")


def test_a_dry_run_leaves_the_snapshot_as_it_was(known: Moved) -> None:
    before = kept(known).stat().st_ino
    known.in_source("INSERT INTO loading_watched (id, name) VALUES (9, 'nine')")
    result, events = synced(known, dry_run=True)
    assert (result.rows, compared(events)) == (1, [])
    assert result.expected_seconds is not None
    assert kept(known).stat().st_ino == before


def test_a_run_keeps_the_snapshot_for_the_first_sync(known: Moved) -> None:
    kept(known).unlink()
    known.run(keep_snapshot=True)
    assert kept(known).exists()


# ---- rows that somebody else has written


def test_a_touched_row_that_somebody_else_changed_is_refused(known: Moved) -> None:
    known.in_source("UPDATE loading_shade SET slug = 'ours' WHERE id = 1")
    known.in_target("UPDATE loading_shade SET slug = 'theirs' WHERE id = 1")
    with pytest.raises(ConfigurationError, match=r"loading.shade: 1 row changed: 1"):
        known.sync()


def test_a_row_more_in_the_target_is_refused_before_anything_is_written(known: Moved) -> None:
    known.in_source("INSERT INTO loading_watched (id, name) VALUES (9, 'nine')")
    known.in_target("INSERT INTO loading_shade (id, slug) VALUES (77, 'mine')")
    events: list[Event] = []
    with pytest.raises(ConfigurationError, match=r"loading.shade: 1 row added: 77"):
        known.sync(events)
    assert "rows of loading.shade, and had" in said(events)
    assert known.in_target("SELECT COUNT(*) FROM loading_watched") == [(0,)]


def test_the_proof_finds_a_row_that_was_changed_in_place_and_the_next_sync_names_it(
    known: Moved,
) -> None:
    known.in_source("INSERT INTO loading_watched (id, name) VALUES (9, 'nine')")
    known.in_target("UPDATE loading_shade SET slug = 'theirs' WHERE id = 1")
    result, events = synced(known)
    assert not result.ok
    assert [each.model for each in result.verify.models if not each.ok] == ["loading.shade"]
    assert "The kept snapshot was removed" in said(events)
    with pytest.raises(ConfigurationError, match=r"loading.shade: 1 row changed: 1"):
        known.sync()


# ---- a snapshot that is of no use


def _damage(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def _empty(file: Path) -> None:
    file.write_bytes(b"not SQLite")


def _change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


def _of_other(file: Path) -> None:
    _change(file, f"UPDATE {TABLE} SET record = json_set(record, '$.state', 'other')")


def _altered(file: Path) -> None:
    _change(file, f"UPDATE {TABLE} SET record = json_set(record, '$.schema', 'other')")


def _newer(file: Path) -> None:
    _change(file, f"UPDATE {TABLE} SET record = json_set(record, '$.version', 99)")


def _other_types(file: Path) -> None:
    _change(file, "UPDATE django_content_type SET model = 'x' WHERE id = 1")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_damage, "malformed"),
        (_empty, "cannot be read"),
        (_of_other, "it is not a snapshot of what was moved last"),
        (_altered, "the tables of the source have been altered"),
        (_newer, "it has version 99"),
        (_other_types, "contenttypes.contenttype has changed"),
    ],
)
def test_a_snapshot_that_cannot_be_used_is_named_and_all_rows_are_compared(
    known: Moved, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(kept(known))
    known.in_source("INSERT INTO loading_watched (id, name) VALUES (9, 'nine')")
    result, events = synced(known)
    assert (result.ok, result.rows) == (True, 1)
    assert reason in said(events)
    assert "All rows are compared" in said(events)
    assert read_kept(kept(known)).rows["loading.watched"] == 1


def test_a_snapshot_of_one_transaction_cannot_be_kept(known: Moved) -> None:
    # What a command has left that was killed before it was proved.
    draft_path(RunDirectory(known.workdir)).write_bytes(kept(known).read_bytes())
    result, events = synced(known, snapshot="transaction")
    assert result.ok
    assert "No snapshot is kept" in said(events)
    assert not kept(known).exists()
