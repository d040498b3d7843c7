"""What a custom field's column holds arrives as it is: the field's code has no say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from fixturepipe.arrange.stage import ArrangeOptions, arrange
from fixturepipe.databases.endpoints import TARGET, Endpoints
from fixturepipe.load.stage import LoadOptions, load
from tests.apps.customs.models import (
    AmountField,
    Custom,
    Hopeless,
    Keyed,
    NoNullField,
    PickyField,
    Pointing,
    PrefixedField,
    Stubborn,
)
from tests.dumping import Dumped
from tests.loading import Log

TABLES = ["customs_custom", "customs_hopeless", "customs_stubborn", "customs_keyed"]


def raw(alias: str, table: str) -> list[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
        return [tuple(map(str, row)) for row in cursor.fetchall()]


def refuse(*_: Any) -> Any:
    raise AssertionError("the field's code was called")


def test_stored_values_arrive_as_they_are_without_the_fields_code(
    endpoints: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Custom.objects.create(words=["a", "b c"], rotated="secret", amount="1.2345")
    Custom.objects.create()
    Hopeless.objects.create(picky="bad", hashed="abc")
    Hopeless.objects.create()
    Stubborn.objects.create(name="x", file="a/b.txt")
    Stubborn.objects.create(name="y")
    Keyed.objects.create(key="a")
    Pointing.objects.create(to_id="a")
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE customs_hopeless SET picky = 'spoilt' WHERE hashed IS NOT NULL")
        cursor.execute("UPDATE customs_stubborn SET other = NULL, file = NULL WHERE name = 'y'")
    dumped = Dumped(tmp_path / "run", endpoints.source)
    dumped("customs")
    schemas = dumped.manifest.schemas()
    arrange(dumped.directory, schemas, (), ArrangeOptions(), Log(), lambda *_: None)
    for kind in (AmountField, NoNullField, PickyField, PrefixedField):
        for method in ("to_python", "get_prep_value"):
            monkeypatch.setattr(kind, method, refuse)

    load(dumped.directory, endpoints, LoadOptions(workers=1), Log())

    for table in [*TABLES, "customs_pointing"]:
        assert raw(TARGET, table) == raw("default", table), table
