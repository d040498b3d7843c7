"""A key is read as its field reads it, whatever the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import override_settings

from fixturepipe.databases.fields import has_composite_key
from fixturepipe.databases.keyvalues import key_reader
from tests.apps.hidden.models import Stay

UUID = "12345678-9abc-def0-1234-56789abcdef0"


def reader(label: str, to: str = "pk") -> Callable[[Any], Any]:
    found = key_reader(label, to)
    assert found is not None
    return found


def forms(label: str, values: list[Any], to: str = "pk") -> set[str]:
    return {json.dumps(reader(label, to)(value)) for value in values}


ONE: list[tuple[str, list[Any]]] = [
    ("bylarge", [1, True, Decimal("1.0"), Decimal("1.5"), 1.0, "1", "01", " 1", "\u0661"]),
    ("bylarge", [10, "1_0", Decimal("1E1")]),
    ("bylarge", [10**30, str(10**30)]),
    ("byuuid", [UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}"]),
    ("byuuid", [1, "00000000000000000000000000000001"]),
    ("byslug", ["5", 5]),
    ("byslug", ["True", True]),
    ("byslug", ["1.5", Decimal("1.50"), 1.5]),
    ("bydecimal", [1, "1", "1.00", Decimal("1.0"), 1.0, "1.0001"]),
    ("bydecimal", ["1.5", Decimal("1.50"), "1.5001"]),
    ("byfloat", [1, 1.0, "1", "1e0", Decimal("1.00"), True]),
    ("byfloat", [0.1, "0.1", "1e-1"]),
    ("bydate", ["2024-02-29", "2024-2-29", "20240229"]),
    ("bymoment", ["2024-01-01T12:00:00Z", "2024-01-01 13:00:00+01:00", "2024-01-01T12:00Z"]),
    ("bytime", ["12:00:00", "12:00", "12:00:00.000000"]),
    ("byaddress", ["::1", "0:0:0:0:0:0:0:1", "0000::0001"]),
    ("byaddress", ["2001:DB8::ff", "2001:db8:0::00ff"]),
    ("byboolean", [True, 1, "1", "t", "True"]),
]


@pytest.mark.parametrize(("model", "values"), ONE)
def test_values_that_the_field_reads_as_one_are_one(model: str, values: list[Any]) -> None:
    assert len(forms(f"regress.{model}", values)) == 1


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("byslug", ["1", "01", " 1", "True", "a", "A"]),
        ("bylarge", [1, 2, -1, "3"]),
        ("bydecimal", ["1.5", "1.51", 1]),
        ("bymoment", ["2024-01-01T12:00:00Z", "2024-01-01T12:00:00.000001Z"]),
    ],
)
def test_values_that_the_field_reads_apart_are_several(model: str, values: list[Any]) -> None:
    assert len(forms(f"regress.{model}", values)) == len(values)


@pytest.mark.parametrize(
    ("model", "value"),
    [
        ("bylarge", "1.0"),
        ("bylarge", {"a": 1}),
        ("bylarge", [1]),
        ("bylarge", Decimal("1E+999999999")),
        ("bylarge", float("inf")),
        ("bylarge", "9" * 5000),
        ("byuuid", "red"),
        ("byuuid", [1]),
        ("bydecimal", "x"),
        ("bydecimal", Decimal("1E+999999999")),
        ("bydate", 5),
        ("bydate", "2024-02-30"),
        ("byboolean", 5),
    ],
)
def test_what_the_field_cannot_read_is_no_key(model: str, value: Any) -> None:
    with pytest.raises(ValueError):
        reader(f"regress.{model}")(value)


def test_a_datetime_without_a_zone_is_in_the_projects_zone() -> None:
    values = ["2024-07-01 12:00:00", "2024-07-01T10:00:00Z"]
    with override_settings(USE_TZ=True, TIME_ZONE="Europe/Vienna"):
        assert len(forms("regress.bymoment", values)) == 1


@pytest.mark.skipif(not has_composite_key(Stay), reason="Django 5.2 has composite keys")
def test_each_part_of_a_composite_key_is_read() -> None:
    keys = [[1, UUID], ["01", UUID.upper()], json.dumps(["1", UUID.replace("-", "")])]
    assert forms("hidden.stay", keys) == {json.dumps([1, UUID])}
    with pytest.raises(ValueError, match="2 parts"):
        reader("hidden.stay")([1])


def test_each_part_of_a_natural_key_is_read() -> None:
    assert forms("regress.numbered", [["a", 1], ["a", "01"]], "natural key") == {'["a", 1]'}
