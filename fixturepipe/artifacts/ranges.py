"""Numbers of chunks as inclusive ranges: 1 2 3 7 is (1, 3), (7, 7) and reads "1-3, 7"."""

from __future__ import annotations

from collections.abc import Iterable

Range = tuple[int, int]


def ranges(numbers: Iterable[int]) -> tuple[Range, ...]:
    """Numbers as ascending ranges that do not touch."""
    return merged((number, number) for number in numbers)


def merged(inclusive: Iterable[Range]) -> tuple[Range, ...]:
    """Ranges in ascending order; those that overlap or touch become one."""
    found: list[Range] = []
    for first, last in sorted(inclusive):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def numbers_in(inclusive: Iterable[Range]) -> set[int]:
    """The numbers that are in ranges."""
    return {number for first, last in inclusive for number in range(first, last + 1)}


def ranges_text(inclusive: Iterable[Range]) -> str:
    """Ranges for a reader: "1-3, 7"."""
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in inclusive)


def format_ranges(numbers: Iterable[int]) -> str:
    """Numbers for a reader: "1-3, 7"."""
    return ranges_text(ranges(numbers))
