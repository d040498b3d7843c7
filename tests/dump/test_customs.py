"""Custom fields are written in a form that comes back as it was, or refused by name."""

from decimal import Decimal

import pytest
from django.db import connections

from fixturepipe.databases.endpoints import TARGET
from fixturepipe.errors import SourceDataError
from tests.apps.customs.models import Custom, Hopeless, Label, Labelled, Money, Thing
from tests.dumping import Dumped, rows


@pytest.fixture
def dumped(source, tmp_path):
    return Dumped(tmp_path / "run", source)


def written(dumped, **values):
    Custom.objects.create(**values)
    dumped("customs")
    (fields,) = dumped.fields("customs.custom").values()
    return fields


def spoil(row):
    """Store what the field's own code would not."""
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE customs_hopeless SET picky = 'spoilt' WHERE id = %s", [row.pk])


def test_a_field_without_value_to_string_is_written_in_database_form(dumped):
    assert written(dumped, words=["a", "b c"])["words"] == "a|b c"


def test_a_field_with_a_value_to_string_that_comes_back_is_written_by_it(dumped):
    assert written(dumped, money=Money(150))["money"] == "EUR 1.50"


@pytest.mark.parametrize("amount", ["1.0000", "12345.6789", "-0.0001"])
def test_a_decimal_with_code_of_its_own_is_judged_by_the_number_that_sqlite_keeps(dumped, amount):
    assert written(dumped, amount=Decimal(amount))["amount"] == amount


def test_a_field_that_is_never_stored_twice_alike_is_judged_by_what_is_read(dumped):
    assert written(dumped, rotated="secret")["rotated"] == "secret"


def test_a_column_type_that_sqlite3_has_a_converter_for_is_read_by_it(dumped):
    assert written(dumped, hex=255)["hex"] in ("255", "ff", 255)


def test_null_stays_null(dumped):
    assert set(written(dumped).values()) == {None}


def test_a_value_that_does_not_come_back_is_refused_by_name(dumped):
    spoil(Hopeless.objects.create(picky="good"))
    with pytest.raises(SourceDataError, match=r"customs.hopeless pk=1, picky: 'spoilt': PickyFi"):
        dumped("customs")


def test_a_field_that_stores_something_else_each_time_is_refused(dumped):
    Hopeless.objects.create(hashed="abc")
    with pytest.raises(SourceDataError, match="HashedField has no form"):
        dumped("customs")


def test_values_that_spoil_a_batch_do_not_spoil_the_other_rows(dumped):
    for word in ("good", "bad", "fine"):
        Hopeless.objects.create(picky=word)
    spoil(Hopeless.objects.get(picky="bad"))
    result = dumped("customs", on_error="reject")
    assert {pk: f["picky"] for pk, f in dumped.fields("customs.hopeless").items()} == {
        1: "good",
        3: "fine",
    }
    assert result.rejected == {"customs.hopeless": 1}


def test_stock_loaddata_leaves_what_django_read(endpoints, tmp_path):
    Custom.objects.create(words=["a", "b c"], money=Money(-1), rotated="secret", hex=2**40)
    Custom.objects.create(words=[""], money=Money(0), rotated="", hex=0)
    dumped = Dumped(tmp_path / "run", endpoints.source)

    dumped("customs")
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
