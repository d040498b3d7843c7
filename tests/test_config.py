"""Flag, then environment, then file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from fixturepipe.cli.options import positive
from fixturepipe.config import Option, filled, read_file, resolve
from fixturepipe.errors import ConfigurationError
from fixturepipe.fixes.declarations import declared, declared_in

OBJECTS = Option("chunk-objects", "objects in a chunk", positive, 5000)
LOADER = Option("loader", "which", choices=("fast", "stock"), default="fast")
YES = Option("yes", "do not ask", convert=None, default=False)
EXCLUDE = Option("exclude", "leave out", many=True)
FIX = Option("fix", "fixes", declared, many=True, table=declared_in)
VARIABLE = "FIXTUREPIPE_CHUNK_OBJECTS"


def test_the_flag_wins_over_the_environment() -> None:
    values = resolve([OBJECTS], {"chunk_objects": 1}, {VARIABLE: "2"}, {"chunk-objects": 3})
    assert values == {"chunk_objects": 1}


def test_the_environment_wins_over_the_file() -> None:
    assert resolve([OBJECTS], {}, {VARIABLE: "2"}, {"chunk-objects": 3}) == {"chunk_objects": 2}


def test_the_file_is_read_last() -> None:
    assert resolve([OBJECTS], {}, {}, {"chunk-objects": 3}) == {"chunk_objects": 3}


def test_an_option_that_nobody_gives_has_no_value() -> None:
    assert resolve([OBJECTS, EXCLUDE, FIX], {}, {}, {}) == {}


@pytest.mark.parametrize(("given", "value"), [("1", True), ("no", False), ("True", True)])
def test_a_flag_without_a_value_reads_a_word(given: str, value: bool) -> None:
    assert resolve([YES], {}, {"FIXTUREPIPE_YES": given}, {}) == {"yes": value}


def test_a_repeatable_option_is_separated_by_commas() -> None:
    values = resolve([EXCLUDE], {}, {"FIXTUREPIPE_EXCLUDE": "a, b.c"}, {})
    assert values == {"exclude": ["a", "b.c"]}


def test_a_table_is_joined_with_the_environment_and_the_flag_target_by_target() -> None:
    file = {"fix": {"a.B.c": "truncate", "a.B.d": "null", "a.B.e": {"default": 3}}}
    environment = {"FIXTUREPIPE_FIX": "a.b.D=drop,FP103=default:0"}
    values = resolve([FIX], {"fix": [declared("FP103=drop")]}, environment, file)
    assert sorted(map(str, values["fix"])) == [
        "FP103 = drop",
        "a.B.c = truncate",
        "a.B.e = default",
        "a.b.D = drop",
    ]


def test_a_wrong_entry_of_a_table_names_its_place() -> None:
    with pytest.raises(ConfigurationError, match=r"fix in \[tool.fixturepipe\]"):
        resolve([FIX], {}, {}, {"fix": {"a.B.c": 7}})
    with pytest.raises(ConfigurationError, match="FIXTUREPIPE_FIX cannot be 'truncate'"):
        resolve([FIX], {}, {"FIXTUREPIPE_FIX": "truncate"}, {})


def test_a_wrong_value_names_its_place() -> None:
    with pytest.raises(ConfigurationError, match=f"{VARIABLE} cannot be 'none'"):
        resolve([OBJECTS], {}, {VARIABLE: "none"}, {})
    with pytest.raises(ConfigurationError, match=r"loader in \[tool.fixturepipe\]") as caught:
        resolve([LOADER], {}, {}, {"loader": "slow"})
    assert "fast, stock" in caught.value.hint


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.fixturepipe]\nloader = 'fast'\n")
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.fixturepipe]\nloader = 'stock'\n")
    assert read_file(inner, ["loader"]) == {"loader": "stock"}


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.fixturepipe]\nchunks = 3\n")
    with pytest.raises(ConfigurationError, match="no option chunks"):
        read_file(tmp_path, ["loader"])


def test_a_name_in_the_file_may_have_underscores(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.fixturepipe]\nchunk_objects = 3\n")
    assert read_file(tmp_path, ["chunk-objects"]) == {"chunk-objects": 3}


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.fixturepipe\n")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_file(tmp_path, [])


@dataclass(frozen=True)
class _Cut:
    size: int = 1
    workers: int = 0


@dataclass(frozen=True)
class _Compare:
    workers: int = 0
    limit: int = 20


def test_a_value_fills_every_class_that_has_its_name() -> None:
    cut, compare = filled((_Cut, _Compare), {"workers": 3, "limit": 5})
    assert (cut, compare) == (_Cut(1, 3), _Compare(3, 5))


def test_a_value_that_fits_nowhere_is_an_error() -> None:
    with pytest.raises(TypeError, match="no option color"):
        filled((_Cut, _Compare), {"color": "blue"})
