"""`python -m bench`: measures one section and keeps the result; `make bench` calls it.

    python -m bench                                    the whole run, scale 1, embedded server
    python -m bench --scale 5 --target mysql://root:root@127.0.0.1:3306/
    python -m bench --what load --stock-runs 1 --scale 5
    python -m bench --what scaling --scale 1,5,50,500 --runs 1 --kill 2 --keep /var/tmp/bench
    python -m bench --what far --scale 5 --runs 3 --stock-runs 1
    python -m bench --render                           only writes the page and the plot again

A target is the URL of a server; the bench creates databases of its own on it, and drops them. URLs
with a password are safer in FIXTUREPIPE_TARGET (separated by commas) than on the command line.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import MySQLdb

from bench import far, page, plot, results, sections
from bench.measuring import ROOT, StepError
from bench.sections import Bench
from fixturepipe.errors import FixturepipeError

EMBEDDED = "embedded"
SECTIONS = {**sections.SECTIONS, "far": far.far}
Number = TypeVar("Number", int, float)


def list_of(kind: Callable[[str], Number]) -> Callable[[str], tuple[Number, ...]]:
    """Numbers separated by commas."""

    def numbers(text: str) -> tuple[Number, ...]:
        return tuple(kind(part) for part in text.split(",") if part.strip())

    return numbers


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--what", choices=SECTIONS, default="run", help="what is compared (default: run)")
    add(
        "--scale",
        type=list_of(float),
        help="sizes of the sample, separated by commas; 1 is about 20,000 objects "
        "(default: 1, for scaling 1,5,50)",
    )
    add("--target", action="append", help="a server's URL, or `embedded` (default; repeatable)")
    add("--runs", type=int, help="runs of each contestant (default: 5, for scaling 1)")
    add("--stock-runs", type=int, help="runs of Django's own commands (default: as --runs)")
    add("--workers", type=list_of(int), default=(1, 2), help="numbers of workers (default: 1,2)")
    add("--objects", type=int, default=1_000_000, help="size of the fixtures for arrange")
    add(
        "--distances",
        type=list_of(float),
        default=(0.0, 5.0, 20.0, 80.0),
        help="far: milliseconds to the server and back (default: 0,5,20,80)",
    )
    add("--kill", type=int, default=0, help="scaling: kill dump and load so often on their way")
    add("--keep", type=Path, metavar="DIR", help="work there, and leave the samples there")
    add("--output", type=Path, metavar="DIR", help="results.json, performance.md, scaling.png")
    add("--render", action="store_true", help="measure nothing, write the page and the plot")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 1 if a contestant failed, 2 if nothing could be measured."""
    options = parser().parse_args(arguments)
    output = options.output
    if output:
        output.mkdir(parents=True, exist_ok=True)
    file = (output or ROOT / "bench") / "results.json"
    pages = output or ROOT / "docs"
    if options.render:
        render(file, pages)
        return 0
    try:
        with directory(options.keep) as place:
            return measure(options.what, bench_of(options, place, file), file, pages)
    except (MySQLdb.Error, StepError, FixturepipeError) as error:
        say(f"STOPPED: {error}")
        return 2
    except KeyboardInterrupt:
        say("INTERRUPTED: the tables that were shown are kept")
        return 130


def measure(what: str, bench: Bench, file: Path, pages: Path) -> int:
    """Keep and show each table when it is ready; return the exit status."""
    failed = False
    for entry in SECTIONS[what](bench):
        results.add(file, entry)
        print(f"\n{page.entry_text(results.as_json(entry))}\n", flush=True)
        render(file, pages)
        failed = failed or any(row.error for row in entry.rows)
    return int(failed)


def bench_of(options: argparse.Namespace, place: Path, file: Path) -> Bench:
    """The options, with the defaults that depend on what is measured."""
    scaling = options.what == "scaling"
    given = options.target or os.environ.get("FIXTUREPIPE_TARGET", "").split(",")
    targets = tuple(url.strip() for url in given if url.strip()) or (EMBEDDED,)
    for target in targets:
        if target != EMBEDDED and not target.startswith("mysql://"):
            parser().error(f"a target is a URL, mysql://user@host:3306/, or {EMBEDDED}")
    runs = options.runs or (1 if scaling else 5)
    stock_runs = runs if options.stock_runs is None else options.stock_runs
    return Bench(
        place,
        targets,
        options.scale or ((1.0, 5.0, 50.0) if scaling else (1.0,)),
        runs,
        stock_runs,
        options.workers,
        options.objects,
        options.kill,
        say,
        results.read(file),
        options.distances,
    )


def say(text: str) -> None:
    """Progress."""
    print(f"bench {datetime.now().astimezone():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def render(file: Path, pages: Path) -> None:
    """Write the page and, where scaling was measured, the plot."""
    known = results.read(file)
    page.render(known, pages / "performance.md")
    if "scaling" in known:
        try:
            plot.draw(known["scaling"], pages / "scaling.png")
        except ImportError as error:
            say(f"NO PLOT: {error}; it is in the extra `dev`")


@contextmanager
def directory(kept: Path | None) -> Iterator[Path]:
    """The directory to keep, or a temporary one."""
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    # A short path: the embedded server's socket may have no more than 103 characters.
    temporary = Path(tempfile.mkdtemp(prefix="fixturepipe-bench."))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
