"""Text keys that the target's collation takes for the same: no row takes another's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixturepipe.databases.endpoints import Endpoint
from fixturepipe.errors import LoadError
from tests.loading import a, load_into, make_run, rows

LABEL = "loading.odd"


def test_a_key_that_is_the_same_but_for_case_is_refused_and_overwrites_nothing(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [a("odd", "ab", share=1), a("odd", "AB", share=2)])
    with pytest.raises(LoadError, match="AB"):
        load_into(shared_target, source, directory)
    assert rows(shared_target, LABEL) == {}
    result = load_into(shared_target, source, directory, on_error="reject")
    assert result.rejected == {LABEL: 1}
    assert rows(shared_target, LABEL) == {LABEL: [("ab", 1)]}


def test_a_key_that_another_chunk_has_loaded_is_updated_only_when_asked(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [a("odd", "ab", share=1)], [a("odd", "ab", share=2)])
    with pytest.raises(LoadError, match="pk 'ab': the target already has a row with this key"):
        load_into(shared_target, source, directory)
    load_into(shared_target, source, directory, existing="update")
    assert rows(shared_target, LABEL) == {LABEL: [("ab", 2)]}
