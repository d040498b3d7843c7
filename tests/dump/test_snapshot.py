"""A dump has one snapshot, continues after an interruption, and notices changes of the source.

source ──backup──▶ snapshot.sqlite3 ──▶ 1-dump/a.json  1-dump/b.json …   manifest.json
   ▲ a site writes on
"""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.db import connections

from fixturepipe.arrange.stage import arrange
from fixturepipe.artifacts.manifest import Arrangement, write_manifest
from fixturepipe.databases.endpoints import Endpoint, Endpoints, complete_settings
from fixturepipe.dump.fingerprint import what_moved
from fixturepipe.dump.stage import DumpOptions, dump
from fixturepipe.events import StageAdvanced, StageFinished, StageStarted
from tests.apps.everyfield.models import ByText, Everything
from tests.dumping import Dumped
from tests.loading import Log

APPS = ("auth", "everyfield")


@pytest.fixture
def dumped(source, tmp_path):
    Group.objects.create(name="readers")
    Everything.objects.bulk_create([Everything(text=str(n)) for n in range(50)])
    return Dumped(tmp_path / "run", source)


def write(source, statement):
    """As another process would."""
    with closing(sqlite3.connect(source.settings["NAME"], isolation_level=None)) as other:
        other.execute(statement)


def moved(dumped):
    marks = dumped.manifest.source.fingerprint
    return what_moved(marks, dumped.directory, Endpoints("default", dumped.source))


@pytest.mark.parametrize("kind", ["backup", "transaction"])
@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_a_writer_that_commits_while_the_dump_runs_changes_nothing_in_it(
    dumped, kind, journal_mode
):
    write(dumped.source, f"PRAGMA journal_mode={journal_mode}")
    refused = []

    def interfere(event):
        if isinstance(event, StageStarted):
            try:
                with closing(sqlite3.connect(dumped.source.settings["NAME"], timeout=0)) as other:
                    other.execute("DELETE FROM everyfield_everything")
                    other.execute("INSERT INTO auth_group (id, name) VALUES (9, 'late')")
                    other.commit()
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    dumped.listener = interfere
    result = dumped(*APPS, snapshot=kind)
    assert result.models["everyfield.everything"] == 50
    assert result.models["auth.group"] == 1
    # A read transaction without a write-ahead log holds writers off; a copy never does.
    assert bool(refused) == (kind == "transaction" and journal_mode == "delete")


def test_the_copy_of_the_source_is_private_and_gone_afterwards(dumped):
    modes = []

    def look(event):
        if isinstance(event, StageStarted):
            path = dumped.directory.path / "snapshot.sqlite3"
            modes.append(stat.S_IMODE(path.stat().st_mode))

    dumped.listener = look
    dumped(*APPS)
    assert modes == [0o600]
    assert not list(dumped.directory.path.glob("snapshot*"))


def test_nothing_is_written_into_the_source(dumped):
    file = Path(dumped.source.settings["NAME"])
    before = file.read_bytes()
    dumped(*APPS)
    dumped(*APPS, snapshot="transaction")
    assert file.read_bytes() == before


def test_an_in_memory_source_is_dumped(tmp_path, dumped):
    path = dumped.source.settings["NAME"]
    settings = complete_settings({"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"})
    endpoints = Endpoints("default", Endpoint("memory", settings))
    with endpoints.bound_to_source():
        connections["default"].ensure_connection()
        with closing(sqlite3.connect(path)) as file:
            file.backup(connections["default"].connection)
        result = dump(dumped.directory, endpoints, DumpOptions(labels=APPS, snapshot="transaction"))
        assert Everything.objects.count() == 50
        # Django keeps a database in memory open, as its end is the end of the data.
        connections["default"].connection.close()
    assert result.models["everyfield.everything"] == 50


def test_a_valid_dump_is_reused(dumped):
    first = dumped(*APPS)
    assert first.skipped == ()
    files = {path: path.stat().st_ino for path in dumped.directory.dumps.iterdir()}
    second = dumped(*APPS)
    assert second.skipped == APPS
    assert (second.models, second.objects) == (first.models, first.objects)
    assert {path: path.stat().st_ino for path in dumped.directory.dumps.iterdir()} == files


def test_a_damaged_file_is_made_again_and_the_others_are_not(dumped):
    dumped(*APPS)
    path = dumped.directory.dumps / "auth.json"
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    assert dumped(*APPS).skipped == ("everyfield",)
    assert path.read_bytes() == content


def test_one_app_is_dumped_again_and_the_others_stay(dumped):
    dumped.listener = log = Log()
    models = dumped(*APPS).models
    everything = dumped.manifest
    (dumped.directory.dumps / "auth.json").unlink()
    again = dumped("auth")
    assert (again.models, again.skipped) == (models, ("everyfield",))
    assert dumped.manifest.natural_references == everything.natural_references
    assert dumped.manifest.sequences == everything.sequences
    assert sorted(path.name for path in dumped.directory.dumps.iterdir()) == [
        "auth.json",
        "everyfield.json",
    ]
    assert log.text == "Kept, because the source has not changed: 1-dump/everyfield.json"
    arrange(dumped.directory, dumped.manifest.schemas())
    assert dumped.manifest.arrangement.models.keys() >= {"auth.group", "everyfield.everything"}


def test_dumps_of_a_source_that_moved_go_when_one_app_is_dumped_again_and_that_is_said(dumped):
    dumped.listener = log = Log()
    dumped(*APPS)
    write(dumped.source, "UPDATE everyfield_everything SET text = 'other' WHERE id = 7")
    assert {label.split(".")[0] for label in dumped("auth").models} == {"auth"}
    assert [path.name for path in dumped.directory.dumps.iterdir()] == ["auth.json"]
    assert log.text.startswith(
        "Removed, because the source has changed since: 1-dump/everyfield.json"
    )


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_a_source_that_changed_is_dumped_again(dumped, journal_mode):
    write(dumped.source, f"PRAGMA journal_mode={journal_mode}")
    dumped(*APPS)
    write(dumped.source, "UPDATE everyfield_everything SET text = 'other' WHERE id = 7")
    assert dumped(*APPS).skipped == ()
    assert dumped.fields("everyfield.everything")[7]["text"] == "other"


def test_other_natural_keys_make_other_dumps(dumped):
    dumped(*APPS)
    assert dumped(*APPS, natural_keys="none").skipped == ()


def test_the_arrangement_falls_with_the_dumps_it_was_made_of(dumped):
    dumped(*APPS)
    manifest = dumped.manifest
    manifest.arrangement = Arrangement({}, 1, 1, (), 0, {})
    write_manifest(dumped.directory, manifest)
    dumped(*APPS)
    assert dumped.manifest.arrangement is not None
    write(dumped.source, "DELETE FROM everyfield_everything")
    dumped(*APPS)
    assert dumped.manifest.arrangement is None


def test_an_app_that_is_excluded_by_name_is_no_longer_there(dumped):
    dumped(*APPS)
    result = dumped("auth", exclude=("everyfield",))
    assert [dump.app for dump in dumped.manifest.dumps] == ["auth"]
    assert [path.name for path in dumped.directory.dumps.iterdir()] == ["auth.json"]
    assert result.skipped == ("auth",)


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_a_source_that_stays_as_it_was_has_not_moved(dumped, journal_mode):
    write(dumped.source, f"PRAGMA journal_mode={journal_mode}")
    dumped(*APPS)
    assert moved(dumped) == []
    os.utime(dumped.source.settings["NAME"])
    assert moved(dumped) == []


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM auth_group", "auth_group has 0 rows, it had 1"),
        ("UPDATE auth_group SET name = 'other'", "rows were changed in place"),
        ("UPDATE everyfield_everything SET id = 99 WHERE id = 50", "has other rows"),
        ("ALTER TABLE auth_group ADD COLUMN more integer", "its tables were altered"),
        ("CREATE TABLE extra (id integer)", "extra is new"),
    ],
)
@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_a_source_that_changed_names_the_change(dumped, statement, expected, journal_mode):
    write(dumped.source, f"PRAGMA journal_mode={journal_mode}")
    dumped(*APPS)
    write(dumped.source, statement)
    assert any(expected in change for change in moved(dumped))


def test_progress_adds_up(dumped):
    events = []
    dumped.listener = events.append
    result = dumped(*APPS)
    (started,) = [event for event in events if isinstance(event, StageStarted)]
    (finished,) = [event for event in events if isinstance(event, StageFinished)]
    advanced = sum(event.objects for event in events if isinstance(event, StageAdvanced))
    assert started.total == finished.objects == advanced == result.objects


def test_a_killed_dump_leaves_no_half_file_and_goes_on(dumped, tmp_path):
    """Killed while the second app is written; the first must not be written again."""
    ByText.objects.bulk_create([ByText(name=f"{n:09}", value=n) for n in range(60_000)])
    program = f"""
import sys
import django
from django.conf import settings
django.setup()
from pathlib import Path
from fixturepipe.dump import stage
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoints, resolve_endpoint
stage.SAVED_EVERY = 0
def tell(event):
    if getattr(event, "label", "") == "everyfield.bytext":
        print("there", flush=True)
        sys.stdin.read()
endpoints = Endpoints("default", resolve_endpoint("sqlite:///{dumped.source.settings["NAME"]}"))
stage.dump(RunDirectory(Path({str(dumped.directory.path)!r})), endpoints,
           stage.DumpOptions(labels={APPS!r}), tell)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    assert process.stdout.readline() == "there\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    files = [path.name for path in dumped.directory.dumps.iterdir()]
    assert "auth.json" in files
    assert "everyfield.json" not in files
    assert (dumped.directory.path / "snapshot.sqlite3").exists()

    result = dumped(*APPS)

    assert result.skipped == ("auth",)
    assert result.models["everyfield.bytext"] == 60_000
    assert not list(dumped.directory.path.glob("snapshot*"))
    assert len(json.loads((dumped.directory.dumps / "everyfield.json").read_text())) == 60_050


def test_a_source_that_is_written_all_the_time_is_copied_whole(dumped, monkeypatch):
    """Each step finds the source written since the last: the copy is then made in one."""
    from fixturepipe.dump import snapshot

    monkeypatch.setattr(snapshot, "STEP_PAGES", 1)
    steps = []
    watch = snapshot._Watch.__call__

    def write_between(self, status, remaining, total):
        steps.append(remaining)
        if remaining:
            write(dumped.source, f"UPDATE auth_group SET name = 'n{len(steps)}'")
        watch(self, status, remaining, total)

    monkeypatch.setattr(snapshot._Watch, "__call__", write_between)
    assert dumped(*APPS).models["everyfield.everything"] == 50
    assert 1 < steps.count(max(steps)) <= snapshot.RESTARTS + 2
