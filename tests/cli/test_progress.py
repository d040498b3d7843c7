"""What a log and a terminal show of a stage while it works."""

from __future__ import annotations

import re
import time

import pytest

from fixturepipe.cli.nextcommand import NextCommand
from fixturepipe.cli.progress import Progress, duration
from fixturepipe.events import StageAdvanced, StageFinished, StageStarted

NEXT = NextCommand("fixturepipe", {})


def test_a_log_gets_a_line_now_and_then_even_if_one_step_takes_long(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixturepipe.cli.progress.PLAIN_SECONDS", 0.05)
    with Progress(1, NEXT) as progress:
        progress(StageStarted("migrate", 3, "migrations"))
        progress(StageAdvanced("migrate", 1, "shop.0001_initial"))
        progress(StageAdvanced("migrate", 0, "shop.0002_big"))
        time.sleep(0.3)
        progress(StageAdvanced("migrate", 2, "shop.0002_big"))
        progress(StageFinished("migrate", 0, 0.3))
    lines = capfd.readouterr().err.splitlines()
    assert re.fullmatch(
        r"  migrate: 1 of 3 migrations in 0 s, \d s left: shop.0002_big", lines[0]
    ), lines
    assert len(lines) > 2
    assert lines[-1] == "migrate  3 migrations in 0.3 s"
    time.sleep(0.1)
    assert not capfd.readouterr().err


def test_no_progress_shows_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixturepipe.cli.progress.PLAIN_SECONDS", 0.01)
    with Progress(1, NEXT, quiet=True) as progress:
        progress(StageStarted("check"))
        time.sleep(0.1)
        progress(StageFinished("check", 0, 0.1))
    assert not capfd.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (99, "99 s"), (130, "2 min"), (3_599, "1 h 0 min"), (11_100, "3 h 5 min")],
)
def test_a_time_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
