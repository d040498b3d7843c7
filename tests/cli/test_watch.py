"""`status --watch`, on another terminal than the command that is running."""

from __future__ import annotations

import subprocess
import time
from collections import deque

import pytest

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import ModelState, State
from fixturepipe.cli.watch import how_far
from tests.shop import Shop, command


@pytest.mark.parametrize(
    ("loaded", "chunks", "expected"),
    [
        (0, 0, "dump: 500 objects of 2 apps"),
        (100, 4, "load: 100 of 500 objects (1 of 4 chunks)"),
        (300, 4, "load: 300 of 500 objects, 50 a second, 4 s left (1 of 4 chunks)"),
        (500, 4, "load: all 500 objects are loaded; verify is running or next"),
    ],
)
def test_a_line_says_how_far_the_run_is(loaded: int, chunks: int, expected: str) -> None:
    models = (ModelState("a.b", 500, 500 if chunks else None, loaded),)
    state = State("0", "a", "b", models, 2, chunks, 1, chunks - 1, "load")
    assert how_far(state, deque([(0.0, 100), (4.0, loaded)])) == expected


def test_it_ends_with_the_command_that_is_at_work(shop: Shop) -> None:
    shop.done("dump", "sites")
    directory = RunDirectory(shop.workdir)
    assert not directory.is_at_work
    with directory.locked():
        assert directory.is_at_work
        watching = subprocess.Popen(
            command("status", "--watch"),
            env=shop.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert watching.stderr is not None
        assert watching.stderr.readline() == "dump: 2 objects of 1 app\n"
        time.sleep(0.1)
        assert watching.poll() is None
    output, errors = watching.communicate(timeout=30)
    assert (watching.returncode, errors) == (0, "")
    assert "Next: " in output
