"""Lines of a fixture: what is read is written as it stood."""

import io
import json
from decimal import Decimal

import ijson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixturepipe.artifacts.records import (
    FixtureWriter,
    _slowly,
    decode_object,
    encode_value,
    fixture_writer,
    object_line,
    object_text,
)

NUMBERS = (
    "0",
    "-1",
    "1.5",
    "1.50",
    "-0.0",
    "1E+400",
    "0.1",
    "123456789012345678901234567890",
    "-9223372036854775809",
    "18446744073709551616",
    "0.30000000000000004",
    "1.7976931348623157e+308",
)


def through(text: str) -> str:
    """A JSON value read by ijson and written again."""
    (value,) = ijson.items(io.BytesIO(f"[{text}]".encode()), "item")
    return encode_value(value).decode()


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_keeps_its_value_and_its_digits(text):
    assert Decimal(through(text)).as_tuple() == Decimal(text).as_tuple()


def test_a_fraction_stays_a_fraction_and_is_no_string():
    assert through("1.5") == "1.5"


@pytest.mark.parametrize("text", ["\\u0000", "\\ud83d\\ude00", "é", "\\\\", '\\"', "\\u2028", "/"])
def test_a_string_keeps_its_characters(text):
    assert json.loads(through(f'"{text}"')) == json.loads(f'"{text}"')


@pytest.mark.parametrize("half", ["\ud800", "a\udfffb"])
def test_a_lone_surrogate_is_written_as_an_escape(half):
    assert json.loads(encode_value({"text": half})) == {"text": half}


def test_a_big_number_with_a_lone_surrogate_and_a_fraction():
    value = {"a": [10**30, "\ud800", Decimal("1.50"), None, True, {}]}
    assert encode_value(value) == (
        b'{"a": [1000000000000000000000000000000, "\\ud800", 1.50, null, true, {}]}'
    )


@pytest.mark.parametrize("value", [object(), {1, 2}])
def test_what_no_fixture_holds_is_an_error_and_not_null(value):
    with pytest.raises((TypeError, ValueError)):
        encode_value([10**30, value])


def test_an_object_without_a_key_has_no_pk():
    assert object_line("a.b", None, {}) == b'{"model": "a.b", "fields": {}}'


def test_a_line_of_values_and_one_of_texts_have_one_spelling():
    line = b'{"model": "a.b", "pk": 17, "fields": {"name": "\xc3\xa9", "n": null}}'
    assert object_line("a.b", 17, {"name": "é", "n": None}) == line
    assert object_text("a.b", "17", {"name": '"é"', "n": "null"}).encode() == line


def test_a_line_is_read_back_as_it_was_written():
    fields = {"x": Decimal("1.50"), "y": 10**40, "z": [None, "é"]}
    line = object_line("a.b", "k", fields)
    assert decode_object(line) == {"model": "a.b", "pk": "k", "fields": fields}


numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_any_value_comes_through(value):
    assert json.loads(encode_value(value), parse_float=Decimal) == value


def test_a_fraction_stays_one_where_all_of_its_digits_come_before_the_point():
    line = decode_object(b'{"model": "a.b", "fields": {"n": [1.2345678901234568e+16, 1e16]}}')
    assert encode_value(line["fields"]["n"]) == b"[12345678901234568.0, 1E+16]"
    assert _slowly(line["fields"]["n"]) == "[12345678901234568.0, 1E+16]"


def test_the_writer_separates_objects_and_counts_them():
    file = io.BytesIO()
    writer = FixtureWriter(file)
    writer.write([b'{"a":1}'])
    writer.write([])
    writer.write([b'{"a":2}', b'{"a":3}'])
    writer.close()
    assert file.getvalue() == b'[\n{"a":1},\n{"a":2},\n{"a":3}\n]\n'
    assert (writer.objects, writer.bytes) == (3, len(file.getvalue()))


def test_a_writer_without_objects_writes_an_empty_list():
    file = io.BytesIO()
    FixtureWriter(file).close()
    assert json.loads(file.getvalue()) == []


def test_a_fixture_that_was_not_finished_is_not_there(tmp_path):
    with pytest.raises(ZeroDivisionError), fixture_writer(tmp_path / "f.json") as writer:
        writer.write([b"{}"] * (1 // 0))
    assert list(tmp_path.iterdir()) == []
