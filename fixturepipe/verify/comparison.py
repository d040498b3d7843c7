"""What a comparison of two databases is asked and what it answers, a model at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fixturepipe.databases.tables import EVERYTHING, Bounds, Condition

Kind = Literal["value", "missing", "extra"]


@dataclass(frozen=True)
class Difference:
    """One row that the target lacks or has besides, or one value that is not the same.

    `pk` and the values are as JSON shows them; `column`, `source` and `target` are empty for
    rows that are missing or extra.
    """

    kind: Kind
    model: str
    table: str
    pk: Any
    column: str = ""
    source: Any = None
    target: Any = None


@dataclass(frozen=True)
class ModelComparison:
    """What comparing one model found. All numbers are rows.

    `source` and `target` count the whole tables; `compared` the rows of the source that were
    looked at; `equal + differing + missing + rejected + changed = compared`, but that of a
    sample `missing` and `rejected` count the whole table. `changed` rows differ from the source
    just as a declared remedy says. `extra` are in the target only. `differences` are the first
    ones.
    """

    model: str
    table: str
    source: int = 0
    target: int = 0
    compared: int = 0
    equal: int = 0
    differing: int = 0
    missing: int = 0
    extra: int = 0
    rejected: int = 0
    changed: int = 0
    differences: tuple[Difference, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the target holds the source's rows, every one as it is, and no others."""
        return not (self.differing or self.missing or self.extra)

    def plus(self, other: ModelComparison, limit: int) -> ModelComparison:
        """This and another part of the same model's comparison, with `limit` differences."""
        counts = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        differences = (*self.differences, *other.differences)[:limit]
        return ModelComparison(self.model, self.table, differences=differences, **counts)

    def without_missing(self) -> ModelComparison:
        """This, but for the rows that were not found in the target."""
        present = tuple(each for each in self.differences if each.kind != "missing")
        return replace(self, missing=0, rejected=0, differences=present)


COUNTS = (
    "source",
    "target",
    "compared",
    "equal",
    "differing",
    "missing",
    "extra",
    "rejected",
    "changed",
)


@dataclass(frozen=True)
class Accounts:
    """What a run knows to be different on purpose, by model label and key as `key_text` has it.

    `rejected` rows were left out; `changed` maps a row's field names to the values that a
    declared remedy gave them.
    """

    rejected: Mapping[str, Collection[str]] = field(default_factory=dict)
    changed: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """Which rows of the source are looked at: all, a random share, or those of a condition.

    `sample` is a share between 0 and 1. Where it or `condition` leaves rows out, keys alone
    are still compared if the tables' counts disagree.
    """

    bounds: Bounds = EVERYTHING
    sample: float | None = None
    seed: int = 0
    condition: Condition | None = None

    @property
    def is_partial(self) -> bool:
        return self.sample is not None or self.condition is not None
