"""The scaling as a picture: time per object and peak memory over objects, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.page import peak, per_object


def draw(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the PNG: a row of two pictures for each server. Raises ImportError."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    servers = sorted({entry["server"] for entry in entries})
    figure, grid = pyplot.subplots(
        len(servers), 2, figsize=(11, 4 * len(servers)), squeeze=False, layout="constrained"
    )
    for server, (times, memory) in zip(servers, grid, strict=True):
        own = sorted(
            (each for each in entries if each["server"] == server), key=lambda e: int(e["objects"])
        )
        for stage in (row["name"] for row in own[0]["rows"]):
            measured = [(e["objects"], per_object(e, stage), peak(e, stage)) for e in own]
            points = [(n, cost * 1e6, size) for n, cost, size in measured if cost]
            objects = [n for n, _, _ in points]
            times.plot(objects, [cost for _, cost, _ in points], marker="o", label=stage)
            memory.plot(objects, [size for _, _, size in points], marker="o", label=stage)
        times.set(title=f"{server}: µs per object", ylim=(1, 1000))
        memory.set(title=f"{server}: peak MiB, largest process", ylim=(10, 1000))
        for axes in (times, memory):
            axes.set(xscale="log", yscale="log", xlabel="objects")
            axes.yaxis.set_major_formatter("{x:,.0f}")
            axes.grid(visible=True, which="both", alpha=0.3)
            axes.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
