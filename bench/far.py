"""The stages on a server that is far away: each at every distance, through a proxy that delays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from bench import contestants as who
from bench import samples
from bench.contestants import Ground, fixturepipe
from bench.measuring import Step, StepError, measured
from bench.proxy import Proxy, proxy_to
from bench.results import Entry, Row
from bench.sections import (
    CHECKED,
    LOADDATA,
    PREPARED,
    Bench,
    copy_run,
    files_allowed,
    load_files,
    prepare_load,
)
from bench.servers import Database, Server

# Django's loaddata waits for the server several times for each object.
_STOCK_SCALE = 0.02

Stage = tuple[str, Callable[[Ground], Step]]


def far(bench: Bench) -> Iterator[Entry]:
    """check, load and verify at each distance, compared with loaddata and LOAD DATA.

    Loaddata takes part in a table of its own, at a small scale.
    """
    for server, template in bench.servers():
        skipped: list[str] = []
        with ExitStack() as stack:
            files = files_allowed(server, stack, skipped)
            small = {_STOCK_SCALE} if bench.stock_runs else set()
            every = replace(bench, scales=tuple(sorted({*bench.scales, *small})))
            for scale, source, objects in every.sources(samples.sample_for_all):
                stock = scale in small
                with bench.ground(source) as prepared:
                    prepare_load(prepared, stock=stock)
                    stages = [*_stages(prepared, files=files, stock=stock)]
                    runs = bench.stock_runs if stock else bench.runs
                    rows = _compared(replace(bench, runs=runs), server, template, prepared, stages)
                yield bench.entry(
                    "far", rows, server=server, scale=scale, objects=objects, skipped=skipped
                )


def _stages(prepared: Ground, *, files: bool, stock: bool) -> Iterator[tuple[Stage, ...]]:
    """What is measured, in groups that share one target."""
    yield (
        ("check", lambda ground: fixturepipe(ground, "check")),
        ("load", lambda ground: fixturepipe(ground, "load")),
        ("verify", lambda ground: fixturepipe(ground, "verify")),
    )
    if files:
        yield ((PREPARED, lambda ground: load_files("load", ground)[0]),)
        yield ((CHECKED, lambda ground: load_files("checked", ground)[0]),)
    if stock:
        fixture = prepared.place / "stock.json"
        yield ((LOADDATA, lambda ground: who.stock_load(ground, fixture)),)


def _compared(
    bench: Bench,
    server: Server,
    template: str,
    prepared: Ground,
    stages: Sequence[tuple[Stage, ...]],
) -> list[Row]:
    """All distances in turn, as often as the options say."""
    rows = {
        (name, distance): Row(f"{name}, {distance:g} ms")
        for group in stages
        for name, _ in group
        for distance in bench.distances
    }
    fresh = partial(bench.ground, prepared.source, server, template, prepared.place)
    for number in range(1, bench.runs + 1):
        for distance in bench.distances:
            for group in stages:
                with fresh() as near, _at_a_distance(near, distance) as (ground, proxy):
                    copy_run(ground)
                    if group[0][0] == LOADDATA:
                        who.empty(near)
                    for name, step in group:
                        row = rows[name, distance]
                        if not _measure(step(ground), ground, proxy, row):
                            break
                        last = row.runs[-1].seconds
                        bench.say(f"{number}/{bench.runs} {row.name}: {last:.2f} s")
    return [*rows.values()]


def _measure(step: Step, ground: Ground, proxy: Proxy, row: Row) -> bool:
    """Add a run to the row; False where it failed."""
    before = proxy.round_trips
    try:
        row.runs.append(measured(step, ground.place)[0])
    except StepError as error:
        row.error = str(error)
        return False
    row.round_trips = proxy.round_trips - before
    return True


@contextmanager
def _at_a_distance(near: Ground, milliseconds: float) -> Iterator[tuple[Ground, Proxy]]:
    """The ground, whose target is reached through a proxy that takes this long, there and back."""
    database = near.database
    where = database.server.where
    host, port = where if isinstance(where, tuple) else (where, 0)
    with proxy_to({"HOST": host, "PORT": port}, milliseconds / 1000) as proxy:
        server = replace(database.server, where=("127.0.0.1", proxy.port))
        yield replace(near, target=Database(server, database.name)), proxy
