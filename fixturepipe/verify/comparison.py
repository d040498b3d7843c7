"""What a comparison of two databases asks and returns, a model at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol

from fixturepipe.databases.fields import Model
from fixturepipe.databases.tables import Key

Kind = Literal["value", "missing", "extra"]


@dataclass(frozen=True)
class Difference:
    """A row that one side lacks, or a value that differs.

    `pk` and the values are as JSON shows them. `column`, `source` and `target` are empty for
    missing and extra rows.
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
    """The result of comparing one model. All numbers are rows.

    `source` and `target` count the whole tables, `compared` the rows of the source that were
    compared: `equal + differing + missing + rejected + changed = compared`, except that for a
    sample `missing` and `rejected` count the whole table. `changed` rows differ from the source
    exactly as a fix or transform made them. `extra` rows are in the target only. `differences`
    are the first ones.
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
        """Whether the target holds the source's rows unchanged, and no others."""
        return not (self.differing or self.missing or self.extra)

    def plus(self, other: ModelComparison, limit: int) -> ModelComparison:
        """The sum of this and another part of the model, with the first `limit` differences."""
        names = [field.name for field in fields(self) if isinstance(getattr(self, field.name), int)]
        counts = {name: getattr(self, name) + getattr(other, name) for name in names}
        differences = (*self.differences, *other.differences)[:limit]
        return ModelComparison(self.model, self.table, differences=differences, **counts)

    def without_missing(self) -> ModelComparison:
        """This comparison without the rows that were missing in the target."""
        present = tuple(each for each in self.differences if each.kind != "missing")
        return replace(self, missing=0, rejected=0, differences=present)


@dataclass(frozen=True)
class ColumnPair:
    """A column of one row at both endpoints; its values are as JSON shows them."""

    column: str
    source: Any
    target: Any
    equal: bool


@dataclass(frozen=True)
class RowPair:
    """One row at both endpoints. A row that one of them lacks has None for all of its values."""

    model: str
    table: str
    pk: Any
    in_source: bool
    in_target: bool
    columns: tuple[ColumnPair, ...]

    @property
    def ok(self) -> bool:
        """Whether both have the row, and all of its columns are equal."""
        return self.in_source and self.in_target and all(each.equal for each in self.columns)


class Sink(Protocol):
    """Takes every row that differs, from several threads. Keys are raw, as their database has
    them."""

    def missing(self, label: str, ours: Sequence[Key]) -> None:
        """Rows that only the source has."""

    def differing(self, label: str, ours: Key, theirs: Key, fields: Sequence[str]) -> None:
        """A row that both have, and the names of the fields that differ."""

    def extras(self, label: str, theirs: Sequence[Key]) -> None:
        """Rows that only the target has."""


class RowChanges(Protocol):
    """What has changed in the source since the target was equal to it. Keys are raw."""

    def changed(self, model: Model) -> Iterator[list[Key]]:
        """Yield the keys of rows that are new or have other values."""

    def gone(self, model: Model) -> Iterator[list[Key]]:
        """Yield the keys of rows that the source has no more."""
