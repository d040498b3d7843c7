"""Chunks in parallel: the same result, ledger and errors, whichever executor runs them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixturepipe.artifacts.manifest import Chunk
from fixturepipe.databases.embedded import EmbeddedServer
from fixturepipe.databases.endpoints import Endpoint, Endpoints
from fixturepipe.databases.forks import start_method
from fixturepipe.errors import ConfigurationError, LoadError, TransientLoadError, UsageError
from fixturepipe.load.dispatch import worthwhile_processes
from fixturepipe.load.workers import Schedule
from tests import servers
from tests.loading import RUN, Log, Object, a, load_into, make_run, read_applied, rows
from tests.shop import Shop


def chunk(number: int, *after: tuple[int, int]) -> Chunk:
    return Chunk(number, f"{number}.json", {}, 1, 1, "", after)


def numbers(chunks: list[Chunk]) -> list[int]:
    return [each.number for each in chunks]


# 1 ──┬── 2 ──┐
#     └── 3 ──┴── 4
DIAMOND = [chunk(1), chunk(2, (1, 1)), chunk(3, (1, 1)), chunk(4, (2, 3))]


def test_a_chunk_waits_for_its_predecessors() -> None:
    schedule = Schedule(DIAMOND)
    assert numbers(schedule.take(9)) == [1]
    assert numbers(schedule.take(9)) == []
    schedule.loaded(1)
    assert numbers(schedule.take(1)) == [2]
    assert numbers(schedule.take(9)) == [3]
    schedule.loaded(3)
    assert numbers(schedule.take(9)) == []
    schedule.loaded(2)
    assert numbers(schedule.take(9)) == [4]
    schedule.loaded(4)
    assert len(schedule) == 0


def test_predecessors_that_are_not_to_be_loaded_are_in() -> None:
    assert numbers(Schedule(DIAMOND[2:]).take(9)) == [3]


@pytest.fixture(params=["fork", "spawn"])
def begun_by(request: pytest.FixtureRequest) -> Iterator[str]:
    """Workers begin in this way: they are forked where there is no thread but this one."""
    if request.param == "fork":
        if sys.platform != "linux":
            pytest.skip("nothing is forked but on Linux")
        assert start_method() == "fork", f"a test left a thread: {threading.enumerate()}"
        yield "fork"
        return
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    assert start_method() == "spawn"
    yield "spawn"
    over.set()
    thread.join()


def shades_and_pointers() -> list[list[Object]]:
    """A chunk of fifty shades, and six that refer to them by natural key."""
    shades = [a("shade", n, slug=f"s{n}") for n in range(50)]
    return [shades] + [
        [a("pointer", 100 * part + n, shade=[f"s{n}"]) for n in range(50)] for part in range(6)
    ]


def test_two_workers_leave_what_one_leaves(
    tmp_path: Path,
    source: Endpoint,
    shared_target: Endpoint,
    second_target: Endpoint,
    begun_by: str,
) -> None:
    directory = make_run(tmp_path / "run", *shades_and_pointers())
    load_into(second_target, source, directory)
    result = load_into(shared_target, source, directory, workers=2)
    assert rows(shared_target) == rows(second_target)
    assert (result.chunks, result.objects, result.complete) == (7, 350, True)
    assert len(read_applied(Endpoints("default", source, shared_target), RUN)) == 7


def test_worker_processes_end_without_a_word(
    tmp_path: Path,
    source: Endpoint,
    shared_target: Endpoint,
    begun_by: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    directory = make_run(tmp_path / "run", *[[a("shade", n, slug=f"s{n}")] for n in (1, 2, 3)])
    load_into(shared_target, source, directory, workers=2)
    assert capfd.readouterr().err == ""


def test_workers_stop_at_a_refused_chunk_and_name_it(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(
        tmp_path / "run",
        [a("shade", 1, slug="red")],
        [a("pointer", 1, shade=["green"])],
        [a("spot", 1, x=1, y=1)],
    )
    with pytest.raises(LoadError, match=r"0002-loading.pointer.*\n.*green") as caught:
        load_into(shared_target, source, directory, workers=2)
    assert caught.value.exit_code == 3
    assert "fixturepipe load" in caught.value.hint


def test_workers_tell_what_they_rejected(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(
        tmp_path / "run", [a("shade", 1, slug="red")], [a("pointer", 1, shade=["green"])]
    )
    log = Log()
    result = load_into(shared_target, source, directory, workers=2, on_error="reject", log=log)
    assert result.rejected == {"loading.pointer": 1}
    assert "rejects/" in log.text


def test_json_nulls_reach_the_workers(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    objects = [[a("document", n, content=None, required=1)] for n in (1, 2)]
    nulls = {"loading.document": {"content": [2]}}
    directory = make_run(tmp_path / "run", *objects, json_nulls=nulls)
    load_into(shared_target, source, directory, workers=2)
    found = rows(shared_target, "loading.document")["loading.document"]
    assert sorted(row[1] is None for row in found) == [False, True]


def test_a_worker_that_dies_ends_the_load_resumably(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint, begun_by: str
) -> None:
    directory = make_run(tmp_path / "run", *[[a("shade", n, slug=f"s{n}")] for n in range(40)])

    def kill_a_worker(event: object) -> None:
        for child in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, 9)

    with pytest.raises(TransientLoadError, match="worker process died"):
        load_into(shared_target, source, directory, workers=2, log=kill_a_worker)
    assert load_into(shared_target, source, directory).complete
    assert len(rows(shared_target, "loading.shade")["loading.shade"]) == 40


def _children() -> list[int]:
    """The worker processes of this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = path.read_text().rsplit(")", 1)[1].split()[1]
            command = (path.parent / "cmdline").read_bytes()
            forked = command == Path("/proc/self/cmdline").read_bytes()
            if int(parent) == os.getpid() and (forked or b"spawn_main" in command):
                found.append(int(path.parent.name))
    return found


def test_an_unknown_executor_is_refused(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [a("shade", 1, slug="red")])
    with pytest.raises(UsageError, match="no executor 'celery:x'"):
        load_into(shared_target, source, directory, executor="celery:x")


# ---- Dask


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler and two worker processes of a real cluster; gives the address."""
    pytest.importorskip("distributed")
    directory = tmp_path_factory.mktemp("dask")
    address = f"tcp://127.0.0.1:{_free_port()}"
    port = address.rpartition(":")[2]
    begin = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    log = (directory / "log").open("wb")
    processes = [
        subprocess.Popen(
            [*begin, "--host", "127.0.0.1", "--port", port, "--no-dashboard"],
            stdout=log,
            stderr=log,
            cwd=directory,
        )
    ]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address]
    processes += [
        subprocess.Popen(
            [*worker, "--nthreads", "1", "--no-nanny", "--no-dashboard"],
            stdout=log,
            stderr=log,
            cwd=directory,
        )
        for _ in range(2)
    ]
    yield address
    for process in processes:
        process.terminate()
        process.wait()
    log.close()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_dask_cluster_loads_the_same(
    tmp_path: Path,
    source: Endpoint,
    shared_target: Endpoint,
    second_target: Endpoint,
    scheduler: str,
) -> None:
    from distributed import Client

    directory = make_run(tmp_path / "run", *shades_and_pointers())
    load_into(second_target, source, directory)
    with Client(scheduler) as client:
        client.wait_for_workers(2, timeout=60)
    result = load_into(shared_target, source, directory, workers=2, executor=f"dask:{scheduler}")
    assert result.complete
    assert rows(shared_target) == rows(second_target)


def test_a_dask_scheduler_that_is_not_there_is_named(
    shop: Shop, embedded_server: EmbeddedServer
) -> None:
    """Asked in a process of its own: the client leaves a thread, and no test may fork with one."""
    pytest.importorskip("distributed")
    shop.done("dump")
    with servers.embedded(embedded_server).database() as end:
        missing = f"dask:tcp://127.0.0.1:{_free_port()}"
        result = replace(shop, target=end.name).run("load", "--executor", missing)
    assert result.returncode == 2
    assert "does not respond" in result.stderr


def test_without_dask_its_extra_is_named(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    directory = make_run(tmp_path / "run", [a("shade", 1, slug="red")])
    with pytest.raises(ConfigurationError, match="not installed") as caught:
        load_into(shared_target, source, directory, executor="dask:tcp://127.0.0.1:1")
    assert "fixturepipe[dask]" in caught.value.hint


@pytest.mark.parametrize(("round_trip", "processes"), [(0.0, 2), (0.001, 2), (0.02, 4), (0.08, 8)])
def test_a_far_server_is_worth_more_processes_than_cores(
    round_trip: float, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr("fixturepipe.load.dispatch.start_method", lambda: "fork")
    chunks = [Chunk(n, "", {}, 4_500, 0, "") for n in range(1, 43)]
    assert worthwhile_processes(chunks, round_trip) == processes
