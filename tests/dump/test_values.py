"""Every built-in field's values: from a row of the source, through a dump, to what Django reads.

source row ──dump──▶ fixture ──Django's to_python──▶ equal, bit for bit
                        └────stock loaddata──▶ MariaDB, MySQL ──▶ equal
"""

import datetime
import json
import struct

import pytest
from django.core.management import call_command
from django.db import connections, models
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fixturepipe.databases.endpoints import TARGET
from tests.apps.everyfield.models import Everything
from tests.dumping import Dumped, rows

FIELDS = {field.name: field for field in Everything._meta.concrete_fields}

characters = st.characters(exclude_categories=["Cs"])
texts = st.text(characters, max_size=50)
timestamps = st.datetimes(
    datetime.datetime(1000, 1, 1),  # noqa: DTZ001  (the bounds are without, the values with)
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001
    timezones=st.just(datetime.UTC),
)


def json_of(numbers):
    leaves = st.none() | st.booleans() | numbers | st.text(characters, max_size=10)
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(characters, max_size=5), inner, max_size=4)
        ),
        max_leaves=12,
    )


def values(json_values, real, uuids):
    """A value for each field of Everything, by name."""
    optional = {
        "big": st.integers(-(2**63), 2**63 - 1),
        "binary": st.binary(max_size=60),
        "boolean": st.booleans(),
        "char": texts,
        "date": st.dates(datetime.date(1000, 1, 1)),
        "timestamp": timestamps,
        "decimal": st.decimals(-(10**8), 10**8, allow_nan=False, places=4).filter(
            lambda d: abs(d) < 10**8
        ),
        "duration": st.timedeltas(datetime.timedelta(-(10**6)), datetime.timedelta(10**6)),
        "float": real,
        "ip": st.ip_addresses().map(str),
        "integer": st.integers(-(2**31), 2**31 - 1),
        "json": json_values,
        "positive": st.integers(0, 2**31 - 1),
        "small": st.integers(-(2**15), 2**15 - 1),
        "time": st.times(),
        "uuid": uuids,
    }
    required = {
        "email": texts,
        "file": st.text(characters.filter(lambda c: c != "\0"), max_size=30),
        "slug": texts,
        "text": st.text(characters, max_size=300),
        "url": texts,
    }
    return st.fixed_dictionaries(
        {name: st.none() | value for name, value in optional.items()} | required
    )


reals = st.floats(allow_nan=False, allow_infinity=False)
any_json = json_of(st.integers(-(2**200), 2**200) | reals)
# What the servers take: integers of 64 bits in MySQL's JSON; UUIDs of MariaDB's uuid columns,
# which refuse some that no generator makes.
servers_json = json_of(st.integers(-(2**63), 2**63 - 1) | reals)


def store(batch):
    """Rows in the source, as a project stores them; JSON null as JSON null."""
    Everything.objects.all().delete()
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM sqlite_sequence")
    for row in batch:
        stored = dict(row)
        if stored["json"] is None:
            stored["json"] = models.Value(None, models.JSONField())
        Everything.objects.create(**stored)


def in_database_form(alias):
    """What Django reads, and JSON as text, which tells null from NULL."""
    return [
        [bits(value) for value in row]
        for row in models.QuerySet(model=Everything, using=alias).order_by("pk").values_list()
    ]


def bits(value):
    if isinstance(value, float):
        return struct.pack("d", value)
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return (type(value), value)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=st.lists(values(any_json, reals, st.uuids()), min_size=1, max_size=5))
def test_every_value_in_a_dump_is_what_django_reads_from_the_source(source, tmp_path, batch):
    store(batch)
    dumped = Dumped(tmp_path / "run", source)

    dumped("everyfield.everything")

    found = [
        [
            bits(read(FIELDS[name], each["pk"] if name == "id" else each["fields"][name]))
            for name in FIELDS
        ]
        for each in dumped.objects("everyfield.everything")
    ]
    assert found == in_database_form("default")


def read(field, value):
    """As loaddata does, and with a file as its name."""
    if isinstance(field, models.BinaryField):
        return None if value is None else bytes(field.to_python(value))
    return field.to_python(value)


@settings(
    max_examples=8,
    deadline=None,
    # Shrinking a failure asks a server some thousand times.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batch=st.lists(values(servers_json, reals, st.uuids(version=4)), min_size=1, max_size=40))
def test_stock_loaddata_of_a_dump_leaves_what_django_read_from_the_source(
    endpoints, tmp_path, batch
):
    store(batch)
    models.QuerySet(model=Everything, using=TARGET).delete()
    dumped = Dumped(tmp_path / "run", endpoints.source)

    dumped("everyfield.everything")
    dumped.load(endpoints, "everyfield")

    assert rows(Everything, TARGET) == rows(Everything, "default")


LOST_BY_STOCK = {
    "timestamp": datetime.datetime(2024, 2, 29, 1, 2, 3, 123456, datetime.UTC),
    "time": datetime.time(1, 2, 3, 123456),
}


@pytest.mark.parametrize("name", LOST_BY_STOCK)
def test_stock_dumpdata_loses_microseconds_and_ours_does_not(endpoints, tmp_path, name):
    Everything.objects.create(**{name: LOST_BY_STOCK[name]})
    stock = tmp_path / "stock.json"
    call_command("dumpdata", "everyfield.everything", output=str(stock), verbosity=0)
    with endpoints.bound_to_target():
        call_command("loaddata", str(stock), verbosity=0)
    found = models.QuerySet(model=Everything, using=TARGET).get()
    assert getattr(found, name) == LOST_BY_STOCK[name].replace(microsecond=123000)

    dumped = Dumped(tmp_path / "run", endpoints.source)
    dumped("everyfield.everything")
    dumped.load(endpoints, "everyfield")
    found = models.QuerySet(model=Everything, using=TARGET).get()
    assert getattr(found, name) == LOST_BY_STOCK[name]
