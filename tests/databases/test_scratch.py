"""What a command needs only while it works goes with it, or with the next command."""

from __future__ import annotations

import os
import signal
from multiprocessing import get_context
from pathlib import Path

import pytest

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.mariadbd import Mariadbd
from fixturepipe.databases.scratch import scratch, scratch_server, sweep


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    return directory


def test_a_scratch_directory_is_private_and_gone_afterwards(directory: RunDirectory) -> None:
    with scratch(directory) as path:
        (path / "rows").write_text("secret")
        assert path.stat().st_mode & 0o777 == directory.scratch.stat().st_mode & 0o777 == 0o700
    assert not directory.scratch.exists()


def test_that_of_a_command_at_work_stays(directory: RunDirectory) -> None:
    with scratch(directory) as path, scratch(directory) as other:
        assert path != other
        sweep(directory)
        assert path.is_dir()
        assert other.is_dir()


def _killed_with_a_server(directory: RunDirectory) -> None:
    with scratch(directory) as path:
        scratch_server(path).start()
        os.kill(os.getpid(), signal.SIGKILL)


def test_that_of_a_killed_command_goes_and_so_does_its_server(directory: RunDirectory) -> None:
    process = get_context("fork").Process(target=_killed_with_a_server, args=(directory,))
    process.start()
    process.join()
    (path,) = directory.scratch.iterdir()
    assert Mariadbd(path / "server").pid() is not None
    with scratch(directory):
        assert not path.exists()
        assert Mariadbd(path / "server").pid() is None
    assert not directory.scratch.exists()


def test_a_link_in_its_place_is_not_followed(directory: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "fixturepipe-elsewhere").mkdir()
    directory.scratch.symlink_to(tmp_path)
    sweep(directory)
    directory.remove()
    assert (tmp_path / "fixturepipe-elsewhere").is_dir()
