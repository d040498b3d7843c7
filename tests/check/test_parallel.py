"""Tasks that check shares with a second process, which may die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from fixturepipe.check.parallel import SharedTasks, second_process
from fixturepipe.databases import forks
from fixturepipe.databases.endpoints import Endpoint, Endpoints
from fixturepipe.errors import FixturepipeError

PARENT = os.getpid()


@pytest.fixture(autouse=True)
def opened(source: Endpoint) -> None:
    """`second_process` closes the source's connection before it forks."""
    Endpoints("default", source).open()


def begin() -> None:
    pass


def square(task: int) -> tuple[int, int]:
    return task * task, os.getpid()


def die_at_three(task: int) -> int:
    assert os.getpid() != PARENT
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def fail_at_three(task: int) -> int:
    if task == 3:
        raise ValueError("three")
    return task


def test_each_task_is_done_once_here_or_there() -> None:
    with second_process(begin) as pool:
        shared = SharedTasks(pool, square, range(200))
        done = {task: square(task) for task in shared}
        there = {task: shared.result(task) for task in set(range(200)) - done.keys()}
    assert there[0] == (0, there[0][1])
    assert done[199] == (199 * 199, PARENT)
    assert {task: found for task, (found, _) in (done | there).items()} == {
        task: task * task for task in range(200)
    }


def results(do: Callable[[int], int]) -> list[int]:
    """The results of the tasks that are handed over, when this process takes its time."""
    with second_process(begin) as pool:
        shared = SharedTasks(pool, do, range(30))
        done = [task for task in shared if not time.sleep(0.01)]
        return [shared.result(task) for task in range(30) if task not in done]


def test_a_second_process_that_dies_is_an_error() -> None:
    if forks.start_method() != "fork":
        pytest.skip("a thread does the work here")
    with pytest.raises(FixturepipeError, match="The second process of check died"):
        results(die_at_three)


def test_a_task_that_fails_fails_here() -> None:
    with pytest.raises(ValueError, match="three"):
        results(fail_at_three)
