"""Nothing is made, changed or removed in a directory that is not known as ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fixturepipe.artifacts.manifest import open_run
from fixturepipe.artifacts.ownership import run_in
from fixturepipe.artifacts.records import fixture_writer
from fixturepipe.artifacts.rundir import RunDirectory, atomic_file
from fixturepipe.cli import main
from fixturepipe.errors import RunDirectoryError

WEB_APP = '{"name": "My PWA", "version": 1, "run": "x"}'
FULL = Path("/dev/full")
TRUNCATED = '{"version": 1, "run"'


def content(path: Path) -> dict[str, int]:
    return {str(each.relative_to(path)): each.stat().st_mode for each in path.rglob("*")}


@pytest.mark.parametrize(
    "files",
    [
        {"app.js": ""},
        {"manifest.json": WEB_APP},
        {"manifest.json": WEB_APP, "1-dump/a.json": ""},
        {"manifest.json": ""},
        {"manifest.json": TRUNCATED, "app.js": "", "1-dump/a.json": ""},
        {"manifest.json": "[]"},
        {"server/main.py": ""},
        {"rejects/x.json": ""},
        {"1-dump/a.json": "", "app.js": ""},
    ],
    ids=str,
)
def test_another_directory_is_left_as_it_is(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / "it" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "it" / name).write_text(text)
    before = content(tmp_path)
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        RunDirectory(tmp_path / "it").create()
    assert content(tmp_path) == before


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    open_run(directory)
    for name in ("1-dump/shop.json", "2-chunks/0001-shop.tag.json", "2-chunks/.catalog"):
        (directory.path / name).touch()
    for name in (
        "load.json",
        ".load.json.tmp",
        "findings.jsonl",
        "snapshot.sqlite3-wal",
        "last-snapshot.sqlite3",
    ):
        (directory.path / name).touch()
    (directory.server / "data" / "mysql").mkdir(parents=True)
    (directory.server / "data" / "mysql" / "user.frm").touch()
    (directory.server / "users.lock").touch()
    return directory


def test_all_of_ours_is_removed(directory: RunDirectory) -> None:
    assert directory.remove()
    assert not directory.path.exists()


@pytest.mark.parametrize("text", [None, "", TRUNCATED])
def test_a_directory_whose_manifest_is_damaged_or_gone_is_ours(
    directory: RunDirectory, text: str | None
) -> None:
    directory.manifest.unlink()
    if text is not None:
        directory.manifest.write_text(text)
    directory.require_ours()
    assert directory.remove()


def test_a_manifest_with_its_end_cut_off_names_its_run(directory: RunDirectory) -> None:
    run = run_in(directory.path)
    assert run is not None
    directory.manifest.write_bytes(directory.manifest.read_bytes()[:90])
    assert run_in(directory.path) == run


@pytest.mark.parametrize(
    "name",
    [
        *("photo.jpg", "1-dump/notes.txt", "2-chunks/mine.json", "server/main.py", "data/x.json"),
        *("1-dump/tmp/x", "rejects/data/x", ".scratch/mine/x"),
    ],
)
def test_other_files_stay_and_so_does_the_directory(directory: RunDirectory, name: str) -> None:
    path = directory.path / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("mine")
    assert not directory.remove()
    assert [each for each in directory.path.rglob("*") if each.is_file()] == [path]


@pytest.mark.parametrize("name", ["1-dump", "server/data", "load.json"])
def test_a_symbolic_link_is_removed_and_not_what_it_leads_to(
    directory: RunDirectory, tmp_path: Path, name: str
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.json").touch()
    path = directory.path / name
    path.rename(tmp_path / "before")
    path.symlink_to(tmp_path / "photos")
    assert directory.remove()
    assert (tmp_path / "photos" / "cat.json").exists()


def test_a_run_directory_that_is_a_link_is_emptied(directory: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory.path)
    link = RunDirectory(tmp_path / "link")
    link.create()
    assert not link.remove()
    assert list(directory.path.iterdir()) == []


def test_the_current_directory_is_emptied_and_stays(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory.path)
    assert not RunDirectory(Path()).remove()
    assert list(directory.path.iterdir()) == []


def test_a_file_in_the_place_of_a_directory_stays(directory: RunDirectory) -> None:
    (directory.dumps / "shop.json").unlink()
    directory.dumps.rmdir()
    directory.dumps.touch()
    assert not directory.remove()
    assert list(directory.path.iterdir()) == [directory.dumps]


@pytest.mark.parametrize("name", ["rejects", "server", "3-sync", ".scratch"])
def test_a_directory_of_ours_that_is_a_link_is_refused(
    directory: RunDirectory, tmp_path: Path, name: str
) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    path = directory.path / name
    if path.exists():
        path.rename(tmp_path / "before")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryError, match="symbolic link"):
        directory.create()
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o755


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".f.json.tmp").symlink_to(victim)
    with fixture_writer(tmp_path / "f.json") as writer:
        writer.write([b"{}"])
    assert victim.read_text() == "mine"
    assert not (tmp_path / "f.json").is_symlink()


def test_a_link_in_the_place_of_the_lock_is_not_followed(
    directory: RunDirectory, tmp_path: Path
) -> None:
    (directory.path / ".lock").unlink(missing_ok=True)
    (directory.path / ".lock").symlink_to(tmp_path / "victim")
    with pytest.raises(RunDirectoryError), directory.locked():
        pass
    assert not (tmp_path / "victim").exists()


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_said_of_the_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"No space left on device.*f\.json") as caught,
        atomic_file(tmp_path / "f.json"),
        FULL.open("wb", buffering=0) as full,
    ):
        os.write(full.fileno(), b"x")
    assert caught.value.filename == str(tmp_path / "f.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("action", ["start", "stop"])
def test_server_touches_no_other_directory(tmp_path: Path, action: str) -> None:
    (tmp_path / "server" / "data").mkdir(parents=True)
    (tmp_path / "app.js").touch()
    before = content(tmp_path)
    assert main(["server", action, "--workdir", str(tmp_path)]) == 2
    assert content(tmp_path) == before
