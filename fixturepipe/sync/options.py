"""What `sync` can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SyncOptions:
    """How to bring a target that a run has filled to what the source holds now.

    `existing` decides about rows of the target that neither the run nor a sync wrote: "refuse"
    them, "update" those that the source has too, or also "delete" those that it lacks. `verify`
    says what is compared before the sync ends: "full" is every row of every model, those of models
    that the sync changed after the load, the others after the load or just before it; "touched" is
    the models that it changed, alone. `workers` is the number of threads that compare, 0 for one a
    core. `dry_run` counts and changes nothing. `snapshot` is as in `DumpOptions`.
    `keep_snapshot` keeps the copy of a SQLite source for the next sync, which then looks only for
    what has changed in it. A snapshot that is kept is used, and replaced, by each further sync.
    """

    existing: Literal["refuse", "update", "delete"] = "refuse"
    verify: Literal["full", "touched"] = "full"
    workers: int = 0
    dry_run: bool = False
    snapshot: Literal["backup", "transaction"] = "backup"
    keep_snapshot: bool = False
