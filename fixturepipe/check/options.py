"""What `check` can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fixturepipe.fixes.declarations import Declaration


@dataclass(frozen=True)
class CheckOptions:
    """What to look at, and which findings to leave out.

    `ignore` holds ids of findings to leave out, each alone or with a label ("FP203" or
    "FP203:shop.order"); `only_findings` holds those to report, all others being left out.
    `labels` and `exclude` name apps or models, as dumpdata takes them; no labels mean all.
    `fix` are the declared fixes. `transform` names the callable that the dump passes objects to,
    "module:name", and `natural_keys` says how the dump writes references. `workdir` is the run
    directory: its disk must have room. `schema` says how the run makes the tables of an empty
    target, as in LoadOptions.
    """

    ignore: tuple[str, ...] = ()
    only_findings: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    workdir: Path = Path("fixturepipe-run")
    fix: tuple[Declaration, ...] = ()
    transform: str | None = None
    natural_keys: str = "auto"
    schema: Literal["migrate", "models"] = "migrate"
