"""Whatever is killed, and whenever: after the next load the target is as after an undisturbed one.

FIXTUREPIPE_CRASHES is the number of kills of a loader (the server is killed a fifth as often).
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import MySQLdb
import pytest

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.embedded import EmbeddedServer
from fixturepipe.databases.endpoints import Endpoint, Endpoints
from fixturepipe.errors import ConfigurationError, TransientLoadError
from fixturepipe.events import Event, StageAdvanced
from fixturepipe.load.options import LoadOptions
from tests import servers
from tests.conftest import delete_rows, sqlite_endpoint
from tests.loading import RUN, Log, Object, a, column, load_into, make_run, read_applied, rows

CRASHES = int(os.environ.get("FIXTUREPIPE_CRASHES", "4"))
ROWS = 400


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, source_template: Path) -> RunDirectory:
    """Twenty chunks: trees, cycles, natural keys, rows that only the server numbers."""
    shades = [a("shade", n, slug=f"shade {n}") for n in range(ROWS)]
    nodes = [a("node", n, slug=f"n{n}", parent=[f"n{n - 1}"] if n else None) for n in range(ROWS)]
    cycle = [a("hen", n, egg=n) for n in range(ROWS)] + [a("egg", n, hen=n) for n in range(ROWS)]
    numbered = [a("product", None, number=f"p{n}") for n in range(ROWS)]
    chunks: list[list[Object]] = [shades, nodes, cycle, numbered]
    chunks += [
        [a("pointer", 1000 * part + n, shade=[f"shade {n}"]) for n in range(ROWS)]
        for part in range(16)
    ]
    with Endpoints("default", sqlite_endpoint(source_template)).bound_to_source():
        return make_run(tmp_path_factory.mktemp("crash") / "run", *chunks, cyclic=[3])


@pytest.fixture(scope="module")
def source_file(source_template: Path) -> Path:
    return source_template


@dataclass(frozen=True)
class Place:
    """A run, where it is loaded from and into, and what a load that nothing disturbs leaves."""

    run: RunDirectory
    source: Endpoint
    target: Endpoint
    undisturbed: dict[str, Any]

    def load(self, *options: Any, **more: Any) -> Any:
        return load_into(self.target, self.source, self.run, *options, **more)

    def has_all(self) -> bool:
        return outcome(self.target) == self.undisturbed

    def chunks(self) -> int:
        return len(read_applied(Endpoints("default", self.source, self.target), RUN))

    def wait_for(self, process: Any, chunks: int) -> None:
        """Wait until so many chunks are in, or the process is at its end."""
        while process.poll() is None and self.chunks() < chunks:
            time.sleep(0.002)


@pytest.fixture
def place(
    run: RunDirectory, source: Endpoint, shared_target: Endpoint, second_target: Endpoint
) -> Place:
    load_into(second_target, source, run)
    return Place(run, source, shared_target, outcome(second_target))


def outcome(target: Endpoint) -> dict[str, Any]:
    """All rows of the run's models, without the keys that the server gave."""
    found = rows(
        target, *(f"loading.{name}" for name in ("shade", "node", "hen", "egg", "pointer"))
    )
    return {**found, "products": sorted(column(target, "product", "number"))}


@pytest.fixture(scope="module")
def private_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that tests may kill."""
    server = EmbeddedServer(tmp_path_factory.mktemp("killed"))
    server.start()
    yield server
    server.stop()


def kill(server: EmbeddedServer) -> None:
    """kill -9, and collect what is left."""
    pid = int((server.directory / "mariadbd.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/cmdline").read_bytes():
        time.sleep(0.02)
    server.stop()


def kill_and_start(server: EmbeddedServer) -> None:
    """The server is gone for a moment."""
    kill(server)
    server.start()


def begin(place: Place, source_file: Path, workers: int = 1) -> Any:
    """A loading process that has begun to work."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.load_process"),
            *(str(place.run.path), str(source_file), place.target.name, str(workers)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
        # A test run in the background inherits an ignored Ctrl-C, and hands it on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def end(process: Any) -> None:
    """kill -9, and collect what it said."""
    process.kill()
    process.communicate()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_loader_loses_and_repeats_nothing(
    workers: int, place: Place, source_file: Path
) -> None:
    chance = random.Random(os.environ.get("PYTEST_SEED"))
    killed_halfway = 0
    for _ in range(CRASHES):
        delete_rows(place.target)
        while place.chunks() < 20:
            process = begin(place, source_file, workers)
            # The first kill of each round is halfway for certain, the others where they fall.
            certain = place.chunks() == 0
            place.wait_for(process, 1 if certain else chance.randrange(16))
            time.sleep(0 if certain else chance.uniform(0, 0.05))
            end(process)
            killed_halfway += 0 < place.chunks() < 20
            if chance.random() < 0.4:
                place.load()
        place.load()
        assert place.has_all()
    assert killed_halfway


def test_an_interrupted_loader_rolls_its_chunk_back(place: Place, source_file: Path) -> None:
    process = begin(place, source_file)
    place.wait_for(process, 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in said
    place.load()
    assert place.has_all()


def test_a_loader_killed_in_migrate_starts_again(
    place: Place, source_file: Path, empty_target: Endpoint
) -> None:
    place = replace(place, target=empty_target)
    for seconds in (0.3, 0.8):
        process = begin(place, source_file)
        time.sleep(seconds)
        end(process)
    place.load()
    assert place.has_all()


def test_a_killed_connection_is_answered_with_another_try(
    place: Place, server: servers.Server
) -> None:
    log = Log()
    name = place.target.settings["NAME"]

    def kill_now_and_then(event: Event) -> None:
        log(event)
        if isinstance(event, StageAdvanced) and "0-" not in event.label:
            for number, command in server.execute(
                "SELECT id, command FROM information_schema.processlist"
                f" WHERE db = '{name}' ORDER BY id DESC"
            ):
                if command == "Sleep":
                    server.execute(f"KILL {number}")

    place.load(log=kill_now_and_then)
    assert "trying again" in log.text
    assert place.has_all()


@pytest.mark.parametrize("workers", [1, 2])
def test_chunks_that_a_crash_took_back_come_before_those_that_need_them(
    workers: int, place: Place, server: servers.Server
) -> None:
    """As innodb_flush_log_at_trx_commit=0 may do: all is gone, and so are the connections."""
    log, database = Log(), str(place.target.settings["NAME"])

    def lose_all(event: Event) -> None:
        first = "0006-" not in str(log.events)
        log(event)
        if isinstance(event, StageAdvanced) and "0006-" in event.label and first:
            lose_rows_and_connections(server, database)

    options = LoadOptions(workers=workers, on_error="reject")
    result = place.load(options, log=lose_all)

    assert "The server lost chunks that it had confirmed: 1-6" in log.text
    assert result.rejected == {}
    assert place.has_all()


def lose_rows_and_connections(server: servers.Server, database: str) -> None:
    """While nobody else can read or write: LOCK TABLES waits for open transactions."""
    connection = server.connect(database)
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        names = [*(f"loading_{n}" for n in ("shade", "node", "hen", "egg", "pointer", "product"))]
        names.append("fixturepipe_ledger")
        cursor.execute(f"LOCK TABLES {', '.join(f'{name} WRITE' for name in names)}")
        cursor.execute(
            "SELECT id FROM information_schema.processlist"
            f" WHERE db = '{database}' AND id <> CONNECTION_ID()"
        )
        for (number,) in cursor.fetchall():
            with contextlib.suppress(MySQLdb.Error):
                cursor.execute(f"KILL {number}")
        for name in names:
            cursor.execute(f"DELETE FROM {name}")
        cursor.execute("UNLOCK TABLES")


def test_a_lock_that_is_not_given_is_waited_for_again(place: Place, server: servers.Server) -> None:
    impatient = _impatient(place)
    with _held_row(server, place.target) as release:
        log = Log()

        def release_when_said(event: Event) -> None:
            log(event)
            if "Lock wait timeout" in log.text:
                release()

        impatient.load(log=release_when_said)
    assert "Lock wait timeout" in log.text
    assert place.has_all()


def test_a_lock_that_is_never_given_names_the_transaction_that_has_it(
    place: Place, server: servers.Server
) -> None:
    impatient = _impatient(place)
    with _held_row(server, place.target), pytest.raises(TransientLoadError) as caught:
        impatient.load(pauses=())
    assert re.search(r"has a transaction with locks open since .*: KILL \d+;", caught.value.hint)


def _impatient(place: Place) -> Place:
    """Waits a second for a lock."""
    options = {"init_command": "SET innodb_lock_wait_timeout = 1"}
    settings = {**place.target.settings, "OPTIONS": options}
    return replace(place, target=replace(place.target, settings=settings))


@contextmanager
def _held_row(server: servers.Server, target: Endpoint) -> Iterator[Callable[[], None]]:
    """Another transaction has inserted a row of the first chunk, until it is rolled back."""
    connection = server.connect(target.settings["NAME"])
    connection.autocommit(False)
    try:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO loading_shade (id, slug) VALUES (7, 'held')")
        yield connection.rollback
    finally:
        connection.close()


def test_a_killed_server_that_comes_back_is_waited_for(
    place: Place, private_server: EmbeddedServer
) -> None:
    chance = random.Random(os.environ.get("PYTEST_SEED"))
    for _ in range(max(1, CRASHES // 5)):
        with servers.embedded(private_server).database() as target:
            elsewhere = replace(place, target=target)
            again = threading.Timer(
                chance.uniform(2.0, 6.0), kill_and_start, args=(private_server,)
            )
            again.start()
            for _ in range(3):
                # The server may be killed while the target is being prepared, too.
                with contextlib.suppress(TransientLoadError, ConfigurationError):
                    elsewhere.load()
                    break
                again.join()
            again.join()
            elsewhere.load()
            assert elsewhere.has_all()


def test_a_server_that_stays_away_ends_the_load_resumably(
    place: Place, private_server: EmbeddedServer
) -> None:
    with servers.embedded(private_server).database() as target:
        elsewhere = replace(place, target=target)

        def kill_after_the_third(event: Event) -> None:
            if isinstance(event, StageAdvanced) and "0003-" in event.label:
                kill(private_server)

        try:
            with pytest.raises(TransientLoadError, match="0004") as caught:
                elsewhere.load(log=kill_after_the_third, pauses=(0.1, 0.1))
            assert caught.value.exit_code == 3
        finally:
            private_server.start()
        assert elsewhere.chunks() == 3
        assert elsewhere.load().chunks == 17
