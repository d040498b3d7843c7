"""Stored values of two databases: which are equal, and which are not."""

import datetime
import zoneinfo

import pytest
from django.apps import apps
from django.db import connections

from fixturepipe.databases.endpoints import SOURCE, TARGET
from fixturepipe.databases.values import Column, Reader, same

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("fold", [0, 1])
def test_an_instant_in_the_repeated_hour_is_equal_in_any_zone(fold):
    local = datetime.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold)
    assert same(local, local.astimezone(datetime.UTC))
    assert not same(local, local.replace(fold=1 - fold).astimezone(datetime.UTC))


def test_the_first_and_the_last_year_are_compared_in_any_zone():
    last = datetime.datetime.max.replace(tzinfo=zoneinfo.ZoneInfo("America/New_York"))
    assert same(last, last)
    assert not same(last, datetime.datetime.max.replace(tzinfo=datetime.UTC))
    assert not same(last.replace(tzinfo=None), last)


@pytest.fixture
def column(endpoints):
    def make(label, name):
        field = apps.get_model(label)._meta.get_field(name)
        table = field.model._meta.db_table
        return Column(field, *(Reader(field, connections[a], table) for a in (SOURCE, TARGET)))

    return make


@pytest.mark.parametrize("name", ["char", "text", "integer", "file", "kind", "address"])
def test_custom_fields_are_compared_as_they_are_stored_without_their_code(column, name):
    ours = ["1", "ß", None, 5]
    assert column("hostile.child", name).differing(ours, ours) == []
    assert column("hostile.child", name).differing(ours, ["1", "ss", None, 5]) == [1]
    assert column("hostile.child", name).differing(ours, ["1", "ß", "", 6]) == [2, 3]


def test_a_column_of_a_built_in_type_is_read_as_that_type(column):
    texts = ["2024-01-02 03:04:05", None]
    times = [datetime.datetime(2024, 1, 2, 3, 4, 5), None]  # noqa: DTZ001  (as the driver returns it)
    assert column("hostile.child", "timestamp").differing(texts, times) == []
    assert column("hostile.child", "json").differing(['{"a":1,"b":2}'], ['{"b": 2, "a": 1}']) == []
    assert column("hostile.child", "json").differing(['{"a":1}'], ['{"a": true}']) == [0]


def test_a_column_of_another_type_may_hold_a_number_as_text(column):
    hexadecimal = column("customs.custom", "hex")
    assert hexadecimal.differing([10, "ff", 1.5, None], ["10", "ff", "1.50", None]) == []
    assert hexadecimal.differing([10, "ff", 1.5, None], ["11", "fe", "1.5e", "0"]) == [0, 1, 2, 3]
