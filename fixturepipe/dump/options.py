"""What `dump` can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fixturepipe.fixes.declarations import Declaration

SnapshotKind = Literal["backup", "transaction"]


@dataclass(frozen=True)
class DumpOptions:
    """What to dump and how.

    `labels` and `exclude` name apps or models, as dumpdata takes them; no labels mean all.
    `natural_keys` is "auto", "all", "none", or labels separated by commas. `on_error` decides
    about values that a fixture cannot carry: "stop" writes no file for their app, "reject"
    writes their objects to `rejects/`. `snapshot` is a "backup" (a copy of the file) or one
    read "transaction". `fix` are the declared fixes; `transform` names a callable,
    "module:name", that may change or drop each object. `keep_snapshot` keeps the copy in the
    run directory, for `sync`; a run has to prove it first.
    """

    labels: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    natural_keys: str = "auto"
    on_error: Literal["stop", "reject"] = "stop"
    snapshot: SnapshotKind = "backup"
    fix: tuple[Declaration, ...] = ()
    transform: str | None = None
    keep_snapshot: bool = False
