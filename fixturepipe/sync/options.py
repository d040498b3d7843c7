"""What `sync` can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SyncOptions:
    """How to bring a target that a run has filled to what the source holds now.

    `existing` decides about rows of the target that neither the run nor a sync wrote: "refuse"
    them, "update" those that the source has too, or also "delete" those that it lacks. `verify`
    says what the proof covers: "full" is every row of every model, those of models that changed
    compared after the load; "touched" is these models alone. `workers` is the number of threads
    that compare, 0 for one a core. `dry_run` counts and changes nothing. `snapshot` is as in
    `DumpOptions`.
    """

    existing: Literal["refuse", "update", "delete"] = "refuse"
    verify: Literal["full", "touched"] = "full"
    workers: int = 0
    dry_run: bool = False
    snapshot: Literal["backup", "transaction"] = "backup"
