"""Objects whose text is passed on as bytes: ours, stock dumpdata's, lines; and what is not."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixturepipe.artifacts import plainlines
from fixturepipe.artifacts.fixtures import FixtureFile
from fixturepipe.artifacts.jsonguard import MAX_DEPTH
from fixturepipe.errors import FixtureError
from tests.arranging import a

TWO = [a("shop.tag", 1, slug="red"), a("shop.tag", 2, slug="blue")]


def read(path: Path, content: str, *, trusted: bool = False):
    path.write_text(content, encoding="utf-8")
    return [
        pair
        for items, lines in FixtureFile(path, trusted=trusted).batches()
        for pair in zip(items, lines or [None] * len(items), strict=True)
    ]


def in_lines(objects):
    return "[\n" + ",\n".join(map(json.dumps, objects)) + "\n]\n"


FORMS = {"f.json": in_lines, "g.json": json.dumps}


@pytest.mark.parametrize("name", FORMS)
def test_what_is_written_as_ours_comes_with_its_text(tmp_path, name):
    found = read(tmp_path / name, FORMS[name](TWO))
    assert found == [(each, json.dumps(each).encode()) for each in TWO]


def test_lines_of_objects_come_with_their_text(tmp_path):
    found = read(tmp_path / "f.jsonl", "".join(json.dumps(each) + "\n" for each in TWO))
    assert found == [(each, json.dumps(each).encode()) for each in TWO]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(TWO, indent=2),
        json.dumps(TWO, separators=(",", ":")),
        in_lines(TWO).replace('"pk": 2', '"pk":2'),
        in_lines(TWO).replace('"pk": 2', '"pk":  2'),
        in_lines(TWO).replace('"pk": 2', '"pk" :2'),
        in_lines(TWO).replace('"pk": 2', '"pk":\t2'),
        in_lines(TWO).replace('"blue"}', '"blue" }'),
    ],
)
def test_other_spellings_are_read_and_have_no_text(tmp_path, text):
    found = read(tmp_path / "f.json", text)
    assert [item for item, _ in found] == TWO
    assert found[-1][1] is None


def test_a_dump_of_ours_comes_with_its_text_whatever_its_json_values_look_like(tmp_path):
    text = in_lines(TWO).replace('"blue"', '{"a":[1,2]}')
    assert read(tmp_path / "f.json", text)[1][1] is None
    _, line = read(tmp_path / "f.json", text, trusted=True)[1]
    assert line == b'{"model": "shop.tag", "pk": 2, "fields": {"slug": {"a":[1,2]}}}'


def test_objects_inside_a_value_are_not_taken_for_objects(tmp_path):
    inner = [{"a": {}}, {"model": "x"}]
    objects = [a("shop.tag", 1, slug=inner), a("shop.tag", 2, slug=[*inner, *inner])]
    found = read(tmp_path / "f.json", json.dumps(objects))
    assert [item for item, _ in found] == objects


@pytest.mark.parametrize("number", ["9" * 4301, "1e99999999999999999999", "NaN"])
def test_a_number_that_is_none_is_refused(tmp_path, number):
    text = in_lines(TWO).replace('"blue"', f"[{10**25}, {number}]")
    with pytest.raises(FixtureError):
        read(tmp_path / "f.json", text)


def test_a_number_of_more_than_64_bits_is_exact(tmp_path):
    ((item, _),) = read(tmp_path / "f.json", in_lines([a("shop.tag", 10**25)]))
    assert item["pk"] == 10**25


texts = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(
    objects=st.lists(st.fixed_dictionaries({"x": values}).map(lambda f: a("a.b", 1, **f))),
    write=st.sampled_from(list(FORMS.values())),
    ascii_only=st.booleans(),
)
def test_any_blocks_give_the_same_objects(tmp_path_factory, objects, write, ascii_only):
    """Blocks of a few bytes: an object is cut wherever it can be."""
    path = tmp_path_factory.mktemp("lines") / "f.json"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plainlines, "_BLOCK", 40)
        found = read(path, write(objects))
    assert [item for item, _ in found] == objects
    assert all(line is None or json.loads(line) == item for item, line in found)


def test_what_is_nested_too_deep_is_refused_in_any_block(tmp_path):
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    objects = [a("shop.tag", n, slug="x" * 100) for n in range(5000)]
    text = in_lines(objects).replace(
        '"pk": 4000, "fields": {"slug"', f'"pk": {deep}, "fields": {{"x"'
    )
    with pytest.raises(FixtureError, match="nested more than"):
        read(tmp_path / "f.json", text)
