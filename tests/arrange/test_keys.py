"""Keys that are one after the field has read them are one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fixturepipe.arrange.keys import key_reader
from fixturepipe.artifacts.manifest import KeyType
from fixturepipe.errors import DanglingReferenceError, FixtureError
from tests.arranging import a, arranged, schema, schemas

UUID = "12345678-9abc-def0-1234-56789abcdef0"


@pytest.mark.parametrize(
    ("key_type", "values"),
    [
        ("integer", [1, True, Decimal("1.0"), Decimal("1.5"), 1.0, "1", "01", " 1", "\u0661"]),
        ("integer", [10, "1_0", Decimal("1E1")]),
        ("integer", [10**30, str(10**30)]),
        ("uuid", [UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}"]),
        ("text", ["5", 5]),
        ("text", ["True", True]),
        ("text", ["1.5", Decimal("1.50"), 1.5]),
        ("decimal", [1, "1", "1.00", Decimal("1.0"), 1.0]),
        ("decimal", ["1.5", Decimal("1.50")]),
    ],
)
def test_values_that_the_field_reads_as_one_are_one(key_type: KeyType, values: list[Any]) -> None:
    assert len(set(map(key_reader(key_type), values))) == 1


@pytest.mark.parametrize(
    ("key_type", "values"),
    [
        ("text", ["1", "01", " 1", "True", "a", "A"]),
        ("integer", [1, 2, -1, "3"]),
        ("decimal", ["1.5", "1.51", 1]),
    ],
)
def test_values_that_the_field_reads_apart_are_several(
    key_type: KeyType, values: list[Any]
) -> None:
    assert len(set(map(key_reader(key_type), values))) == len(values)


@pytest.mark.parametrize(
    ("key_type", "value"),
    [
        ("integer", "1.0"),
        ("integer", {"a": 1}),
        ("integer", [1]),
        ("integer", Decimal("1E+999999999")),
        ("integer", float("inf")),
        ("integer", "9" * 5000),
        ("uuid", "red"),
        ("uuid", [1]),
        ("decimal", "x"),
        ("decimal", Decimal("1E+999999999")),
    ],
)
def test_what_the_field_cannot_read_is_no_key(key_type: KeyType, value: Any) -> None:
    with pytest.raises(ValueError):
        key_reader(key_type)(value)


NUMBERED = schemas(
    schema("a.tag", "slug", key_types={"pk": "integer"}),
    schema("a.use", tag="a.tag", key_types={"pk": "integer"}),
)


@pytest.mark.parametrize("key", [True, 1.0, "01", " 1", "٣"])
def test_the_same_key_twice_is_refused_however_it_is_written(tmp_path, key: Any) -> None:
    same = 3 if key == "٣" else 1
    objects = [a("a.tag", key, slug="a"), a("a.tag", same, slug="b")]
    with pytest.raises(FixtureError, match=f"a.tag with pk {same} is in object 1 already"):
        arranged(tmp_path, NUMBERED, objects)


def test_a_reference_finds_its_object_however_it_is_written(tmp_path) -> None:
    objects = [a("a.use", 1, tag="01"), a("a.use", 2, tag=1.0), a("a.tag", True, slug="a")]
    assert arranged(tmp_path, NUMBERED, objects).result.objects == 3
    with pytest.raises(DanglingReferenceError):
        arranged(tmp_path, NUMBERED, [a("a.use", 1, tag="red")])


@pytest.mark.parametrize("key", ["red", {"a": 1}, [1, [2]]])
def test_a_key_that_the_field_cannot_read_is_refused_with_its_object(tmp_path, key: Any) -> None:
    objects = [a("a.tag", 1, slug="a"), a("a.tag", key, slug="b")]
    with pytest.raises(FixtureError, match=r"object 2: a.tag has pk .*not a whole number"):
        arranged(tmp_path, NUMBERED, objects)
