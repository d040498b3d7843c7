"""Reading fixtures: every form that stock dumpdata writes, and every way to be broken."""

import bz2
import gzip
import json
import lzma
import tracemalloc
import zipfile
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixturepipe.artifacts.fixtures import FixtureFile
from fixturepipe.artifacts.jsonguard import MAX_DEPTH
from fixturepipe.errors import FixtureError
from tests.arranging import a

TWO = [a("shop.tag", 1, slug="red"), a("shop.tag", 2, slug="blue")]


def read(path):
    return list(FixtureFile(path).objects())


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path):
    with pytest.raises(FixtureError) as caught:
        read(path)
    return caught.value.message


PACKERS = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("indent", [None, 0, 2])
def test_lists_are_read_compressed_and_indented(tmp_path, suffix, indent):
    text = json.dumps(TWO, indent=indent).encode()
    assert read(put(tmp_path / f"f.json{suffix}", PACKERS[suffix](text))) == TWO


@pytest.mark.parametrize("suffix", PACKERS)
def test_lines_are_read_compressed(tmp_path, suffix):
    text = "".join(json.dumps(each) + "\n" for each in TWO).encode()
    assert read(put(tmp_path / f"f.jsonl{suffix}", PACKERS[suffix](text))) == TWO


def test_an_archive_with_one_file_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "f.json.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("whatever", json.dumps(TWO))
    assert read(tmp_path / "f.json.zip") == TWO


def test_an_archive_with_two_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "f.json.zip", "w") as archive:
        archive.writestr("a", "[]")
        archive.writestr("b", "[]")
    assert "it holds 2 files, not one" in refusal(tmp_path / "f.json.zip")


def test_a_mark_of_utf_8_is_passed_over(tmp_path):
    assert read(put(tmp_path / "f.json", b"\xef\xbb\xbf" + json.dumps(TWO).encode())) == TWO


@pytest.mark.parametrize("name", ["f.xml", "f", "f.yaml.gz", "f.json.rar"])
def test_a_name_that_is_not_of_json_is_refused(tmp_path, name):
    assert "does not say that it is JSON" in refusal(put(tmp_path / name, "[]"))


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_fixture_that_is_cut_off_at_any_byte_is_refused(tmp_path, suffix):
    whole = PACKERS[suffix](json.dumps(TWO, indent=1).encode())
    for length in range(len(whole)):
        path = put(tmp_path / f"f.json{suffix}", whole[:length])
        assert str(path) in refusal(path)


def test_lines_that_are_cut_off_inside_an_object_are_refused(tmp_path):
    lines = "".join(json.dumps(each) + "\n" for each in TWO)
    whole = lines.index("\n")
    for length in set(range(1, len(lines) - 1)) - {whole, whole + 1}:
        assert "it ends in the middle" in refusal(put(tmp_path / "f.jsonl", lines[:length]))


def test_where_it_is_cut_off_is_named(tmp_path):
    text = json.dumps(TWO)[:-5]
    message = refusal(put(tmp_path / "f.json", text))
    assert f"byte {len(text)}, after object 1: it ends in the middle" in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b'{"model": "a.b"}', "begins with an object"),
        (b'"text"', "begins with"),
        (b"17", "begins with"),
        (b"<django-objects>", "begins with"),
        (b"\xff\xfe[\x00]\x00", "UTF-16"),
        (b"[1]", "object 1: it is not of the form"),
        (b"[null]", "object 1: it is not of the form"),
        (b'[{"pk": 1}]', "object 1: it is not of the form"),
        (b'[{"model": 5, "fields": {}}]', "object 1: it is not of the form"),
        (b'[{"model": "a.b", "fields": []}]', "object 1: it is not of the form"),
        (b'[{"model": "a.b", "pk": 1, "fields": {}} x', "byte 41"),
        (b"[] x", "trailing garbage"),
        (b"[[]", "object 1: it is not of the form"),
        (b'[{"model": "a.b", "fields": {"x": NaN}}]', "MySQL has no such numbers"),
        (b'[{"model": "a.b", "fields": {"x": -Infinity}}]', "byte 35"),
        (b'[{"model": "a.b", "fields": {"x": "\xff"}}]', "invalid bytes in UTF8 string"),
        (b'[{"model": "a.b", "fields": {"x": 1e99999999999999999999}}]', "out of range"),
        (b'[{"model": "a.b", "fields": {"x": "a\nb"}}]', "invalid character inside string"),
        (b"[" * 100_000, "nested more than"),
        (b"[" * 100_000 + b"]" * 100_000, "nested more than"),
        (b'[{"a":' * 100_000, "nested more than"),
    ],
)
def test_what_is_no_fixture_is_refused(tmp_path, content, said):
    message = refusal(put(tmp_path / "f.json", content))
    assert said in message
    assert "f.json" in message


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".lzma", ".zip"])
def test_a_compressed_name_on_something_else_is_refused(tmp_path, suffix):
    assert "cannot be read" in refusal(put(tmp_path / f"f.json{suffix}", json.dumps(TWO)))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert "No such file" in refusal(tmp_path / "gone.json")


def test_an_error_far_into_the_file_is_placed_to_the_byte(tmp_path):
    good = json.dumps([a("shop.tag", n, slug="x" * 50) for n in range(5000)])[:-1]
    message = refusal(put(tmp_path / "f.json", good + ", ?]"))
    assert f"byte {len(good) + 2:,}, after object 5,000" in message


def test_nesting_is_distinguished_from_brackets_in_strings(tmp_path):
    text = "[{" * 5000 + '"\\' + "]" * 7
    objects = [a("shop.tag", n, text=text, deep=[[[["]"]]]]) for n in range(40)]
    assert read(put(tmp_path / "f.json", json.dumps(objects))) == objects


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_the_deepest_that_is_allowed_is_read(tmp_path):
    objects = [a("shop.tag", 1, deep=nested(MAX_DEPTH - 3))]
    assert read(put(tmp_path / "f.json", json.dumps(objects))) == objects
    objects = [a("shop.tag", 1, deep=nested(MAX_DEPTH - 2))]
    assert "nested more than" in refusal(put(tmp_path / "f.json", json.dumps(objects)))


@pytest.mark.parametrize("before", ["", '"x": "' + "y" * 70_000 + '", '])
def test_a_number_of_more_digits_than_python_reads_is_refused(tmp_path, before):
    text = f'[{{"model": "a.b", "pk": 1, "fields": {{{before}"n": -%s}}}}]'
    assert read(put(tmp_path / "f.json", text % ("9" * 4300)))
    said = refusal(put(tmp_path / "f.json", text % ("9" * 4301)))
    assert "it has a number with more than 4,300 digits" in said


def test_digits_in_a_string_are_no_number(tmp_path):
    objects = [a("shop.tag", 1, slug="9" * 5000)]
    assert read(put(tmp_path / "f.json", json.dumps(objects))) == objects


@pytest.mark.parametrize("half", ["\ud800", "\udfffx", "\udc00\ud800", "x\ud83d", "\ud83dx\ude00"])
def test_a_lone_surrogate_is_not_lost(tmp_path, half):
    objects = [*TWO, a("shop.tag", 3, slug=half), *TWO, a("shop.tag", 4, n=10**30)]
    assert read(put(tmp_path / "f.json", json.dumps(objects))) == objects


def test_a_lone_surrogate_at_the_end_of_a_block_is_not_lost(tmp_path):
    for length in range(65_480, 65_540):
        objects = [a("shop.tag", 1, slug="x" * length + "\ud800")]
        assert read(put(tmp_path / "f.json", json.dumps(objects))) == objects


def test_numbers_come_as_they_stand(tmp_path):
    text = '[{"model": "a.b", "fields": {"x": [1.5, -0.0, 1e400, 123456789012345678901234567890]}}]'
    (found,) = read(put(tmp_path / "f.json", text))
    numbers = found["fields"]["x"]
    assert [type(number) for number in numbers] == [Decimal, Decimal, Decimal, int]
    assert [str(number) for number in numbers] == [
        "1.5",
        "-0.0",
        "1E+400",
        "123456789012345678901234567890",
    ]


def test_a_string_of_200_mb_is_read_or_refused_when_it_does_not_end(tmp_path):
    long = tmp_path / "f.json"
    with long.open("wb") as file:
        file.write(b'[{"model": "a.b", "pk": 1, "fields": {"x": "')
        for _ in range(200):
            file.write(b"x" * 1_000_000)
    assert "it ends in the middle" in refusal(long)
    with long.open("ab") as file:
        file.write(b'"}}]')
    (found,) = FixtureFile(long).objects()
    assert len(found["fields"]["x"]) == 200_000_000


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak(count):
        path = put(
            tmp_path / "f.json", json.dumps([a("a.b", n, x="x" * 100) for n in range(count)])
        )
        tracemalloc.start()
        for _ in FixtureFile(path).objects():
            pass
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(10)
    assert peak(20_000) < peak(2_000) * 1.5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(), json_values, max_size=4), max_size=4), st.booleans())
def test_any_fixture_is_read_as_json_reads_it(tmp_path_factory, fields, ascii_only):
    objects = [a("a.b", number) | {"fields": each} for number, each in enumerate(fields)]
    text = json.dumps(objects, ensure_ascii=ascii_only)
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(text.encode("utf-8", "replace"))
    assert read(path) == json.loads(path.read_bytes())
