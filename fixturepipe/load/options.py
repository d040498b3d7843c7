"""What `load` can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fixturepipe.fixes.declarations import Declaration

# Seconds before each further try: about half a minute in all, as long as a server restarts.
PAUSES = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class LoadOptions:
    """Which chunks to load, and how.

    `workers` is the number of processes, 0 for one per core. `start` is the first chunk to load;
    `only` is the one chunk to load. `on_error` decides about an object that the target refuses:
    "stop", or "reject" it and load the rest. `loader` "stock" is Django's own loaddata.
    `schema` decides how an empty target gets its tables: "migrate", or from the "models" as they
    are now. `existing` decides about rows that this run did not write: "refuse" the target,
    "update" those with the same key, or "delete" all. `signals` calls save receivers. `dry_run`
    loads and rolls back. `changed` reloads chunks whose files were edited since; `rejects` loads
    the files in rejects/ instead of the chunks. `executor` is "dask:ADDRESS", or None for
    processes. `pauses` are the seconds before each further try where the server is away. `fix` are
    the declared fixes; those of indexes apply while tables are made.
    """

    workers: int = 0
    start: int | None = None
    only: int | None = None
    on_error: Literal["stop", "reject"] = "stop"
    loader: Literal["fast", "stock"] = "fast"
    schema: Literal["migrate", "models"] = "migrate"
    existing: Literal["refuse", "update", "delete"] = "refuse"
    signals: bool = False
    dry_run: bool = False
    changed: bool = False
    rejects: bool = False
    executor: str | None = None
    fix: tuple[Declaration, ...] = ()
    pauses: tuple[float, ...] = PAUSES
