"""Rows of SQL literals, which keep the fixture objects that they were made of.

So whatever the server says of a row can be said of the object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fixturepipe.load.objects.modelplan import ModelPlan

FixtureObject = dict[str, Any]


@dataclass(frozen=True)
class RowProblem:
    """Why an object cannot be a row of the target.

    `field` and `value` are empty where the problem is not one field's; `code` is the server's
    error number, if it was the server that refused.
    """

    object: FixtureObject
    text: str
    field: str = ""
    value: Any = None
    hint: str = ""
    code: int | None = None


@dataclass
class Rows:
    """A group's rows; `objects`, `keys` and `cells` are in step.

    `keys` are the primary keys as literals (NULL: the server gives one); `cells` the literals
    of all columns.
    """

    plan: ModelPlan
    objects: list[FixtureObject]
    keys: list[str]
    cells: list[tuple[str, ...]]

    @property
    def insert(self) -> str:
        """The statement that inserts such rows, up to its VALUES."""
        return self.plan.insert

    def part(self, start: int, stop: int) -> Rows:
        """Some of the rows."""
        return Rows(
            self.plan,
            self.objects[start:stop],
            self.keys[start:stop],
            self.cells[start:stop],
        )

    def pick(self, positions: Iterable[int]) -> Rows:
        """The rows at these positions."""
        chosen = list(positions)
        return Rows(
            self.plan,
            [self.objects[i] for i in chosen],
            [self.keys[i] for i in chosen],
            [self.cells[i] for i in chosen],
        )

    def joined(self, others: Rows) -> Rows:
        """These rows and others of the same plan."""
        return Rows(
            self.plan,
            self.objects + others.objects,
            self.keys + others.keys,
            self.cells + others.cells,
        )

    def __len__(self) -> int:
        return len(self.objects)
