"""Whatever ends a command, and whenever: the same command continues, and nothing is left behind.

FIXTUREPIPE_KILLS is the number of rounds of each test on each server. A round ends `run` in one of
its stages, or `sync`, by a signal to the command, to its process group or to all of its processes
(as a container's end does), once or more often. Then the same command has to end well, both
databases have to be equal by code of the bench's own, and no process, lock, socket or temporary
file may be left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import MySQLdb
import pytest

from bench.sites.comparison import compare
from fixturepipe.databases.embedded import EmbeddedServer
from tests import servers
from tests.shop import Shop, command

KILLS = int(os.environ.get("FIXTUREPIPE_KILLS", "1"))
STAGES = ("check", "migrate", "dump", "arrange", "load", "verify")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TEMPORARY = re.compile(r"\.(?!lock$|catalog$).*|snapshot\..*|findings\.jsonl\.\d+|.*\.pid")
SCOPES = ("command", "group", "all")


@dataclass
class Place:
    """A shop, its target, and how long the stages of an undisturbed run take, in seconds."""

    shop: Shop
    server: servers.Server | None
    temporary: Path
    stages: dict[str, float]

    @property
    def name(self) -> str:
        """The target's database."""
        return self.shop.target.partition("?")[0].rpartition("/")[2]

    @property
    def environment(self) -> dict[str, str]:
        return self.shop.environment | {"TMPDIR": str(self.temporary)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(*arguments),
            cwd=self.shop.workdir.parent,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def processes(self) -> list[int]:
        """All that any command over this run directory has started, its servers too."""
        mark = os.fsencode(f"FIXTUREPIPE_WORKDIR={self.shop.workdir}")
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found


@pytest.fixture(params=["server", "own"])
def place(
    request: pytest.FixtureRequest, shop: Shop, server: servers.Server, tmp_path: Path
) -> Iterator[Place]:
    """A shop whose target is a database of each server, and one with its own embedded server."""
    if request.param == "own" and server.name != "embedded":
        pytest.skip("its own embedded server needs no other")
    database = tmp_path / "source.sqlite3"
    database.write_bytes(shop.database.read_bytes())
    (tmp_path / "tmp").mkdir()
    shop = replace(shop, database=database, workdir=tmp_path / "kills" / "run")
    shop.workdir.parent.mkdir()
    with contextlib.ExitStack() as leaving:
        place = Place(replace(shop, target="embedded"), None, tmp_path / "tmp", {})
        if request.param == "server":
            target = leaving.enter_context(server.database())
            name = str(target.settings["NAME"])
            place = Place(replace(shop, target=server.url(name)), server, tmp_path / "tmp", {})
        leaving.callback(end_all, place)
        yield place


def end_all(place: Place) -> None:
    for pid in place.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Watched:
    """A command at work: the stages that it has finished, and its errors."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self.place = place
        self.process = place.start(*arguments)
        self.began = time.monotonic()
        self.finished: dict[str, float] = {}
        self.lines: list[str] = []
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self._reader.start()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            stage = line.split(maxsplit=1)[0] if line.strip() else ""
            if stage in STAGES:
                self.finished[stage] = time.monotonic() - self.began
            self.lines.append(line)

    @property
    def errors(self) -> str:
        return "".join(self.lines)

    def wait_in(self, stage: str, seconds: float) -> None:
        """Wait until the stage has begun, and so much longer, or until the command has ended."""
        before = STAGES[STAGES.index(stage) - 1] if stage != STAGES[0] else None
        while self.process.poll() is None and before and before not in self.finished:
            time.sleep(0.002)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def end(self, number: signal.Signals, scope: str) -> None:
        """Send the signal, and wait for the end."""
        pids = self.place.processes() if scope == "all" else [self.process.pid]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                if scope == "group":
                    os.killpg(pid, number)
                else:
                    os.kill(pid, number)
        self.wait()

    def wait(self) -> int:
        status = self.process.wait(300)
        self._reader.join(60)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


def undisturbed(place: Place) -> None:
    """Fill the target, and keep how long each stage takes."""
    work = Watched(place, "run")
    assert work.wait() == 0, work.errors
    before = 0.0
    for stage in STAGES:
        ended = work.finished.get(stage, before)
        place.stages[stage], before = max(ended - before, 0.1), ended


def connect(place: Place) -> MySQLdb.Connection:
    if place.server is not None:
        return place.server.connect(place.name)
    server = EmbeddedServer(place.shop.workdir / "server")
    return servers.embedded(server).connect("fixturepipe")


def require_equal(place: Place) -> None:
    own = place.server is None
    if own:
        place.shop.done("server", "start")
    with contextlib.closing(connect(place)) as target:
        found = compare(place.shop.database, target)
    if own:
        place.shop.done("server", "stop")
    assert found.equal, found
    assert found.rows > 1_000


def require_no_process(place: Place) -> None:
    deadline = time.monotonic() + 30
    while found := place.processes():
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def require_nothing_left(place: Place) -> None:
    require_no_process(place)
    assert list(place.temporary.iterdir()) == []
    for path in place.shop.workdir.rglob("*"):
        if "data" not in path.relative_to(place.shop.workdir).parts:
            assert not path.is_socket(), path
            assert not TEMPORARY.fullmatch(path.name), path
            assert path.parent.name != "tmp", path
            if path.name.endswith(".lock"):
                with path.open("r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if place.server is not None:
        held = f"SELECT id FROM information_schema.processlist WHERE db = '{place.name}'"
        deadline = time.monotonic() + 10
        while rows := place.server.execute(held):  # the lock of a loader is one of a connection
            assert time.monotonic() < deadline, rows
            time.sleep(0.05)


def kill_and_finish(place: Place, dice: random.Random, log: list[str], *arguments: str) -> None:
    """End the command at a random time, perhaps again, and let the last one end well."""
    stages = STAGES if arguments[0] == "run" else STAGES[:1]
    for _ in range(dice.choice((1, 1, 2, 3))):
        number, scope, stage = dice.choice(SIGNALS), dice.choice(SCOPES), dice.choice(stages)
        seconds = dice.uniform(0, place.stages[stage])
        log.append(f"{number.name} to {scope}, {seconds:.2f} s into {stage}")
        work = Watched(place, *arguments)
        work.wait_in(stage, seconds)
        if work.process.poll() is not None:
            log.append("too late")
        work.end(number, scope)
        # Before our first line runs, Python itself answers a signal, with a traceback.
        is_begun = not re.search("init_import_site|in _get_module_details", work.errors)
        assert not is_begun or "Traceback" not in work.errors, work.errors
        assert "fault of fixturepipe" not in work.errors, work.errors
        if number != signal.SIGKILL:
            require_no_process(place)
    work = Watched(place, *arguments)
    assert work.wait() == 0, work.errors
    require_nothing_left(place)
    require_equal(place)


def all_rounds(
    request: pytest.FixtureRequest,
    place: Place,
    one_round: Callable[[random.Random, list[str]], None],
) -> None:
    """Each round; the failures of all together, with what was done."""
    failures = []
    seed = int(os.environ.get("FIXTUREPIPE_SEED", time.time_ns() % 1_000_000))
    for number in range(seed, seed + KILLS):
        log = [f"FIXTUREPIPE_SEED={number}"]
        try:
            one_round(random.Random(f"{number} {request.node.name}"), log)
        except AssertionError as error:
            log.append(str(error))
            failures.append("; ".join(log))
            end_all(place)
        print("; ".join(log), flush=True)
    assert not failures, "\n\n".join(failures)


def empty(place: Place) -> None:
    """Back to before the first run."""
    place.shop.done("clean", "--yes", "--keep-ledger")
    if place.server is not None:
        place.server.execute(f"DROP DATABASE `{place.name}`")
        place.server.execute(f"CREATE DATABASE `{place.name}`")


def test_a_killed_run_continues_and_leaves_nothing(
    request: pytest.FixtureRequest, place: Place
) -> None:
    undisturbed(place)

    def one_round(dice: random.Random, log: list[str]) -> None:
        empty(place)
        kill_and_finish(place, dice, log, "run", "--workers", dice.choice("12"))

    all_rounds(request, place, one_round)


@pytest.mark.parametrize("place", ["server"], indirect=True)
def test_a_killed_sync_continues_and_leaves_nothing(
    request: pytest.FixtureRequest, place: Place
) -> None:
    undisturbed(place)
    edit(place.shop.database, random.Random(0))
    began = time.monotonic()
    place.shop.done("sync")
    place.stages["check"] = time.monotonic() - began  # the whole of it: `sync` shows few stages

    def one_round(dice: random.Random, log: list[str]) -> None:
        edit(place.shop.database, dice)
        kill_and_finish(place, dice, log, "sync")

    all_rounds(request, place, one_round)


def edit(database: Path, dice: random.Random) -> None:
    """Change, add and delete rows."""
    word = dice.randrange(1_000_000)
    with contextlib.closing(sqlite3.connect(database)) as source, source:
        execute = source.execute
        execute("UPDATE reviews_review SET headline = ? WHERE id % 3 = ?", (str(word), word % 3))
        execute("UPDATE catalog_category SET name = name || 'x' WHERE id % 5 = ?", (word % 5,))
        execute("DELETE FROM shop_order_coupons WHERE id % 7 = ?", (word % 7,))
        execute(
            "INSERT OR IGNORE INTO shop_order_coupons (order_id, coupon_id)"
            " SELECT o.id, c.id FROM shop_order o, shop_coupon c WHERE (o.id + c.id) % 31 = ?",
            (word % 31,),
        )
