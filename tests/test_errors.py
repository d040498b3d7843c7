"""Errors keep their class and their fields, in whatever process they are raised."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from fixturepipe import errors
from fixturepipe.errors import FixturepipeError

EXIT_CODES = {
    "ChunkFileError": 3,
    "ConfigurationError": 2,
    "DanglingReferenceError": 1,
    "FixtureError": 2,
    "FixturepipeError": 3,
    "LoadError": 3,
    "RunDirectoryError": 2,
    "SourceDataError": 1,
    "TransientLoadError": 3,
    "UsageError": 2,
}


def classes(base: type[FixturepipeError] = FixturepipeError) -> Iterator[type[FixturepipeError]]:
    yield base
    for each in base.__subclasses__():
        yield from classes(each)


def raised(kind: type[FixturepipeError]) -> FixturepipeError:
    """One with each of its fields given."""
    if issubclass(kind, errors.FixtureError):
        return kind("shop.json", "it is cut off", position="byte 7")
    if issubclass(kind, errors.LoadError):
        return kind("refused", hint="load", chunk="2-chunks/1.json", problems=["a", "b"])
    return kind("what happened", hint="what to do")


@pytest.mark.parametrize("kind", [*classes()], ids=lambda kind: kind.__name__)
def test_an_error_pickles_and_keeps_its_class_and_fields(kind: type[FixturepipeError]) -> None:
    error = raised(kind)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == error.message
    assert vars(again) == vars(error)
    assert again.hint


def test_each_class_has_its_exit_code_and_its_place_in_the_tree() -> None:
    assert {kind.__name__: kind.exit_code for kind in classes()} == EXIT_CODES
    tree = errors.__doc__ or ""
    assert all(kind.__name__ in tree for kind in classes())


def test_a_fixture_error_says_where() -> None:
    error = errors.FixtureError("shop.json", "it is cut off", position="byte 7")
    assert str(error) == "shop.json, byte 7: it is cut off"
    assert (error.path, error.problem, error.position) == ("shop.json", "it is cut off", "byte 7")
