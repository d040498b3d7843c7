"""A chunk's objects in groups of one model, which are saved together.

What a group needs of the server is for the saver; all else can be done before the chunk's turn
has come, while the server works on the last rows of the chunk before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.core.exceptions import ValidationError

from fixturepipe.load.objects.modelplan import ModelPlan, ModelPlans
from fixturepipe.load.objects.ownkeys import Key, hashable
from fixturepipe.load.objects.rows import FixtureObject, RowProblem, Rows

# So many rows at a time that the server has work while more are prepared.
_SLICE = 1_000

_UNHASHABLE = {list, dict}

_label: Callable[[FixtureObject], str] = itemgetter("model")
_fields: Callable[[FixtureObject], dict[str, Any]] = itemgetter("fields")


class Group:
    """Objects of one model. After `read`, `cells` holds their values, a list for each column.

    `lists` are the many-to-many lists of objects that were not arranged. `problems` names the
    objects that cannot be read; they are not among `objects`.
    """

    def __init__(self, plan: ModelPlan, objects: list[FixtureObject]) -> None:
        self.plan = plan
        self.objects = objects
        self.cells: list[list[Any]] = []
        self.lists: list[tuple[FixtureObject, dict[str, Any]]] = []
        self.problems: list[RowProblem] = []
        self._keys: dict[int, dict[int, Key]] = {}
        self._converted: dict[int, dict[int, list[str]]] = {}
        self._is_read = False

    def read(self) -> None:
        """Take the values out of the objects, once."""
        if self._is_read:
            return
        self._is_read = True
        plan = self.plan
        # Usually one: every object of a dump gives the same fields in the same order.
        given = set(map(tuple, map(_fields, self.objects)))
        known = plan.names | plan.lent | plan.lists.keys() | plan.generated
        if any(not known.issuperset(names) for names in given):
            self._leave_out_unknown_fields(known)
        if not all(plan.lists.keys().isdisjoint(names) for names in given):
            self._take_lists()
        self.cells = plan.cells(self.objects, given)

    def natural_keys(self, position: int) -> dict[int, Key]:
        """The natural keys in a column of references, by row."""
        found = self._keys.get(position)
        if found is None:
            values = self.cells[position]
            found = {row: tuple(key) for row, key in enumerate(values) if type(key) is list}
            try:
                set(found.values())
            except TypeError:  # a key within a key
                found = {row: hashable(key) for row, key in found.items()}
            self._keys[position] = found
        return found

    def convert(self) -> Iterator[None]:
        """Make literals, a step at a time, where that asks neither the server nor the project.

        A value that cannot be converted is left for its turn, when it will be named.
        """
        for position, column in enumerate(self.plan.columns):
            if column.is_natural(self.cells[position]):
                self.natural_keys(position)
                yield
        for part in self._slices():
            converted = self._converted[part.start] = {}
            for position, column in enumerate(self.plan.columns):
                values = self.cells[position][part]
                if column.quick and column.is_given(values) and not column.is_natural(values):
                    with suppress(ValueError, TypeError, ArithmeticError, ValidationError):
                        converted[position] = column.convert(values)
                    yield

    def leave_out(self, bad: Collection[int]) -> None:
        """Go on without the objects at these positions."""
        good = [row for row in range(len(self.objects)) if row not in bad]
        self.objects = [self.objects[row] for row in good]
        self.cells = [[values[row] for row in good] for values in self.cells]
        self._keys = {}
        self._converted = {}

    def rows(self) -> Iterator[tuple[Rows, list[RowProblem]]]:
        """The rows, some at a time, and the objects of which a value cannot be written."""
        for part in self._slices():
            cells = [values[part] for values in self.cells]
            converted = self._converted.pop(part.start, {})
            yield self.plan.rows(self.objects[part], cells, converted)

    def _slices(self) -> Iterator[slice]:
        for start in range(0, len(self.objects), _SLICE):
            yield slice(start, start + _SLICE)

    def _leave_out_unknown_fields(self, known: Collection[str]) -> None:
        good: list[FixtureObject] = []
        for each in self.objects:
            unknown = sorted(each["fields"].keys() - known)
            if unknown:
                text = f"{self.plan.model._meta.label} has no field named {unknown[0]!r}"
                self.problems.append(RowProblem(each, text, unknown[0]))
            else:
                good.append(each)
        self.objects = good

    def _take_lists(self) -> None:
        names = self.plan.lists
        for each in self.objects:
            lists = {name: each["fields"][name] for name in names if name in each["fields"]}
            if lists:
                self.lists.append((each, lists))


def in_file_order(objects: Sequence[FixtureObject]) -> list[tuple[str, list[FixtureObject]]]:
    """The objects cut where the model changes, each part with its model's label."""
    labels = set(map(_label, objects))
    if len(labels) == 1:  # as most chunks are
        return [(labels.pop(), list(objects))]
    return [(label, list(together)) for label, together in groupby(objects, key=_label)]


def by_model(objects: Sequence[FixtureObject]) -> list[tuple[str, list[FixtureObject]]]:
    """All objects of a model at once, the models in the order of their first objects."""
    found: dict[str, list[FixtureObject]] = {}
    for each in objects:
        found.setdefault(_label(each), []).append(each)
    return list(found.items())


def groups_of(
    parts: Iterable[tuple[str, list[FixtureObject]]], plans: ModelPlans
) -> Iterator[Group | list[RowProblem]]:
    """Groups of parts that are of one model each.

    An object that comes twice begins a group of its own: the second updates the first. Objects
    of a model that is none come as problems.
    """
    for label, together in parts:
        try:
            plan = plans.plan(label)
        except LookupError as error:
            yield [RowProblem(each, str(error)) for each in together]
            continue
        for group in _without_repeated_keys(together):
            yield Group(plan, group)


def _without_repeated_keys(group: list[FixtureObject]) -> Iterator[list[FixtureObject]]:
    """The group, cut before each object whose primary key has come already."""
    keys = [each.get("pk") for each in group]
    if not _UNHASHABLE.isdisjoint(map(type, keys)):
        keys = [repr(key) if type(key) in _UNHASHABLE else key for key in keys]
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
