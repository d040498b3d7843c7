"""Ctrl-C, SIGTERM and SIGHUP end a command within a second, without a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.proxy import proxy_to
from fixturepipe.cli.interrupts import SIGNALS, handled
from fixturepipe.databases.endpoints import Endpoint
from tests import servers
from tests.proxy import through
from tests.shop import Shop, command

# Past `sys.stdout`, which has only results while a command is at work.
READY = '__import__("os").write(1, b"ready\\n")'
PROGRAM = """
    import os, signal, sys, time
    from fixturepipe.cli.interrupts import handled

    def forced():
        print("forced", flush=True)

    try:
        with handled(forced):
    {work}
    except KeyboardInterrupt:
        print("noticed", flush=True)
        sys.exit(130)
"""


def interrupted(number: signal.Signals, work: str) -> tuple[int, str, str, float]:
    """Send a signal to a program that does some work (see `signalled`)."""
    program = textwrap.dedent(PROGRAM)
    return signalled(number, program.format(work=textwrap.indent(textwrap.dedent(work), " " * 8)))


def signalled(number: signal.Signals, code: str) -> tuple[int, str, str, float]:
    """Send a signal to a program at work: its status, outputs, and seconds until it ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    before = ""
    while (line := process.stdout.readline()) != "ready\n":
        assert line, process.communicate()
        before += line
    time.sleep(0.3)  # the work is begun
    began = time.monotonic()
    process.send_signal(number)
    try:
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, before + output, errors, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_work_in_python_is_interrupted(number: signal.Signals) -> None:
    assert interrupted(number, f"{READY}; time.sleep(60)")[:3] == (130, "noticed\n", "")


def test_work_that_does_not_notice_is_ended() -> None:
    # A lock of C that Python's signal handlers wait for.
    query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    work = f"{READY}; import sqlite3; sqlite3.connect(':memory:').execute('{query}').fetchall()"
    status, output, errors, seconds = interrupted(signal.SIGINT, work)
    assert (status, output, errors) == (130, "forced\n", "")
    assert seconds < 5  # a second, and what a busy machine adds


def test_a_second_signal_ends_what_the_first_began() -> None:
    work = f"""
    {READY}
    try:
        time.sleep(60)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)"""
    assert interrupted(signal.SIGINT, work)[:3] == (130, "forced\n", "")


def test_an_ignored_signal_stays_ignored() -> None:
    setup = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    before, after = PROGRAM.split("    try:\n", 1)
    code = textwrap.dedent(f"{before}    {setup}\n    try:\n{after}").format(
        work=f"        {READY}; time.sleep(1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_an_interrupt_that_a_callback_loses_comes_again() -> None:
    work = f"""
    class Lost:
        def __del__(self):
            {READY}
            time.sleep(60)

    Lost()
    time.sleep(60)"""
    assert interrupted(signal.SIGTERM, work)[:3] == (130, "noticed\n", "")


def test_what_a_library_makes_of_an_interrupt_is_one() -> None:
    work = f"""
    import fixturepipe.cli, fixturepipe.cli.commands

    def fails(call):
        try:
            {READY}
            time.sleep(60)
        except KeyboardInterrupt:
            raise ValueError("Commands out of sync")

    fixturepipe.cli.commands.COMMANDS["status"] = fails
    fixturepipe.cli.main(["status"])"""
    assert interrupted(signal.SIGINT, work)[:3] == (130, "noticed\n", "")


def test_an_interrupt_before_the_options_are_read_exits_130() -> None:
    # A process of its own: what ends by an interrupt ignores the signals from then on.
    program = """
import fixturepipe.cli

def interrupted(prog):
    raise KeyboardInterrupt

fixturepipe.cli.build_parser = interrupted
fixturepipe.cli.script(["status"])"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 130
    assert "Interrupted" in ended.stderr


def test_the_watch_of_signals_leaves_nothing_behind() -> None:
    def files() -> list[Path]:
        return sorted(Path("/proc/self/fd").iterdir())

    before = files(), [signal.getsignal(number) for number in SIGNALS]
    for _ in range(3):
        with handled(lambda: None):
            assert [signal.getsignal(number) for number in SIGNALS] != before[1]
    deadline = time.monotonic() + 10
    while files() != before[0] and time.monotonic() < deadline:
        time.sleep(0.01)  # its thread ends on its own
    assert (files(), [signal.getsignal(number) for number in SIGNALS]) == before


@pytest.mark.parametrize("ignored", [(), (signal.SIGTERM,)])
def test_a_worker_ends_when_its_parent_is_killed(ignored: tuple[signal.Signals, ...]) -> None:
    program = f"""
import multiprocessing, signal, time
from concurrent.futures import ProcessPoolExecutor
from fixturepipe.databases import forks

for number in {[int(number) for number in ignored]}:
    signal.signal(number, signal.SIG_IGN)
context = multiprocessing.get_context("fork")
with ProcessPoolExecutor(2, context, initializer=forks.begin) as pool:
    for ready in pool.map(abs, range(8)):
        pass
    print("ready", flush=True)
    list(pool.map(time.sleep, [60, 60]))"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.communicate(timeout=20)  # until the last of them has closed the output


def test_what_is_left_of_a_command_is_not_waited_for() -> None:
    code = f"""
import multiprocessing, threading, time
import fixturepipe.cli, fixturepipe.cli.commands
from fixturepipe.databases import forks

def work():
    forks.begin()
    time.sleep(60)

def waits(call):
    multiprocessing.get_context("fork").Process(target=work).start()
    threading.Thread(target=threading.Event().wait).start()
    {READY}
    time.sleep(60)

fixturepipe.cli.commands.COMMANDS["status"] = waits
fixturepipe.cli.script(["status"])"""
    status, output, errors, seconds = signalled(signal.SIGINT, code)
    assert (status, output) == (130, "")
    assert "Interrupted" in errors
    assert seconds < 5


def test_a_forked_worker_is_ended_by_sigterm() -> None:
    work = f"""
    import multiprocessing
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    worker.start()
    worker.terminate()
    worker.join()
    print(worker.exitcode)
    {READY}
    time.sleep(60)"""
    assert interrupted(signal.SIGINT, work)[:3] == (130, "-15\nnoticed\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_says_how_it_continues_and_leaves_no_server(
    shop: Shop, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        command("run", "--no-progress"),
        cwd=shop.workdir.parent,
        env=shop.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (shop.workdir / "server" / "mariadbd.sock").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].startswith("Interrupted. The same command continues from here:")
    assert "Traceback" not in errors
    assert not servers_in(shop.workdir)
    shop.done("run")


def servers_in(directory: Path) -> list[str]:
    """The processes that name the directory in their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"mariadbd" in arguments and os.fsencode(directory) in arguments:
                found.append(entry.name)
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_a_silent_network_does_not_put_it_off(
    shop: Shop, server: servers.Server, empty_target: Endpoint, workers: int
) -> None:
    shop.done("dump")
    shop.done("arrange", "--chunk-objects", "20")
    with proxy_to(server.base) as proxy:
        settings = through(proxy, empty_target).settings
        shop = replace(shop, target=servers.Server("", settings).url(settings["NAME"]))
        process = subprocess.Popen(
            command("load", "--workers", str(workers), "--no-progress"),
            cwd=shop.workdir.parent,
            env=shop.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        status = shop.workdir / "load.json"
        deadline = time.monotonic() + 60
        while not status.exists() or '"loaded": []' in status.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        proxy.silent = True
        time.sleep(1)
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - began < 5  # a second, and what a busy machine adds
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("Interrupted.")
