"""Which worker loaded which chunks when, in few enough blocks to be drawn; and bars of them.

times    ├1┤├2┤   ├4┤      …3 minutes…      ├5┤├──6──┤     worker 1
blocks   ├1, 2┤   ├4┤                       ├5┤├──6──┤     and the minutes are cut out

Lengths of bars are in thousandths of the picture's width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Generic, TypeVar

from msgspec.structs import replace

from fixturepipe.artifacts.times import ChunkTime
from fixturepipe.report.data import Block, Stage, Timeline, Worker
from fixturepipe.report.filters import duration

# A page with so many takes 200 KB for them.
MOST_BLOCKS = 2_000
# Between two calls of load nothing happens.
_LONGEST_PAUSE = 60.0
_WIDTH = 1000
# Thinner than this nobody sees it.
_THINNEST = 0.8
# A line of background between two neighbors keeps them apart.
_GAP = 0.6

Drawn = TypeVar("Drawn")


def timeline_of(times: Sequence[ChunkTime], objects: Mapping[int, int]) -> Timeline | None:
    """The timeline of these chunks, sorted by their beginnings; None without any.

    `objects` has their number of objects by chunk.
    """
    if not times:
        return None
    moved, paused = _without_pauses(times)
    total = max(each.ended for each in moved)
    by_worker: dict[str, list[ChunkTime]] = {}
    for each in moved:
        by_worker.setdefault(each.worker, []).append(each)
    is_crowded = len(moved) > MOST_BLOCKS
    shortest = 2 * total * len(by_worker) / MOST_BLOCKS if is_crowded else 0.0
    return Timeline(
        datetime.fromtimestamp(times[0].began, UTC).isoformat(timespec="seconds"),
        round(total, 3),
        round(paused, 3),
        [
            _worker(number, own, shortest, objects)
            for number, own in enumerate(by_worker.values(), 1)
        ],
    )


def _without_pauses(times: Sequence[ChunkTime]) -> tuple[list[ChunkTime], float]:
    """The times from the first one on, with pauses cut out, and the length of all pauses."""
    moved, paused = [], 0.0
    start = end = times[0].began
    for time in times:
        if time.began - end > _LONGEST_PAUSE:
            paused += time.began - end
        moved.append(replace(time, began=time.began - start - paused))
        end = max(end, time.ended)
    return moved, paused


def _worker(
    number: int, times: Sequence[ChunkTime], shortest: float, objects: Mapping[int, int]
) -> Worker:
    blocks = [_block(group, objects) for group in _groups(times, shortest)]
    return Worker(
        number,
        sum(block.chunks for block in blocks),
        sum(block.objects for block in blocks),
        round(sum(block.busy for block in blocks), 3),
        blocks,
    )


def _groups(times: Iterable[ChunkTime], shortest: float) -> list[list[ChunkTime]]:
    """Neighbors together for as long as they take no more than `shortest` seconds."""
    groups: list[list[ChunkTime]] = []
    for time in times:
        if groups and time.ended - groups[-1][0].began <= shortest:
            groups[-1].append(time)
        else:
            groups.append([time])
    return groups


def _block(group: Sequence[ChunkTime], objects: Mapping[int, int]) -> Block:
    numbers = [time.number for time in group]
    begin, end = group[0].began, max(time.ended for time in group)
    return Block(
        round(begin, 3),
        round(end - begin, 3),
        round(sum(time.seconds for time in group), 3),
        min(numbers),
        max(numbers),
        len(group),
        sum(objects.get(number, 0) for number in numbers),
    )


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
