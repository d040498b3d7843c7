"""Custom fields are written in their stored form, or in one that comes back byte for byte."""

from decimal import Decimal

import pytest
from django.db import connections

from fixturepipe.databases.endpoints import TARGET
from fixturepipe.dump import storedforms
from tests.apps.customs.models import (
    Custom,
    Hopeless,
    Keyed,
    Label,
    Labelled,
    Money,
    Pointing,
    Stubborn,
    Thing,
)
from tests.dumping import Dumped, rows


def written(dumped, **values):
    Custom.objects.create(**values)
    dumped("customs")
    (fields,) = dumped.fields("customs.custom").values()
    return fields


def raw(column, table="customs_custom"):
    with connections["default"].cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")
        return cursor.fetchone()[0]


def stored(dumped, label="customs.custom"):
    return dumped.manifest.stored.get(label, {})


def test_a_field_that_takes_back_its_stored_form_is_written_in_it(dumped):
    assert written(dumped, words=["a", "b c"])["words"] == "a|b c"
    assert stored(dumped)["words"] == "same"


def test_a_field_that_takes_back_only_its_own_form_is_written_in_that(dumped):
    assert written(dumped, euros=Decimal("1.5"))["euros"] == "1.5"
    assert raw("euros") == 150
    assert "euros" not in stored(dumped)


def test_one_value_beyond_the_sample_that_does_not_come_back_has_the_column_stored(
    dumped, monkeypatch
):
    monkeypatch.setattr(storedforms, "SAMPLE_VALUES", 1)
    Custom.objects.bulk_create([Custom(euros=Decimal(n)) for n in (1, 2, 13)])
    dumped("customs")
    fields = dumped.fields("customs.custom").values()
    assert [each["euros"] for each in fields] == [100, 200, 1300]
    assert stored(dumped)["euros"] == "altered"


def test_columns_whose_every_value_is_tried_are_read_together(source, monkeypatch):
    monkeypatch.setattr(storedforms, "SAMPLE_VALUES", 1)
    Custom.objects.bulk_create([Custom(euros=Decimal(n), refunds=Decimal(n)) for n in (1, 2)])
    Custom.objects.create(euros=Decimal(3), refunds=Decimal(13))
    connection, selects = connections["default"], []

    def record(execute, sql, *arguments):
        selects.append(sql)
        return execute(sql, *arguments)

    with connection.execute_wrapper(record):
        forms = storedforms.CustomTable(Custom, connection).forms
    euros, refunds = map(Custom._meta.get_field, ("euros", "refunds"))
    assert (forms[euros], forms[refunds]) == ("own", "altered")
    assert any('"euros"' in sql and '"refunds"' in sql for sql in selects)


@pytest.mark.parametrize("amount", ["1.0000", "12345.6789", "-0.0001"])
def test_a_decimal_with_code_of_its_own_is_written_as_a_decimal(dumped, amount):
    assert written(dumped, amount=Decimal(amount))["amount"] == amount
    assert stored(dumped)["amount"] == "same"


def test_an_encrypted_value_stays_encrypted(dumped):
    fields = written(dumped, rotated="secret")
    assert fields["rotated"] == raw("rotated") != "secret"
    assert stored(dumped)["rotated"] == "altered"


def test_a_column_type_that_sqlite3_has_a_converter_for_is_read_as_it_is_stored(dumped):
    assert written(dumped, hex=255)["hex"] == "ff"


def test_null_stays_null(dumped):
    assert set(written(dumped).values()) == {None}


def test_a_null_that_the_fields_code_turns_into_a_value_is_null_and_listed(dumped):
    Stubborn.objects.create(name="x")
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE customs_stubborn SET other = NULL, file = NULL")
    dumped("customs")
    assert dumped.fields("customs.stubborn")[1] == {"name": "x", "other": None, "file": None}
    assert stored(dumped, "customs.stubborn") == {
        "name": "same",
        "other": "altered",
        "file": "altered",
    }


def test_a_value_that_its_own_field_refuses_is_written_as_it_is_stored(dumped):
    Hopeless.objects.create(picky="good")
    row = Hopeless.objects.create(picky="bad", hashed="abc")
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE customs_hopeless SET picky = 'spoilt' WHERE id = %s", [row.pk])
    dumped("customs")
    picky = [fields["picky"] for fields in dumped.fields("customs.hopeless").values()]
    assert picky == ["good", "spoilt"]
    assert dumped.fields("customs.hopeless")[2]["hashed"] == "#abc"
    assert stored(dumped, "customs.hopeless") == {"hashed": "altered", "picky": "altered"}


def test_keys_of_a_custom_field_and_references_to_them_are_in_one_form(dumped):
    Keyed.objects.create(key="a")
    Pointing.objects.create(to_id="a")
    dumped("customs")
    (kept,) = dumped.objects("customs.keyed")
    (pointing,) = dumped.objects("customs.pointing")
    assert kept["pk"] == pointing["fields"]["to"] == "k:a"
    assert stored(dumped, "customs.keyed") == {"key": "altered"}
    assert stored(dumped, "customs.pointing") == {"to": "altered"}


def test_stock_loaddata_leaves_what_django_read_unless_the_manifest_says_altered(
    endpoints, tmp_path
):
    Custom.objects.create(words=["a", "b c"], money=Money(-1), hex=2**40, euros=Decimal("0.07"))
    Custom.objects.create(words=[""], money=Money(0), hex=0)
    dumped = Dumped(tmp_path / "run", endpoints.source)

    dumped("customs")
    assert "altered" not in stored(dumped).values()
    dumped.load(endpoints, "customs")

    assert rows(Custom, TARGET) == rows(Custom, "default")
    with connections[TARGET].cursor() as cursor:
        cursor.execute("SELECT words, money FROM customs_custom ORDER BY id")
        assert cursor.fetchall() == (("a|b c", -1), ("", 0))


def test_a_tagging_field_that_calls_itself_many_to_many_is_no_list(dumped):
    Labelled.objects.create(label=Label.objects.create(), kind="thing", object_id=1)
    Thing.objects.create()

    dumped("customs")

    assert dumped.fields("customs.thing") == {1: {}}
    assert dumped.fields("customs.labelled")[1]["label"] == 1
