"""Whatever single value of whatever row is changed in the target, verify finds it and only it."""

from __future__ import annotations

import datetime
import decimal
import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints
from fixturepipe.databases.introspection import schema_of
from fixturepipe.events import ignore
from fixturepipe.verify.stage import VerifyOptions, verify
from tests import servers
from tests.apps.everyfield.models import Everything
from tests.conftest import migrated_pair

ROWS = 60
ONLY_THIS_MODEL = Manifest(run="0" * 32, created="", schema=[schema_of(Everything)])
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
TIMESTAMPS = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 30))  # noqa: DTZ001
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e15, 1e15) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "big": st.integers(-(2**63), 2**63 - 1),
    "binary": st.binary(max_size=20),
    "boolean": st.booleans(),
    "char": TEXT,
    "date": st.dates(datetime.date(1, 1, 1)),
    "timestamp": TIMESTAMPS.map(lambda timestamp: timestamp.replace(tzinfo=datetime.UTC)),
    "decimal": st.decimals(-99999999, 99999999, places=4),
    "duration": st.timedeltas(datetime.timedelta(days=-9999), datetime.timedelta(days=9999)),
    "float": st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "json": JSON.filter(lambda value: value is not None),
    "small": st.integers(-(2**15), 2**15 - 1),
    "text": TEXT,
    "time": st.times(),
    "uuid": st.uuids(version=4),
}


@pytest.fixture(scope="module")
def pair(
    server: servers.Server, source_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoints]:
    path = tmp_path_factory.mktemp("mutation") / "source.sqlite3"
    path.write_bytes(source_template.read_bytes())
    with migrated_pair(server, path) as endpoints:
        rows = [Everything(pk=pk, **row(pk)) for pk in range(1, ROWS + 1)]
        for alias in (SOURCE, TARGET):
            Everything.objects.using(alias).bulk_create(rows)
        yield endpoints


def row(pk: int) -> dict[str, Any]:
    """Values of a row that repeat from run to run."""
    chance = random.Random(pk)
    timestamp = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(
        microseconds=chance.getrandbits(50)
    )
    return {
        "big": chance.getrandbits(62),
        "binary": chance.randbytes(9),
        "boolean": chance.random() < 0.5,
        "char": f"ä{pk}",
        "date": timestamp.date(),
        "timestamp": timestamp,
        "decimal": decimal.Decimal(chance.randint(-(10**8), 10**8)).scaleb(-4),
        "duration": datetime.timedelta(microseconds=chance.getrandbits(50)),
        "float": chance.uniform(-1e6, 1e6),
        "integer": chance.randint(-(2**31), 2**31 - 1),
        "json": {"a": chance.random(), "b": [pk, True, None]},
        "small": chance.randint(-99, 99),
        "text": f"{pk}\n",
        "time": timestamp.time(),
        "uuid": uuid.UUID(int=chance.getrandbits(128), version=4),
    }


@given(st.integers(1, ROWS), st.sampled_from(sorted(VALUES)), st.data())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_one_changed_value_is_found(
    pair: Endpoints, pk: int, column: str, data: st.DataObject
) -> None:
    nullable = column != "text"
    value = data.draw(VALUES[column] | st.none() if nullable else VALUES[column], label="value")
    assume(not are_equal(value, row(pk)[column]))
    with transaction.atomic(using=TARGET):
        Everything.objects.using(TARGET).filter(pk=pk).update(**{column: value})
        result = verify(pair, VerifyOptions(workers=1), ignore, ONLY_THIS_MODEL)
        transaction.set_rollback(True, using=TARGET)
    found = [(d.kind, d.model, d.pk, d.column) for d in result.differences]
    assert found == [("value", "everyfield.everything", pk, column)]


def are_equal(one: Any, other: Any) -> bool:
    """Whether two values are the same in the database: -0.0 is not 0.0, 1 is not true."""
    if isinstance(one, dict | list):
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    return type(one) is type(other) and repr(one) == repr(other)
