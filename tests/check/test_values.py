"""check names what the load would refuse or change, and nothing that arrives as it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.db import connections

from fixturepipe.check.stage import CheckOptions, check
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints
from fixturepipe.events import ignore
from tests.apps.everyfield.models import ByText, Everything


@pytest.fixture
def both(migrated: Endpoints) -> Iterator[Endpoints]:
    yield migrated
    Everything.objects.using(SOURCE).all().delete()
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("DELETE FROM everyfield_bytext")
        cursor.execute("DELETE FROM everyfield_byuuid")


def plant(column: str, expression: str) -> None:
    """A clean row, but for one column that is set to an SQL expression."""
    Everything.objects.using(SOURCE).create(pk=7)
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(f'UPDATE everyfield_everything SET "{column}" = {expression}')


def found(endpoints: Endpoints, model: str = "everything") -> list[tuple[str, str]]:
    result = check(endpoints, CheckOptions(labels=(f"everyfield.{model}",)), ignore)
    return [(each.id, each.field) for each in result.findings if each.id < "FP300"]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("timestamp", "'0001-01-01 00:00:00+05:00'", "FP105"),
        ("timestamp", "'9999-12-31 23:59:59-05:00'", "FP105"),
        ("time", "'12:00:00+02:00'", "FP121"),
        ("json", "'[1e309]'", "FP118"),
        ("json", f"'[{'1' * 5000}]'", "FP118"),
        ("json", f"'{'[' * 198}{']' * 198}'", "FP118"),
        ("json", f"'{'[' * 4000}{']' * 4000}'", "FP118"),
        ("ip", "'12:00'", "FP122"),
        ("ip", "'1.2.3.4 '", "FP125"),
        ("ip", "'FE80::1'", "FP122"),
        ("decimal", "-9223372036854775808", "FP104"),
        ("timestamp", "'2024-01-01 10:00:00.1234567'", "FP116"),
        ("time", "'10:00:00.1234567'", "FP116"),
        ("json", "'[0.10000000000000000555]'", "FP126"),
        ("json", "'[12345678901.234567891]'", "FP126"),
    ],
)
def test_a_value_that_cannot_be_loaded_as_it_is_is_named(
    both: Endpoints, column: str, value: str, rule: str
) -> None:
    plant(column, value)
    assert found(both) == [(rule, column)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("timestamp", "'9999-12-31 23:59:59.999999'"),
        ("time", "'23:59:59.999999'"),
        ("ip", "'::1'"),
        ("ip", "'10.0.0.1'"),
        ("ip", "''"),
        (
            "json",
            "'[0.30000000000000004, 1e22, 1.7976931348623157e308, 5e-324, 1.00000000000000000000]'",
        ),
        ("timestamp", "'2024-01-01 10:00:00.1234560'"),
        ("float", "-9223372036854775808"),
        ("uuid", "'{12345678-1234-5678-1234-567812345678}'"),
    ],
)
def test_a_value_that_arrives_as_it_is_is_not_named(
    both: Endpoints, column: str, value: str
) -> None:
    plant(column, value)
    assert found(both) == []


def test_text_that_is_not_utf8_is_named_in_a_unique_column_too(both: Endpoints) -> None:
    ByText.objects.using(SOURCE).create(name="é", value=1)
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("INSERT INTO everyfield_bytext VALUES (CAST(x'c328' AS TEXT), 2)")
    assert found(both, "bytext") == [("FP111", "name")]


def test_long_text_is_unique_on_mariadb_and_compared_there(
    both: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("unique", "_unique"):  # a property until Django 5.0
        monkeypatch.setitem(Everything._meta.get_field("text").__dict__, name, True)
    texts = ["b", "a" * 3000 + "1", "a" * 3000 + "2", "B", "c"]
    Everything.objects.using(SOURCE).bulk_create([Everything(text=text) for text in texts])
    result = check(both, CheckOptions(labels=("everyfield.everything",)), ignore)
    same = [[e.value for e in each.examples] for each in result.findings if each.id == "FP203"]
    is_mariadb = connections[TARGET].mysql_is_mariadb  # type: ignore[attr-defined]
    assert same == ([["b", "B"]] if is_mariadb else [])


def test_references_in_text_that_is_not_utf8_are_named_and_stop_nothing(both: Endpoints) -> None:
    plant("char", "NULL")
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("PRAGMA foreign_keys = OFF")
        cursor.execute("SELECT id FROM django_content_type WHERE model = 'everything'")
        (everything,) = cursor.fetchone()
        cursor.execute(
            "INSERT INTO everyfield_remark (id, content_type_id, object_id)"
            " VALUES (1, %s, CAST(x'c328' AS TEXT))",
            [everything],
        )
        cursor.execute(
            "INSERT INTO everyfield_remark_labels (id, remark_id, bytext_id)"
            " VALUES (1, 1, CAST(x'c328' AS TEXT))"
        )
    try:
        assert set(found(both, "remark")) == {("FP111", "object_id"), ("FP204", "about")}
        assert found(both, "remark_labels") == [("FP202", "bytext")]
    finally:
        with connections[SOURCE].cursor() as cursor:
            cursor.execute("DELETE FROM everyfield_remark_labels")
            cursor.execute("DELETE FROM everyfield_remark")
            cursor.execute("PRAGMA foreign_keys = ON")


@pytest.mark.parametrize(
    "second",
    [
        "12345678-1234-4678-9234-56781234567A",
        "{12345678-1234-4678-9234-56781234567a}",
        "urn:uuid:12345678-1234-4678-9234-56781234567a",
        "1234567812344678923456781234567A",
        "12345678-1234-4678-9234-56781234567b",
    ],
)
def test_a_uuid_in_two_spellings_is_a_duplicate(both: Endpoints, second: str) -> None:
    spellings = ["1234567812344678923456781234567a", second]
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        for spelling in spellings:
            cursor.execute(
                "INSERT INTO everyfield_byuuid (id, value, seen) VALUES (%s, 1, '2020-01-01')",
                [spelling],
            )
    same = uuid.UUID(spellings[0]) == uuid.UUID(second)
    assert found(both, "byuuid") == ([("FP208", "id")] if same else [])
