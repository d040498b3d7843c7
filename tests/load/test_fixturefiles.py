"""A chunk that was edited into something that cannot be read is named, and how."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixturepipe.errors import ChunkFileError
from fixturepipe.load.objects.fixturefiles import read_fixture

OBJECT = '[{"model": "a.b", "pk": 1, "fields": {"n": %s}}]'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (OBJECT % ("9" * 5000), "a number with more than 4,300 digits"),
        (OBJECT % ("[" * 100_000 + "]" * 100_000), "nested too deep"),
        (OBJECT % '"\udcff"', "not UTF-8"),
        (OBJECT % "1,,", "line 1"),
        ("{}", "not a list"),
        ('[{"model": 1}]', "object 1"),
    ],
)
def test_a_damaged_chunk_is_named(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "0001-a.b.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ChunkFileError, match=f"0001-a.b.json.*{problem}"):
        read_fixture(path)
