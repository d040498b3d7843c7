"""The time of a run as pictures: bars of the stages, and what each worker did when.

Horizontal lengths are in thousandths of the picture's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fixturepipe.report.data import Block, Stage, Timeline, Worker
from fixturepipe.report.filters import duration

_WIDTH = 1000
# Thinner than this nobody sees it.
_THINNEST = 0.8


@dataclass(frozen=True)
class StageBar:
    """A stage, its share of the time of all stages, and its objects a second (None for few)."""

    stage: Stage
    begin: float
    width: float
    rate: int | None


@dataclass(frozen=True)
class BlockBar:
    """A block of chunks as a bar."""

    block: Block
    x: float
    width: float


@dataclass(frozen=True)
class WorkerBars:
    """A worker's blocks, and the percentage of the time that it was busy."""

    worker: Worker
    bars: list[BlockBar]
    busy: int


@dataclass(frozen=True)
class TimelinePicture:
    """The timeline, with the times under its axis."""

    timeline: Timeline
    workers: list[WorkerBars]
    ticks: list[str]


def stage_bars(stages: Sequence[Stage]) -> list[StageBar]:
    """The stages as bars, each beginning where the one before it ends."""
    total = sum(stage.seconds for stage in stages) or 1.0
    bars, at = [], 0.0
    for stage in stages:
        width = stage.seconds / total * _WIDTH
        rate = round(stage.objects / stage.seconds) if stage.objects and stage.seconds else None
        bars.append(StageBar(stage, round(at, 1), max(round(width, 1), _THINNEST), rate))
        at += width
    return bars


def timeline_picture(timeline: Timeline | None) -> TimelinePicture | None:
    """The geometry of a timeline; None without one."""
    if timeline is None or not timeline.seconds:
        return None
    scale = _WIDTH / timeline.seconds
    workers = [
        WorkerBars(
            worker,
            [_bar(block, scale) for block in worker.blocks],
            min(100, round(100 * worker.busy / timeline.seconds)),
        )
        for worker in timeline.workers
    ]
    ends = [timeline.seconds * part / 4 for part in range(1, 5)]
    return TimelinePicture(timeline, workers, ["0", *map(duration, ends)])


def _bar(block: Block, scale: float) -> BlockBar:
    # A line of background between two neighbors keeps them apart.
    width = block.seconds * scale - 0.6
    return BlockBar(block, round(block.began * scale, 1), max(round(width, 1), _THINNEST))
