"""The snapshot that a run or its last sync has moved, kept for the next sync.

    last-snapshot.sqlite3         the copy of the source, with the fixes, and one table more
    .last-snapshot.sqlite3.tmp    the copy that will replace it, once the target equals it

The table `fixturepipe_snapshot` has one row, with JSON that says what the copy is. A sync that
knows the last snapshot to be in the target has to look only at what differs from it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from fixturepipe.artifacts.ownership import KEPT_SNAPSHOT
from fixturepipe.artifacts.rundir import RunDirectory, force_to_disk

VERSION = 1
TABLE = "fixturepipe_snapshot"


class KeptSnapshot(msgspec.Struct, kw_only=True, frozen=True):
    """What a kept snapshot is. `state` is the ledger's id of the run or sync that moved it.

    `schema` is that of the source's fingerprint; `rows` counts the target's rows by label, as
    they were then; `seconds` is how long it took to compare all of them.
    """

    version: int = VERSION
    state: str
    schema: str
    rows: dict[str, int]
    seconds: float


def kept_path(directory: RunDirectory) -> Path:
    """The kept snapshot, if there is one."""
    return directory.path / KEPT_SNAPSHOT


def draft_path(directory: RunDirectory) -> Path:
    """The snapshot that is to be kept, while the target does not equal it yet."""
    return directory.path / f".{KEPT_SNAPSHOT}.tmp"


def read_kept(path: Path) -> KeptSnapshot:
    """What the snapshot says of itself. Raises ValueError if it cannot be used."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            (text,) = file.execute(f"SELECT record FROM {TABLE}").fetchone()
        kept = msgspec.json.decode(text, type=KeptSnapshot)
    except (sqlite3.Error, TypeError, msgspec.DecodeError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if kept.version != VERSION:
        raise ValueError(f"it has version {kept.version}; this fixturepipe knows {VERSION}")
    return kept


def replace_kept(directory: RunDirectory, kept: KeptSnapshot) -> None:
    """Put the draft in the place of the snapshot that was kept before, whole."""
    draft = draft_path(directory)
    with closing(sqlite3.connect(draft, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode=OFF")
        file.execute(f"CREATE TABLE {TABLE} (record TEXT)")
        record = msgspec.json.encode(kept).decode()
        file.execute(f"INSERT INTO {TABLE} VALUES (?)", (record,))
    force_to_disk(draft)
    draft.rename(kept_path(directory))
    force_to_disk(directory.path)


def remove_kept(directory: RunDirectory) -> None:
    """Keep no snapshot any more."""
    for path in (draft_path(directory), kept_path(directory)):
        path.unlink(missing_ok=True)
