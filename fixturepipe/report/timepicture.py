"""The time of a run as pictures: bars of the stages, and what each worker did when.

Horizontal lengths are in thousandths of the picture's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

from fixturepipe.report.data import Block, Stage, Timeline, Worker
from fixturepipe.report.filters import duration

_WIDTH = 1000
# Thinner than this nobody sees it.
_THINNEST = 0.8
# A line of background between two neighbors keeps them apart.
_GAP = 0.6

Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Bar(Generic[Drawn]):
    """A stage, or a block of chunks, as a bar."""

    of: Drawn
    x: float
    width: float


def stage_bars(stages: Sequence[Stage]) -> list[Bar[Stage]]:
    """The stages as bars, each beginning where the one before it ends."""
    total = sum(stage.seconds for stage in stages) or 1.0
    widths = [stage.seconds / total * _WIDTH for stage in stages]
    begins = accumulate(widths, initial=0.0)
    return [_bar(*each) for each in zip(stages, begins, widths, strict=False)]


def worker_bars(timeline: Timeline | None) -> list[tuple[Worker, list[Bar[Block]]]]:
    """The workers of a timeline, each with its blocks; none without one."""
    if timeline is None or not timeline.seconds:
        return []
    scale = _WIDTH / timeline.seconds
    return [
        (worker, [_bar(b, b.began * scale, b.seconds * scale - _GAP) for b in worker.blocks])
        for worker in timeline.workers
    ]


def _bar(of: Drawn, x: float, width: float) -> Bar[Drawn]:
    return Bar(of, round(x, 1), max(round(width, 1), _THINNEST))


def ticks(timeline: Timeline | None) -> list[str]:
    """The times under the axis of a timeline."""
    seconds = timeline.seconds if timeline is not None else 0.0
    return ["0", *(duration(seconds * part / 4) for part in range(1, 5))]
