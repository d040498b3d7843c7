"""A whole column at once gives what the field's own methods give, value by value."""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.duration import duration_iso_string, duration_string
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints
from fixturepipe.load.server import converters
from fixturepipe.load.server.converters import converter_for, general_converter
from fixturepipe.load.server.literals import quoted, quoted_all
from tests.apps.everyfield.models import Everything
from tests.apps.loading.models import Custom, Odd

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
timestamps = st.datetimes(
    min_value=datetime.datetime(1, 1, 3),  # noqa: DTZ001  (Hypothesis adds the zone)
    max_value=datetime.datetime(9999, 12, 29),  # noqa: DTZ001  (as above)
    timezones=st.sampled_from([datetime.UTC, datetime.timezone(datetime.timedelta(hours=5))]),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "big": st.integers(-(2**63), 2**63 - 1) | st.from_regex(r"-?[0-9]{1,9}", fullmatch=True),
    "integer": st.integers() | st.booleans(),
    "binary": st.binary(max_size=20).map(lambda value: base64.b64encode(value).decode()),
    "boolean": st.booleans() | st.sampled_from(["t", "False", "1", 0]),
    "char": texts | st.integers(),
    "text": texts,
    "file": texts,
    "date": st.dates().map(str) | st.just("2020-1-2"),
    "timestamp": timestamps.map(lambda value: value.isoformat().replace("+00:00", "Z")),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
    "duration": st.timedeltas().map(duration_string)
    | st.timedeltas().map(duration_iso_string)
    | st.sampled_from(["3 days", "00:00:01", "-00:00:01", "1 -00:00:01", "P1DT1H"]),
    "float": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60),
    "ip": st.ip_addresses().map(str) | st.sampled_from(["", " 1.2.3.4 ", "::ffff:1.2.3.4", "٣.1"]),
    "json": st.recursive(
        st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
        lambda part: st.lists(part, max_size=3) | st.dictionaries(texts, part, max_size=3),
        max_leaves=5,
    ),
    "time": st.times().map(str) | st.just("3:04"),
    "uuid": st.uuids().map(str) | st.uuids().map(lambda value: value.hex),
    "url": texts,
}


@pytest.fixture
def connection(shared_target: Endpoint, source: Endpoint) -> Iterator[BaseDatabaseWrapper]:
    Endpoints("default", source, shared_target).open()
    yield connections[TARGET]
    connections[TARGET].close()


@pytest.mark.parametrize("name", VALUES)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_column_gives_what_its_field_gives(
    name: str, data: st.DataObject, connection: BaseDatabaseWrapper
) -> None:
    field = Everything._meta.get_field(name)
    given_values = VALUES[name] | st.none() if field.null else VALUES[name]
    values = data.draw(st.lists(given_values, max_size=8))
    fast = converter_for(field, connection)(values)
    slow = general_converter(field, connection)(values)
    if name == "decimal":  # the same number may be written in two ways
        fast, slow = [_number(each) for each in fast], [_number(each) for each in slow]
    assert fast == slow


# As dumpdata writes them.
ORDINARY = {
    "big": 7,
    "boolean": True,
    "char": "a",
    "text": "a",
    "file": "a",
    "date": "2020-01-02",
    "timestamp": "2020-01-02T03:04:05.678Z",
    "decimal": "1.2000",
    "duration": duration_string(datetime.timedelta(days=-2, microseconds=3)),
    "float": 0.5,
    "ip": "192.0.2.1",
    "json": {"a": [1]},
    "time": "03:04:05",
    "url": "a",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_a_column_as_dumpdata_writes_it_asks_no_field(
    name: str, connection: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(values: Sequence[Any]) -> list[str]:
        raise AssertionError(values)

    monkeypatch.setattr(converters, "general_converter", lambda *_: unexpected)
    convert = converter_for(Everything._meta.get_field(name), connection)
    assert len(convert([ORDINARY[name]] * 3)) == 3


def _number(written: str) -> decimal.Decimal | None:
    return None if written == "NULL" else decimal.Decimal(written)


@given(st.lists(texts | st.just("\x1f"), max_size=6))
def test_texts_are_quoted_the_same_together_and_alone(values: list[str]) -> None:
    assert quoted_all(values) == [quoted(value) for value in values]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_sql_does_not_know_are_refused(
    value: float, connection: BaseDatabaseWrapper
) -> None:
    field = Everything._meta.get_field("float")
    with pytest.raises(ValueError, match="no number"):
        converter_for(field, connection)([value])


def test_fields_of_the_project_go_their_own_way(connection: BaseDatabaseWrapper) -> None:
    words = Custom._meta.get_field("words")
    assert converter_for(words, connection)(["one  two"]) == ["'one two'"]
    assert converter_for(Odd._meta.get_field("name"), connection)(["o'"]) == ["'o\\''"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=texts | st.binary(max_size=30))
def test_the_server_reads_literals_as_they_were(
    value: str | bytes, connection: BaseDatabaseWrapper
) -> None:
    from fixturepipe.load.server.literals import literal

    connection.ensure_connection()
    raw: Any = connection.connection
    raw.query(f"SELECT HEX({literal(value)})".encode())
    ((found,),) = raw.store_result().fetch_row(0)
    assert bytes.fromhex(found) == (value.encode() if isinstance(value, str) else value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decimal", "1.5"),
        ("uuid", "0b7f0b7f-0b7f-4b7f-8b7f-0b7f0b7f0b7f"),
        ("timestamp", "2020-01-01T10:00:00.5Z"),
    ],
)
def test_two_values_in_one_are_refused(
    name: str, value: str, connection: BaseDatabaseWrapper
) -> None:
    """A column is looked at as one text, with commas between its values."""
    convert = converter_for(Everything._meta.get_field(name), connection)
    assert len(convert([value, value])) == 2
    with pytest.raises((ValidationError, decimal.InvalidOperation)):
        convert([value, f"{value},{value}"])
