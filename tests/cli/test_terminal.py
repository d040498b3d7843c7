"""Standard streams that are closed, full, not UTF-8, or a terminal that obeys what it shows."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from pathlib import Path

import pytest

from fixturepipe.cli.terminal import colored, is_colored, printable
from tests.shop import Shop, command


@pytest.fixture(scope="module")
def dumped(shop_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A run with a dump, for commands that read it."""
    shop = Shop(shop_database, tmp_path_factory.mktemp("dumped") / "run")
    shop.done("dump", "catalog")
    shop.done("arrange")
    return shop


def in_shell(line: str, shop: Shop, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell, in which `$F` is fixturepipe."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=shop.workdir.parent,
        env=shop.environment | {"F": " ".join(command())} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert printable("a\x1b[31mb\x9b\x07\tc\nd") == "a\\x1b[31mb\\x9b\\x07\tc\nd"


@pytest.mark.parametrize(
    ("choice", "environment", "expected"),
    [
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_a_pipe_has_color_only_if_asked_to(
    choice: str, environment: dict[str, str], expected: bool
) -> None:
    assert is_colored(io.StringIO(), choice, environment) is expected


@pytest.mark.parametrize(
    ("term", "environment", "expected"),
    [("xterm", {}, True), ("dumb", {}, False), ("xterm", {"NO_COLOR": "1"}, False)],
)
def test_a_terminal_has_color_unless_it_lacks_it(
    term: str, environment: dict[str, str], expected: bool
) -> None:
    _, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        assert is_colored(stream, "auto", {"TERM": term, **environment}) is expected


def test_color_is_djangos_and_leaves_the_rest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DJANGO_COLORS", raising=False)
    text = "error: no\nFP203 warning: a.b (2 rows): error: x"
    red, yellow, end = "\x1b[31;1m", "\x1b[33;1m", "\x1b[0m"
    assert colored(text) == (
        f"{red}error:{end} no\n{yellow}FP203 warning:{end} a.b (2 rows): error: x"
    )
    monkeypatch.setenv("DJANGO_COLORS", "nocolor")
    assert colored(text) == text


def test_an_error_is_red_if_color_is_forced(dumped: Shop) -> None:
    done = in_shell("$F inspect 999 --color always", dumped)
    assert done.stderr.startswith(b"\x1b[31;1merror:\x1b[0m There is no chunk 999\n")


@pytest.mark.parametrize("option", ["", "--json"])
def test_a_stream_that_is_not_utf8_gets_escapes(dumped: Shop, option: str) -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = in_shell(f"$F inspect 1 --objects 1000 {option}", dumped, **environment)
    assert done.returncode == 0, done.stderr
    assert b"catalog" in done.stdout


@pytest.mark.parametrize("option", ["", "--json"])
def test_a_closed_stdout_is_no_failure(dumped: Shop, option: str) -> None:
    done = in_shell(f"$F status {option} >&-", dumped)
    assert (done.returncode, done.stderr) == (0, b"")


def test_closed_streams_do_not_hinder_the_work(shop: Shop) -> None:
    assert in_shell("$F dump sites <&- >&- 2>&-", shop).returncode == 0
    assert (shop.workdir / "1-dump" / "sites.json").read_bytes().startswith(b"[")


@pytest.mark.parametrize("option", ["", "--json"])
def test_a_full_stdout_is_said_in_one_sentence(dumped: Shop, option: str) -> None:
    done = in_shell(f"$F status {option} > /dev/full", dumped)
    assert done.returncode == 3
    assert done.stderr.startswith(b"error: No space left on device\n")
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_a_full_stderr_does_not_stop_the_work(shop: Shop) -> None:
    assert in_shell("$F dump sites 2> /dev/full", shop).returncode == 0


def test_a_reader_who_is_gone_is_no_failure(dumped: Shop) -> None:
    done = in_shell("$F inspect 1 --objects 1000 | head -1; echo ${PIPESTATUS[0]}", dumped)
    assert done.stdout.endswith(b"\n0\n")
    assert done.stderr == b""


def test_a_log_whose_reader_is_gone_does_not_stop_the_work(shop: Shop) -> None:
    done = in_shell("{ $F dump sites 2>&1 >/dev/null; echo $? >&2; } | true", shop)
    assert done.stderr == b"0\n"
