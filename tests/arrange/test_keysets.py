"""Sets of keys on disk behave as sets in memory do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixturepipe.arrange import keysets
from fixturepipe.arrange.keys import key_of
from fixturepipe.arrange.keysets import KeyStore, batches, open_index


@pytest.fixture(autouse=True)
def _small_bounds(monkeypatch):
    """A few pages and a short buffer, so that little data reaches the disk."""
    monkeypatch.setattr(keysets, "_PAGES", 3)
    monkeypatch.setattr(keysets, "_BUFFER", 4)


@pytest.fixture
def store(tmp_path):
    connection = open_index(tmp_path / "index")
    yield KeyStore(connection)
    connection.close()


far = st.integers(-(1 << 63), (1 << 63) - 1)
near = st.integers(0, 200) | st.integers(65_530, 65_540)
keys = st.lists(near | far | st.text(max_size=3), max_size=30)


def filled(store, values):
    found = store.new()
    for value in values:
        found.note(value)
        if len(found._noted) == 7:
            found.settle()
    return found


@given(keys, keys)
def test_the_difference_is_that_of_sets(tmp_path_factory, ours, theirs):
    connection = open_index(tmp_path_factory.mktemp("store") / "index")
    store = KeyStore(connection)
    found = list(filled(store, ours).without(filled(store, theirs)))
    connection.close()
    assert len(found) == len(set(found))
    assert set(found) == set(ours) - set(theirs)


@given(keys, keys)
def test_a_set_holds_what_was_noted(tmp_path_factory, ours, others):
    connection = open_index(tmp_path_factory.mktemp("store") / "index")
    found = filled(KeyStore(connection), ours)
    held = {key: key in found for key in [*ours, *others]}
    connection.close()
    assert held == {key: key in set(ours) for key in held}


@given(keys)
def test_what_is_noted_twice_is_reported(tmp_path_factory, values):
    connection = open_index(tmp_path_factory.mktemp("store") / "index")
    found = set(filled(KeyStore(connection), values).repeated())
    connection.close()
    assert found == {value for value in values if values.count(value) > 1}


@given(st.integers(-70, 66_000), st.integers(1, 90), st.integers(-5, 95))
def test_ranges_of_numbers_are_held_to_the_last_one(tmp_path_factory, first, length, again):
    connection = open_index(tmp_path_factory.mktemp("store") / "index")
    found = KeyStore(connection).new()
    numbers = range(first, first + length)
    for number in numbers:
        found.note(number)
    found.settle()
    around = {number: number in found for number in range(first - 20, first + length + 20)}
    found.note(first + again)
    repeated = list(found.repeated())
    connection.close()
    assert around == {number: number in numbers for number in around}
    assert repeated == [first + again] * (first + again in numbers)


def test_an_empty_set_is_false(store):
    assert not store.new()
    assert filled(store, [0])
    assert filled(store, ["a"])


def test_batches_are_whole_but_the_last():
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (5, 5),
        ("5", 5),
        ("05", "05"),
        ("-5", "-5"),
        ("", ""),
        ("0", 0),
        ("٣", "٣"),
        (10**20, str(10**20)),
        ("99999999999999999999", "99999999999999999999"),
        (["a", 1], '["a", 1]'),
        (True, "true"),
    ],
)
def test_a_key_has_one_form(value, key):
    assert key_of(value) == key
