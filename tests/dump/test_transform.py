"""The project's own transform: what it may do, and how its errors are reported."""

from __future__ import annotations

import pytest

from fixturepipe.artifacts.changes import read_changes
from fixturepipe.databases.endpoints import Endpoints
from fixturepipe.errors import ConfigurationError, SourceDataError
from tests.apps.dirty.models import Tag, Values
from tests.dirty import unprotected, values


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fails", "KeyError: 'missing'"),
        ("other_key", "may not change 'pk'"),
        ("other_model", "may not change 'model'"),
        ("no_object", "returned int"),
        ("more_fields", "neither add nor remove fields"),
        ("no_json", "what JSON cannot hold"),
    ],
)
def test_a_wrong_transform_is_named_with_the_object(dumped, name, expected):
    Values.objects.create(pk=7)
    with pytest.raises(ConfigurationError) as refused:
        dumped("dirty", transform=f"tests.transforms:{name}")
    assert f"tests.transforms:{name} failed on dirty.values 7" in refused.value.message
    assert expected in refused.value.message
    assert list(dumped.directory.dumps.iterdir()) == []


@pytest.mark.parametrize("name", ["tests.nowhere:f", "tests.transforms:nothing", "tests"])
def test_a_transform_that_is_not_there_is_refused(dumped, name):
    with pytest.raises(ConfigurationError, match="cannot be imported"):
        dumped("dirty", transform=name)


def test_a_transform_that_is_not_callable_is_refused(dumped):
    with pytest.raises(ConfigurationError, match="is not callable"):
        dumped("dirty", transform="tests.transforms:not_callable")


def test_what_references_are_written_by_must_stay(dumped):
    Tag.objects.create(pk=1, word="a")
    Tag.objects.create(pk=2, word="b", broader_id=1)
    with pytest.raises(ConfigurationError, match="word is part of the natural key"):
        dumped("dirty", transform="tests.transforms:other_word")
    dumped("dirty", transform="tests.transforms:other_word", natural_keys="none")
    assert dumped.fields("dirty.tag")[2] == {"word": "changed", "broader": 1}


def test_a_transform_replaces_values_that_a_fixture_cannot_hold(dumped):
    Endpoints("default", dumped.source).open()
    unprotected()
    values(1)
    values(2, boolean="'wahr'", integer="x'37'")
    values(3, date="'never'")
    values(4, boolean="'wahr'", time="'25:00'")
    with pytest.raises(SourceDataError, match="of 1 object:") as refused:
        dumped("dirty", transform="tests.transforms:from_csv")
    assert "dirty.values pk=4, time: '25:00'" in refused.value.message
    result = dumped("dirty", transform="tests.transforms:from_csv", on_error="reject")
    fields = dumped.fields("dirty.values")
    assert list(fields) == [1, 2]
    assert (fields[2]["boolean"], fields[2]["integer"]) == (True, 7)
    assert (result.rejected, result.dropped) == ({"dirty.values": 1}, {"dirty.values": 1})
    changes = [(each.pk, each.field, each.new) for each in read_changes(dumped.directory)]
    assert sorted(changes, key=str) == [
        (2, "boolean", True),
        (2, "integer", 7),
        (3, None, None),
    ]


def test_a_transform_that_changes_nothing_leaves_every_byte(dumped):
    Values.objects.create(pk=1, json={"b": [1.0, 12345678901234567890123], "a": "ü"})
    dumped("dirty", "contenttypes")
    plain = {path.name: path.read_bytes() for path in dumped.directory.dumps.iterdir()}
    assert dumped("dirty", "contenttypes", transform="tests.transforms:same").skipped == ()
    same = {path.name: path.read_bytes() for path in dumped.directory.dumps.iterdir()}
    assert same == plain
    assert not (dumped.directory.path / "changes.jsonl").exists()
