"""A site that was moved once, for all tests of a sync."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from fixturepipe.databases.endpoints import Endpoints
from tests import servers
from tests.conftest import sqlite_endpoint
from tests.sync.moved import Moved


@pytest.fixture(scope="package")
def moved_once(
    server: servers.Server,
    source_template: Path,
    target_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Moved]:
    """A site with rows of every kind, moved; its target follows from test to test."""
    path = tmp_path_factory.mktemp("moved")
    shutil.copyfile(source_template, path / "source.sqlite3")
    with server.database() as target:
        server.copy(target_template, str(target.settings["NAME"]))
        source = sqlite_endpoint(path / "source.sqlite3")
        moved = Moved(Endpoints("default", source, target), path / "run")
        with moved.editor() as editor:
            editor.fill(3)
        shutil.copyfile(moved.source, path / "first.sqlite3")
        moved.run()
        yield moved
        connections.close_all()


@pytest.fixture
def moved(moved_once: Moved) -> Moved:
    """The site as it was at the run, and a target that is equal to it."""
    return reset(moved_once)


@pytest.fixture
def known(moved_once: Moved) -> Moved:
    """The site as it was at the run; the last snapshot is kept."""
    return reset(moved_once, keep_snapshot=True)


def reset(moved: Moved, **options: Any) -> Moved:
    """Make source and target what they were at the run, whatever a test has done to them."""
    shutil.copyfile(moved.source.with_name("first.sqlite3"), moved.source)
    moved.forget_snapshot()
    # All rows are compared before it loads; the proof is left to the tests.
    moved.sync(existing="delete", verify="touched", **options)
    return moved
