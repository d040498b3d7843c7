"""The comparisons. Each section yields a table as soon as it is measured."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import MySQLdb

from bench import contestants as who
from bench import copier, manymodels, samples
from bench.contest import Say, compare
from bench.contestants import Contestant, Ground, fixturepipe, infile
from bench.measuring import Step, StepError, measured
from bench.results import Entry, Row
from bench.servers import Database, Server, opened

STAGES = ("check", "dump", "arrange", "load", "verify")
KILLED = ("dump", "load")
MODELS = 500
ITEMS = "ijson.items alone"
DUMPDATA, LOADDATA, PREPARED = "dumpdata", "loaddata", "LOAD DATA of prepared files"
CHECKED = "LOAD DATA, keys checked"
RUN, VERIFY = "fixturepipe run", "fixturepipe verify"


@dataclass(frozen=True)
class Bench:
    """The options of one call. `place` holds its files, `known` the results so far.

    `distances` are milliseconds to a server and back.
    """

    place: Path
    targets: tuple[str, ...]
    scales: tuple[float, ...]
    runs: int
    stock_runs: int
    workers: tuple[int, ...]
    objects: int
    kills: int
    say: Say
    known: Mapping[str, Any] = field(default_factory=dict)
    distances: tuple[float, ...] = ()

    def entry(
        self,
        what: str,
        rows: list[Row],
        bases: Sequence[str] = (),
        *,
        server: Server | None = None,
        scale: float | None = None,
        objects: int,
        case: str = "",
        skipped: Sequence[str] = (),
        kills: int = 0,
    ) -> Entry:
        """A table with the options that it was made with."""
        options = {"runs": self.runs, "stock_runs": self.stock_runs, "kills": kills}
        label = server.label if server else ""
        return Entry(what, label, case, scale, objects, tuple(bases), rows, tuple(skipped), options)

    def servers(self) -> Iterator[tuple[Server, str]]:
        """Each server in turn, with the name of a migrated database on it."""
        for url in self.targets:
            with opened(url, self.place) as server:
                self.say(f"on {server.label}")
                with server.migrated(samples.MANAGE, self.place) as template:
                    yield server, template

    @contextmanager
    def ground(
        self,
        source: Path,
        server: Server | None = None,
        template: str = "",
        prepared: Path = Path(),
        target: Database | None = None,
    ) -> Iterator[Ground]:
        """Fresh ground: an empty directory and a migrated database, both removed afterwards."""
        place = Path(tempfile.mkdtemp(dir=self.place, prefix="run-"))
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, place, ignore_errors=True)
            if server is not None:
                target = stack.enter_context(server.database(template))
            yield Ground(source, place, target, prepared)

    def compare(
        self,
        contestants: Sequence[Contestant],
        fresh: Callable[[], Any],
        *,
        losses: bool = False,
    ) -> list[Row]:
        """The contestants in turn, as often as the options say."""
        return compare(contestants, self.runs, self.stock_runs, fresh, self.say, losses=losses)

    def sources(self, make: Callable[[Path, float], Path]) -> Iterator[tuple[float, Path, int]]:
        """Each scale, its SQLite file and the number of objects in it."""
        for scale in self.scales:
            source = make(self.place, scale)
            objects = samples.count_objects(source)
            self.say(f"scale {scale:g}: {objects:,} objects")
            yield scale, source, objects


def run(bench: Bench) -> Iterator[Entry]:
    """The whole move from SQLite to a migrated empty target, compared with the alternatives."""
    for server, template in bench.servers():
        with ExitStack() as stack:
            skipped: list[str] = []
            others = _others(server, stack, skipped, bench.say)
            numbers = bench.workers
            contestants = [
                *map(who.run_with_verify, numbers),
                *map(who.run_without_verify, numbers),
                who.stock(),
                *others,
            ]
            for scale, source, objects in bench.sources(samples.sample_for_all):
                fresh = partial(bench.ground, source, server, template)
                rows = bench.compare(contestants, fresh, losses=True)
                bases = (who.STOCK, who.COPIER, who.LIMIT)
                yield bench.entry(
                    "run", rows, bases, server=server, scale=scale, objects=objects, skipped=skipped
                )


def _others(server: Server, stack: ExitStack, skipped: list[str], say: Say) -> list[Contestant]:
    """The contestants that may not be available; the reason is printed and kept."""
    found = []
    try:
        found.append(who.copier(copier.installed()))
    except copier.NotInstalledError as error:
        skipped.append(f"{who.COPIER} could not be installed: {error}")
    if files_allowed(server, stack, skipped):
        found.append(who.limit())
    for reason in skipped:
        say(f"NOT MEASURED: {reason}")
    return found


def files_allowed(server: Server, stack: ExitStack, skipped: list[str]) -> bool:
    """Whether the server takes LOAD DATA LOCAL INFILE, until the end of the stack."""
    try:
        stack.enter_context(server.local_infile())
    except MySQLdb.Error as error:
        skipped.append(f"LOAD DATA LOCAL INFILE is not allowed here: {error}")
        return False
    return True


def dump(bench: Bench) -> Iterator[Entry]:
    """`fixturepipe dump` compared with Django's dumpdata of the same apps."""
    contestants = [
        Contestant("fixturepipe dump", lambda ground: [fixturepipe(ground, "dump")]),
        Contestant(DUMPDATA, lambda ground: [who.stock_dump(ground)], stock=True),
    ]
    for scale, source, objects in bench.sources(samples.sample_for_all):
        rows = bench.compare(contestants, partial(bench.ground, source))
        yield bench.entry("dump", rows, (DUMPDATA,), scale=scale, objects=objects)


def load(bench: Bench) -> Iterator[Entry]:
    """`fixturepipe load` of chunks, compared with loaddata and LOAD DATA of prepared files."""
    for server, template in bench.servers():
        for scale, source, objects in bench.sources(samples.sample_for_all):
            with ExitStack() as stack:
                skipped: list[str] = []
                prepared = stack.enter_context(bench.ground(source))
                contestants = [
                    *map(_load, bench.workers),
                    _load(1, "--loader", "stock"),
                    Contestant(LOADDATA, _loaddata, stock=True, ready=who.empty),
                ]
                if files_allowed(server, stack, skipped):
                    contestants += [
                        Contestant(PREPARED, partial(load_files, "load")),
                        Contestant(CHECKED, partial(load_files, "checked")),
                    ]
                prepare_load(prepared, stock=bench.stock_runs > 0)
                fresh = partial(bench.ground, source, server, template, prepared.place)
                rows = bench.compare(contestants, fresh)
                bases = (LOADDATA, CHECKED, PREPARED, _load(1).name)
                yield bench.entry(
                    "load",
                    rows,
                    bases,
                    server=server,
                    scale=scale,
                    objects=objects,
                    skipped=skipped,
                )


def prepare_load(ground: Ground, *, stock: bool) -> None:
    """Make what each contestant loads: chunks, files for LOAD DATA, and perhaps stock.json."""
    files = ground.place / "files"
    files.mkdir()
    steps = [fixturepipe(ground, "dump"), fixturepipe(ground, "arrange")]
    steps += [infile("write", ground, files), *([who.stock_dump(ground)] if stock else [])]
    for step in steps:
        measured(step, ground.place)


def _load(number: int, *arguments: str) -> Contestant:
    name = " ".join(("fixturepipe load", *arguments)) + f", {who.workers(number)}"
    return Contestant(
        name,
        lambda ground: [fixturepipe(ground, "load", "--workers", str(number), *arguments)],
        stock="stock" in arguments,
        ready=lambda ground: copy_run(ground),
    )


def copy_run(ground: Ground) -> None:
    """Give the ground the run that was prepared."""
    shutil.copytree(ground.prepared / "run", ground.place / "run")


def _loaddata(ground: Ground) -> list[Step]:
    return [who.stock_load(ground, ground.prepared / "stock.json")]


def load_files(what: str, ground: Ground) -> list[Step]:
    """LOAD DATA of the files that were prepared."""
    return [infile(what, ground, ground.prepared / "files")]


def arrange(bench: Bench) -> Iterator[Entry]:
    """`fixturepipe arrange` of fixtures, compared with a bare loop of ijson over the same file."""
    cases = (
        ("ordinary models", samples.ordinary_fixture, max(1, bench.objects // 10)),
        ("ordinary models", samples.ordinary_fixture, bench.objects),
        ("a tree backwards and cycles", samples.worst_fixture, bench.objects),
    )
    contestants = [
        Contestant(
            "fixturepipe arrange",
            lambda ground: [fixturepipe(ground, "arrange", str(ground.source))],
        ),
        Contestant(ITEMS, lambda ground: [_items(ground)]),
    ]
    for case, make, objects in cases:
        bench.say(f"{objects:,} objects: {case}")
        fixture = make(bench.place, objects)
        rows = bench.compare(contestants, partial(bench.ground, fixture))
        yield bench.entry(
            "arrange", rows, (ITEMS,), objects=objects, case=f"{objects:,} objects: {case}"
        )


def _items(ground: Ground) -> Step:
    return Step("items", (sys.executable, "-m", "bench.items", str(ground.source)))


def check(bench: Bench) -> Iterator[Entry]:
    """`fixturepipe check` compared with the dump of the same source."""
    contestants = [
        Contestant("fixturepipe check", lambda ground: [fixturepipe(ground, "check")]),
        Contestant("fixturepipe dump", lambda ground: [fixturepipe(ground, "dump")]),
    ]
    for server, template in bench.servers():
        for scale, source, objects in bench.sources(samples.sample):
            rows = bench.compare(contestants, partial(bench.ground, source, server, template))
            bases = ("fixturepipe dump",)
            yield bench.entry("check", rows, bases, server=server, scale=scale, objects=objects)


def models(bench: Bench) -> Iterator[Entry]:
    """What a project with many models waits for at first: `check` on an empty target."""
    place = bench.place / f"models-{MODELS}"
    place.mkdir(exist_ok=True)
    source = manymodels.project(place, MODELS)
    environment = {"FIXTUREPIPE_SETTINGS": "settings", "FIXTUREPIPE_PYTHONPATH": str(place)}

    def steps(ground: Ground) -> list[Step]:
        step = fixturepipe(ground, "check")
        return [replace(step, environment={**step.environment, **environment})]

    contestants = [Contestant("fixturepipe check", steps)]
    objects = samples.count_objects(source)
    for url in bench.targets:
        with opened(url, bench.place) as server:
            rows = bench.compare(contestants, partial(bench.ground, source, server))
            case = f"{MODELS} models"
            yield bench.entry("models", rows, server=server, objects=objects, case=case)


def verify(bench: Bench) -> Iterator[Entry]:
    """`fixturepipe verify` of data that was moved before."""
    for server, template in bench.servers():
        for scale, source, objects in bench.sources(samples.sample):
            with bench.ground(source, server, template) as moved:
                for stage in ("dump", "load"):
                    measured(fixturepipe(moved, stage), moved.place)
                contestants = [_verify(number, moved) for number in bench.workers]
                rows = bench.compare(
                    contestants, partial(bench.ground, source, target=moved.target)
                )
            yield bench.entry(
                "verify", rows, (contestants[0].name,), server=server, scale=scale, objects=objects
            )


def _verify(number: int, moved: Ground) -> Contestant:
    return Contestant(
        f"fixturepipe verify, {who.workers(number)}",
        lambda _: [fixturepipe(moved, "verify", "--workers", str(number))],
    )


def sync(bench: Bench) -> Iterator[Entry]:
    """`fixturepipe sync` after a run: with and without changes, and with the last snapshot."""
    for server, template in bench.servers():
        for scale, source, objects in bench.sources(samples.sample):
            with bench.ground(source, server, template) as moved:
                copy = moved.place / source.name
                shutil.copyfile(source, copy)
                moved = replace(moved, source=copy)
                run, _, _ = measured(fixturepipe(moved, "run", "--keep-snapshot"), moved.place)
                bench.say(f"run: {run.seconds:.2f} s, {run.cpu:.2f} s of the processor")
                fresh = partial(bench.ground, copy, target=moved.target)
                rows = [Row(RUN, [run]), *bench.compare(_syncs(moved), fresh)]
            yield bench.entry(
                "sync", rows, (RUN, VERIFY), server=server, scale=scale, objects=objects
            )


def _syncs(moved: Ground) -> list[Contestant]:
    """The first syncs compare all rows; the last of them keeps the snapshot for the others."""
    snapshot = moved.place / "run" / "last-snapshot.sqlite3"

    def one(name: str, *arguments: str, changes: bool = False, kept: bool = False) -> Contestant:
        def ready(_: Ground) -> None:
            if not kept:
                snapshot.unlink(missing_ok=True)
            if changes:
                samples.edit(moved.source)

        return Contestant(name, lambda _: [fixturepipe(moved, *arguments)], ready=ready)

    keep, last = "--keep-snapshot", "sync with the last snapshot"
    touched = ("sync", "--verify", "touched")
    return [
        one(VERIFY, "verify"),
        one("sync, nothing changed", "sync"),
        one("sync, 1,000 rows changed", "sync", keep, changes=True),
        one(f"{last}, nothing changed", "sync", kept=True),
        one(f"{last}, 1,000 rows changed", "sync", changes=True, kept=True),
        one(f"{last}, 1,000 rows changed, --verify touched", *touched, changes=True, kept=True),
    ]


def scaling(bench: Bench) -> Iterator[Entry]:
    """Each stage at each scale, with its defaults; killed at the largest one if `kills`."""
    for server, template in bench.servers():
        known = [each for each in bench.known.get("scaling", []) if each["server"] == server.label]
        courses = {stage: _points(known, stage) for stage in STAGES}
        for scale, source, objects in bench.sources(samples.sample):
            kills = bench.kills if scale == max(bench.scales) else 0
            expected = {stage: expected_seconds(courses[stage], objects) for stage in KILLED}
            rows = _stages(bench, server, template, source, expected if kills else {})
            yield bench.entry(
                "scaling", rows, server=server, scale=scale, objects=objects, kills=kills
            )
            for row in rows:
                if row.median:
                    courses[row.name][objects] = row.median.seconds


def _points(entries: Iterable[Mapping[str, Any]], stage: str) -> dict[int, float]:
    """Seconds of a stage by objects, in earlier results."""
    return {
        entry["objects"]: row["median"]["seconds"]
        for entry in entries
        for row in entry["rows"]
        if row["name"] == stage and row["median"]
    }


def expected_seconds(points: Mapping[int, float], objects: int) -> float:
    """Expected seconds for `objects`: on a line through the two nearest smaller numbers.

    0.0 if nothing smaller was measured. `points` are seconds by objects.
    """
    smaller = sorted(point for point in points.items() if point[0] < objects)[-2:]
    if not smaller:
        return 0.0
    last, seconds = smaller[-1]
    before, less = smaller[0] if len(smaller) == 2 else (0, 0.0)
    return max(seconds, seconds + (seconds - less) / (last - before) * (objects - last))


def _stages(
    bench: Bench, server: Server, template: str, source: Path, expected: Mapping[str, float]
) -> list[Row]:
    """`expected` holds the seconds of the stages that are to be killed."""
    if bench.kills and not all(expected.values()):
        bench.say("NOT KILLED: no smaller scale was measured that says how long it will take")
    rows = {stage: Row(stage) for stage in STAGES}
    for number in range(1, bench.runs + 1):
        with bench.ground(source, server, template) as ground:
            for stage, row in rows.items():
                step = fixturepipe(ground, stage)
                kills = bench.kills if expected.get(stage) else 0
                if kills:
                    # A try resumes where the one before was killed: after a third, two thirds.
                    step = replace(step, kills=(expected[stage] / (kills + 1),) * kills)
                try:
                    measure, _, row.killed = measured(step, ground.place)
                except StepError as error:
                    row.error = str(error)
                    bench.say(f"{number}/{bench.runs} {stage}: FAILED: {error}")
                    return list(rows.values())
                row.runs.append(measure)
                killed_text = f", killed {row.killed} of {kills} times" if kills else ""
                bench.say(
                    f"{number}/{bench.runs} {stage}: {measure.seconds:.2f} s, "
                    f"{measure.peak_mib:.0f} MiB{killed_text}"
                )
    return list(rows.values())


SECTIONS: dict[str, Callable[[Bench], Iterator[Entry]]] = {
    "run": run,
    "dump": dump,
    "load": load,
    "arrange": arrange,
    "check": check,
    "models": models,
    "verify": verify,
    "sync": sync,
    "scaling": scaling,
}
