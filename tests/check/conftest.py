"""Checks write their findings into a run directory, by default one in the working directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir

import pytest


@pytest.fixture(autouse=True, scope="module")
def in_a_directory_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each module's checks have a working directory that no other process uses."""
    with chdir(tmp_path_factory.mktemp("checks")):
        yield
