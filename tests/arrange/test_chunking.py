"""Cutting: a partition that keeps order, within limits, for whatever comes."""

import json
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixturepipe.arrange.chunking import (
    ComponentStream,
    DraftFiles,
    Limits,
    ModelStream,
)
from fixturepipe.arrange.cutting import chunk_name
from fixturepipe.artifacts.catalog import CatalogWriter


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("drafts")
    catalog = CatalogWriter(directory / ".catalog")
    yield DraftFiles(directory, catalog)
    catalog.close()


def lines_of(drafts):
    """The lines of each draft."""
    return [
        [line.rstrip(b",") for line in draft.path.read_bytes().splitlines()[1:-1]]
        for draft in drafts
    ]


def line(number, size=0):
    return json.dumps({"pk": number, "x": "x" * size}).encode()


sizes = st.lists(st.integers(0, 300), max_size=40)


@given(sizes, st.integers(1, 7), st.integers(20, 600))
def test_cutting_is_a_partition_that_keeps_order_within_limits(files, sizes, objects, size):
    stream = ModelStream(files, "a.b", Limits(objects, size))
    lines = [line(number, each) for number, each in enumerate(sizes)]
    for number, each in enumerate(lines):
        stream.add(number, each)
    stream.close()
    found = lines_of(stream.drafts)
    assert [each for draft in found for each in draft] == lines
    for draft, content in zip(stream.drafts, found, strict=True):
        assert draft.objects == len(content) <= objects
        assert draft.bytes == draft.path.stat().st_size
        assert draft.bytes <= size or len(content) == 1
    for one, other in zip(stream.drafts, found[1:], strict=False):
        assert one.objects == objects or one.bytes + len(other[0]) + 2 > size


@given(sizes, st.integers(1, 7), st.integers(20, 600), st.integers(1, 50))
def test_several_objects_at_once_are_cut_as_one_by_one(files, sizes, objects, size, together):
    one, many = (ModelStream(files, "a.b", Limits(objects, size)) for _ in range(2))
    lines = [line(number, each) for number, each in enumerate(sizes)]
    for number, each in enumerate(lines):
        one.add(number, each)
    for start in range(0, len(lines), together):
        some = range(start, min(start + together, len(lines)))
        many.extend(some, lines[start : start + together])
    one.close()
    many.close()
    assert [d.sha256 for d in many.drafts] == [d.sha256 for d in one.drafts]


@given(sizes, st.integers(1, 7), st.integers(20, 600))
def test_a_component_is_cut_the_same_way(files, sizes, objects, size):
    model = ModelStream(files, "a.b", Limits(objects, size))
    component = ComponentStream(files, ["a.b"], Limits(objects, size), [0] * len(sizes))
    for number, each in enumerate(sizes):
        model.add(number, line(number, each))
        component.make_room(1, len(line(number, each)))
        component.add(number, "a.b", number, line(number, each), [])
    model.close()
    component.close()
    assert lines_of(component.drafts) == lines_of(model.drafts)
    assert [d.sha256 for d in component.drafts] == [d.sha256 for d in model.drafts]


def test_a_large_chunk_is_written_before_it_is_full(files):
    stream = ModelStream(files, "a.b", Limits(10_000, 1 << 30))
    for number in range(2000):
        stream.add(number, line(number, 200))
    assert sum(len(each) for each in stream._lines) < 1 << 17
    stream.close()
    assert stream.drafts[0].objects == 2000


def test_a_chunk_notes_the_chunks_it_refers_to(files):
    stream = ComponentStream(files, ["a.b"], Limits(1, 1 << 20), [0] * 4)
    for node, targets in enumerate([[], [], [0], [1, 2]]):
        stream.make_room(1, 10)
        stream.add(node, "a.b", node, line(node), targets)
    stream.close()
    assert [draft.needs for draft in stream.drafts] == [set(), set(), {1}, {2, 3}]


def test_objects_that_are_in_already_go_into_chunks_that_say_so(files):
    stream = ComponentStream(files, ["a.b"], Limits(2, 1 << 20), [0] * 10)
    for node in range(3):
        stream.make_room(1, 10)
        stream.add(node, "a.b", node, line(node), [])
    stream.repeat({1, 2})
    for node in range(3):
        stream.make_room(1, 10)
        stream.add(node, "a.b", node, line(node), [])
    stream.repeat(None)
    stream.add(9, "a.b", 9, line(9), [])
    stream.close()
    assert [(d.objects, d.second_pass, d.needs) for d in stream.drafts] == [
        (2, False, set()),
        (1, False, set()),
        (2, True, {1, 2}),
        (1, True, {1, 2}),
        (1, False, set()),
    ]


@pytest.mark.parametrize(
    ("number", "chunks", "name"),
    [
        (7, 8, "0007-a.b.json"),
        (9999, 9999, "9999-a.b.json"),
        (7, 12_000, "00007-a.b.json"),
        (12_000, 12_000, "12000-a.b.json"),
    ],
)
def test_a_number_is_as_wide_as_the_last_one_needs(number, chunks, name):
    assert chunk_name(number, chunks, {"a.b": 3}) == name


def test_a_chunk_is_named_after_the_model_it_is_most_of():
    assert chunk_name(1, 1, {"a.b": 3, "a.c": 5}) == "0001-a.c.json"


def test_marks_go_to_the_catalog(tmp_path):
    seen = []

    class Catalog:
        def add(self, draft, label, lookup_keys):
            seen.append((draft, label, lookup_keys))

    stream = ModelStream(DraftFiles(tmp_path, Catalog()), "a.b", Limits(2, 1 << 20))
    for number in (3, 1, 2):
        stream.add(number, line(number))
    stream.close()
    assert seen == [
        ("1.draft", "a.b", array("q", [3, 1])),
        ("2.draft", "a.b", array("q", [2])),
    ]
