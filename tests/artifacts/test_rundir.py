"""The lock of a run directory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.errors import RunDirectoryError


def test_a_command_starts_while_another_asks_whether_one_is_at_work(tmp_path: Path) -> None:
    directory, is_over = RunDirectory(tmp_path), threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            _ = directory.is_at_work

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(2000):
            with directory.locked():
                pass
    finally:
        is_over.set()
        asking.join()


def test_a_second_command_is_refused(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    with (
        directory.locked(),
        pytest.raises(RunDirectoryError, match="command is running"),
        RunDirectory(tmp_path).locked(),
    ):
        pass
    assert not directory.is_at_work
