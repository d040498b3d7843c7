"""Whether the target still holds what the kept snapshot holds, as far as a quick look can tell.

If it does, a sync looks only at what has changed in the source since. Rows of the target that
somebody else has changed in place, and that the source has not changed, only the proof finds.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models

from fixturepipe.artifacts.keptsnapshot import KeptSnapshot
from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import loaded_syncs
from fixturepipe.databases.endpoints import TARGET, connection_to
from fixturepipe.databases.tables import Table


class NotUsableError(Exception):
    """The kept snapshot does not say what the target holds; the message has the reason."""


def last_state(directory: RunDirectory, manifest: Manifest) -> str:
    """The ledger's id of the run, or of the last sync that has changed the target."""
    syncs = loaded_syncs(directory)
    return syncs[-1].run if syncs else manifest.run


def require_usable(
    kept: KeptSnapshot, state: str, schema: str, covered: Sequence[type[models.Model]]
) -> None:
    """Raise NotUsableError unless the target has as many rows as when the snapshot was moved.

    `state` and `schema` are those of the target and the source now.
    """
    if kept.state != state:
        raise NotUsableError("it is not a snapshot of what was moved last")
    if kept.schema != schema:
        raise NotUsableError("the tables of the source have been altered since")
    for model in covered:
        before = kept.rows.get(model._meta.label_lower)
        now = Table(model, connection_to(TARGET)).count()
        if now != before:
            had = "an unknown number" if before is None else f"{before:,}"
            raise NotUsableError(
                f"the target has {now:,} rows of {model._meta.label_lower}, and had {had}"
            )
