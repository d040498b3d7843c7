"""Keys that are one after the field has read them are one."""

from __future__ import annotations

from typing import Any

import pytest

from fixturepipe.arrange.keys import ReadKey
from fixturepipe.errors import DanglingReferenceError, FixtureError
from tests.arranging import a, arranged, schema, schemas

NUMBERED = schemas(schema("a.tag", "slug"), schema("a.use", tag="a.tag"))


def numbers(label: str, to: str) -> ReadKey:
    """Every key is a whole number, as IntegerField reads it."""

    def read(value: Any) -> int:
        try:
            return int(value)
        except TypeError as error:
            raise ValueError(f"{value} is no number") from error

    return read


@pytest.mark.parametrize("key", [True, 1.0, "01", " 1", "٣"])
def test_the_same_key_twice_is_refused_however_it_is_written(tmp_path, key: Any) -> None:
    same = 3 if key == "٣" else 1
    objects = [a("a.tag", key, slug="a"), a("a.tag", same, slug="b")]
    with pytest.raises(FixtureError, match=f"a.tag with pk {same} is already in object 1"):
        arranged(tmp_path, NUMBERED, objects, key_readers=numbers)


def test_a_reference_finds_its_object_however_it_is_written(tmp_path) -> None:
    objects = [a("a.use", 1, tag="01"), a("a.use", 2, tag=1.0), a("a.tag", True, slug="a")]
    assert arranged(tmp_path, NUMBERED, objects, key_readers=numbers).result.objects == 3
    with pytest.raises(DanglingReferenceError):
        arranged(tmp_path, NUMBERED, [a("a.use", 1, tag="red")], key_readers=numbers)


@pytest.mark.parametrize("key", ["red", {"a": 1}, [1, [2]]])
def test_a_key_that_the_field_cannot_read_is_refused_with_its_object(tmp_path, key: Any) -> None:
    objects = [a("a.tag", 1, slug="a"), a("a.tag", key, slug="b")]
    with pytest.raises(FixtureError, match=r"object 2: a.tag has pk .*field does not accept: "):
        arranged(tmp_path, NUMBERED, objects, key_readers=numbers)


def test_whole_numbers_are_read_too_where_the_field_makes_something_else_of_them(tmp_path) -> None:
    def halves(label: str, to: str) -> ReadKey:
        return lambda value: int(value) // 2

    objects = [a("a.use", 1, tag=3), a("a.tag", 2, slug="a"), a("a.tag", 3, slug="b")]
    with pytest.raises(FixtureError, match=r"a.tag with pk 1 is already in object 2"):
        arranged(tmp_path, NUMBERED, objects, key_readers=halves)
