"""What a generator hands to the builder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows for one table, made while they are read.

    Each row is a tuple in the order of `columns`, in SQLite's storage form.
    """

    name: str
    columns: tuple[str, ...]
    rows: Iterable[tuple[Any, ...]]


def dice(table: str) -> Callable[[int], int]:
    """A function whose `n` gives a number from 0 to n - 1.

    Seeded by the table, so that a change to one table leaves the others alone.
    Only `random()` is used: its sequence is the same in every Python.
    """
    random = Random(f"bookshop {table}").random

    def roll(n: int) -> int:
        return int(random() * n)

    return roll
