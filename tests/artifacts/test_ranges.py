"""Numbers as inclusive ranges, and back."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fixturepipe.artifacts.ranges import format_ranges, merged, numbers_in, ranges


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_the_numbers_and_no_others(numbers):
    found = ranges(numbers)
    assert numbers_in(found) == numbers
    assert all(one[1] + 1 < two[0] for one, two in pairwise(found))


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9)).map(lambda x: (x[0], sum(x)))))
def test_merged_ranges_hold_the_same_numbers(inclusive):
    assert merged(inclusive) == ranges(numbers_in(inclusive))


def test_a_reader_sees_a_single_number_alone():
    assert format_ranges([7, 3, 2, 1]) == "1-3, 7"
