"""A chunk's objects in groups of one model, which are saved together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from fixturepipe.databases.loading.rows import FixtureObject

_label: Callable[[FixtureObject], str] = itemgetter("model")


def groups_of(
    objects: Sequence[FixtureObject], *, by_model: bool
) -> Iterator[tuple[str, list[FixtureObject]]]:
    """The objects in file order, cut where the model changes; or all of a model at once.

    An object that comes twice begins a group of its own: the second updates the first.
    """
    if by_model:
        objects = sorted(objects, key=_order_of_appearance(objects))
    for label, together in groupby(objects, key=_label):
        for group in _without_repeated_keys(list(together)):
            yield label, group


def changes_of_model(objects: Sequence[FixtureObject]) -> int:
    """How many groups the objects make in file order."""
    return sum(1 for _ in groupby(objects, key=_label))


def _without_repeated_keys(group: list[FixtureObject]) -> Iterator[list[FixtureObject]]:
    """The group, cut before each object whose primary key has come already."""
    keys = [repr(key) if type(key := each.get("pk")) is list else key for each in group]
    if len(set(keys)) == len(keys):
        yield group
        return
    seen: set[Any] = set()
    start = 0
    for position, key in enumerate(keys):
        if key in seen:
            yield group[start:position]
            start, seen = position, set()
        if key is not None:
            seen.add(key)
    yield group[start:]


def _order_of_appearance(objects: Sequence[FixtureObject]) -> Callable[[FixtureObject], int]:
    first: dict[str, int] = {}
    for each in objects:
        first.setdefault(_label(each), len(first))
    return lambda each: first[_label(each)]
