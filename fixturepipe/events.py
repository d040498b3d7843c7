"""What the pipeline reports while it works.

The library never prints: it calls a listener with one of these events. The command line
shows them as progress bars on a terminal and as plain lines elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["migrate", "check", "dump", "arrange", "load", "verify", "sync"]
Level = Literal["debug", "info", "warning"]


@dataclass(frozen=True)
class StageStarted:
    """A stage begins. `total` is its number of objects, or None where it is unknown.

    The stage "migrate" counts what `unit` says: "migrations", or "tables" made from the models.
    """

    stage: Stage
    total: int | None = None
    unit: str = "objects"


@dataclass(frozen=True)
class StageAdvanced:
    """`objects` more objects are done; `label` is their model, chunk or migration.

    With 0 objects, the work on `label` begins.
    """

    stage: Stage
    objects: int
    label: str = ""


@dataclass(frozen=True)
class StageFinished:
    """The stage ended after `objects` objects and `seconds` of wall time."""

    stage: Stage
    objects: int
    seconds: float


@dataclass(frozen=True)
class Notice:
    """A sentence for the user's log."""

    level: Level
    text: str


Event = StageStarted | StageAdvanced | StageFinished | Notice
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that does nothing."""
