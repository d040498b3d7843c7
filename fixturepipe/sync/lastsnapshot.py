"""The kept snapshot: whether the target still holds what it holds, and what has changed since.

If the target does, as far as a quick look can tell, a sync looks only at what has changed in the
source since. Rows of the target that somebody else has changed in place, and that the source has
not changed, only the proof finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fixturepipe.artifacts.keptsnapshot import (
    KeptSnapshot,
    draft_path,
    kept_path,
    read_kept,
    remove_kept,
    replace_kept,
)
from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import loaded_syncs
from fixturepipe.databases.endpoints import SOURCE, TARGET, connection_to
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.tables import Table
from fixturepipe.dump.current import CurrentSource
from fixturepipe.dump.snapshotdiff import SnapshotDiff, snapshot_diff
from fixturepipe.events import Listener, Notice
from fixturepipe.verify.stage import VerifyResult


class NotUsableError(Exception):
    """The kept snapshot does not say what the target holds; the message has the reason."""


def keep_snapshot(
    directory: RunDirectory, manifest: Manifest, verified: VerifyResult, listener: Listener
) -> None:
    """Keep the copy of the source that a run has dumped and loaded."""
    assert manifest.source is not None
    rows = {each.model: each.target for each in verified.models}
    schema = manifest.source.fingerprint["schema"]
    kept = KeptSnapshot(state=manifest.run, schema=schema, rows=rows, seconds=verified.seconds)
    put_in_place(directory, kept, listener)


def put_in_place(directory: RunDirectory, kept: KeptSnapshot, listener: Listener) -> None:
    """Replace the kept snapshot by the draft; keep none where there is no draft."""
    if draft_path(directory).exists():
        replace_kept(directory, kept)
    else:
        remove_kept(directory)
        text = "No snapshot is kept: that needs a copy of a SQLite source, and no transform."
        listener(Notice("info", text))


def last_state(directory: RunDirectory, manifest: Manifest) -> str:
    """The ledger's id of the run, or of the last sync that has changed the target."""
    syncs = loaded_syncs(directory)
    return syncs[-1].run if syncs else manifest.run


def usable_snapshot(
    directory: RunDirectory, manifest: Manifest, current: CurrentSource
) -> KeptSnapshot:
    """The kept snapshot. Raises ValueError for a file that is damaged.

    Raises NotUsableError unless the target has as many rows as when the snapshot was moved.
    """
    if not current.is_shared:
        raise NotUsableError("there is no copy of the source to compare it with")
    kept = read_kept(kept_path(directory))
    if kept.state != last_state(directory, manifest):
        raise NotUsableError("it is not a snapshot of what was moved last")
    if kept.schema != str(current.source.fingerprint["schema"]):
        raise NotUsableError("the tables of the source have been altered since")
    for model in current.models:
        before = kept.rows.get(model._meta.label_lower)
        now = Table(model, connection_to(TARGET)).count()
        if now != before:
            had = "an unknown number" if before is None else f"{before:,}"
            raise NotUsableError(
                f"the target has {now:,} rows of {model._meta.label_lower}, and had {had}"
            )
    return kept


@contextmanager
def rows_changed_since(directory: RunDirectory, current: CurrentSource) -> Iterator[SnapshotDiff]:
    """The rows that have changed in the source since the snapshot was kept.

    Raises NotUsableError if rows changed by whose natural keys all others are compared.
    """
    with snapshot_diff(connection_to(SOURCE), kept_path(directory)) as changes:
        for model in current.models:
            name = model._meta.label_lower
            if name in NATURAL_PRIMARY and (
                any(changes.changed(model)) or any(changes.gone(model))
            ):
                raise NotUsableError(f"{name} has changed, to which other rows refer")
        yield changes
