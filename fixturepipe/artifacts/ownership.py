"""Which directories are ours, and what in them: nothing else is ever changed or removed.

A directory is ours if its manifest begins as ours does, or if it holds only names that fixturepipe
makes and one of those that nobody else uses (what a killed command leaves before or after its
manifest). `remove_files` removes those names and follows no symbolic link.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MANIFEST, LOCK = "manifest.json", ".lock"
DRAFT = ".2-chunks.tmp"
SCRATCH, SCRATCH_PREFIX = ".scratch", "fixturepipe-"
SYNCS = "3-sync"
KEPT_SNAPSHOT = "last-snapshot.sqlite3"

_MANIFEST_BEGINS = re.compile(rb'\{\s*"version":\s*\d+,\s*"run":\s*"([0-9a-f]{32})"')
_FILES = re.compile(
    r"manifest\.json|changes\.jsonl|findings\.jsonl|load\.json|verify\.json|report\.(html|json)"
    r"|check\.json|stages\.jsonl|chunktimes\.jsonl"
    r"|sync\.json|deletes\.jsonl|\.differences\.sqlite3"
    r"|\.lock|(last-)?snapshot\.sqlite3(-journal|-wal|-shm)?"
)
_SERVER = re.compile(
    r"data|data\.new|tmp|mariadbd\.(log|pid|sock|sock\.lock)|socket-directory|served|kept"
    r"|(change|users)\.lock"
)
_NONE = re.compile(r"(?!)")
# The directories that fixturepipe makes, and the names that it makes in them.
DIRECTORIES = {
    "1-dump": re.compile(r".+\.json"),
    "2-chunks": re.compile(r"\d{4,}-.+\.json|\.catalog"),
    "rejects": re.compile(r".+\.json"),
    SYNCS: _NONE,
    "server": _SERVER,
    DRAFT: re.compile(r"(\d+\.|\.|index\.|\d{4,}-).+"),
    SCRATCH: _NONE,
}
# Directories in them whose whole content is ours or the server's.
_TREES = {
    "server": re.compile(r"data|data\.new|tmp"),
    SCRATCH: re.compile(rf"{SCRATCH_PREFIX}\w{{8}}"),
}
_TEMPORARY = re.compile(r"\.(.+)\.tmp")
_UNMISTAKABLE = {"1-dump", "2-chunks", DRAFT, f".{MANIFEST}.tmp"}


def run_in(path: Path) -> str | None:
    """The id of the run whose manifest is in a directory, even if the rest of it is damaged."""
    with suppress(OSError), (path / MANIFEST).open("rb") as file:
        if found := _MANIFEST_BEGINS.match(file.read(200)):
            return found[1].decode()
    return None


def run_ids(path: Path) -> list[str]:
    """The ids under which the ledger knows a run and its syncs."""
    places = [path, *_syncs(path)]
    return [run for each in places if (run := run_in(each)) is not None]


def _syncs(path: Path) -> list[Path]:
    """The directories of a run's syncs, each laid out as a run directory."""
    if (path / SYNCS).is_symlink():
        return []
    found = sorted(_entries(path / SYNCS))
    return [each for each in found if each.name.isdecimal() and not each.is_symlink()]


def is_ours(path: Path) -> bool:
    """Whether an existing directory is empty or a run directory for certain."""
    names = {entry.name for entry in path.iterdir()}
    if not names or run_in(path) is not None:
        return True
    if MANIFEST in names and _is_json(path / MANIFEST):
        return False
    others = names - DIRECTORIES.keys()
    return bool(names & _UNMISTAKABLE) and all(_is_file_of(name, _FILES) for name in others)


def _is_json(path: Path) -> bool:
    """Whether a file is whole JSON: somebody else's manifest, not a damaged one of ours."""
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


def _is_file_of(name: str, files: re.Pattern[str]) -> bool:
    """Whether a name is one of these, or that of the temporary file that becomes one."""
    temporary = _TEMPORARY.fullmatch(name)
    return bool(files.fullmatch(temporary[1] if temporary else name))


def remove_files(path: Path) -> None:
    """Remove all that fixturepipe makes in a run directory, the manifest and the lock last.

    By the manifest the directory is known until all else is gone: a removal that was interrupted
    can be repeated. Raises OSError.
    """
    for sync in _syncs(path):
        remove_files(sync)
        with suppress(OSError):
            sync.rmdir()
    for name, files in DIRECTORIES.items():
        _remove_directory(path / name, files)
    for entry in [*_entries(path)]:
        if entry.name not in (MANIFEST, LOCK) and _is_file_of(entry.name, _FILES):
            _remove_file(entry)
    for name in (MANIFEST, LOCK):
        _remove_file(path / name)


def _remove_directory(path: Path, files: re.Pattern[str]) -> None:
    """Remove files of ours in a directory, and the directory if nothing else is in it."""
    if path.is_symlink():
        path.unlink()
        return
    if not path.is_dir():
        return
    trees = _TREES.get(path.name, _NONE)
    for entry in [*_entries(path)]:
        if trees.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif _is_file_of(entry.name, files):
            _remove_file(entry)
    with suppress(OSError):
        path.rmdir()


def _entries(path: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from path.iterdir()


def _remove_file(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
