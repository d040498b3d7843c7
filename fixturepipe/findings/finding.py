"""What `check` and `verify` report apart from differing rows: a problem, and what to do about it.

The first digit of an id says what the finding is about:

    FP1xx  values of the source            FP3xx  tables and columns
    FP2xx  references and uniqueness       FP4xx  servers, privileges, space and time
    FP5xx  what the target holds after a load
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Literal

from fixturepipe.findings.rows import Example, Rows

__all__ = ["EXAMPLES", "LEVELS", "Example", "Finding", "Level"]

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")

# The number of rows that a finding names.
EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """One problem of one column, table or server.

    `level`: an error would fail or arrive changed, a warning will behave differently, a note is
    worth knowing. `model` is a label, or empty; `field` may name several columns, joined by
    commas. `count` is the number of rows, or 1 for a finding that is not about rows; `rows` has all
    that `check` found, and the first that `verify` found. `consequence`
    says what happens if nothing is done, `hint` what to do. `fixed_by` is the declared fix that
    fixes all of its rows, or "".
    """

    id: str
    level: Level
    model: str
    field: str
    count: int
    rows: Rows
    consequence: str
    hint: str
    fixed_by: str = ""

    @property
    def examples(self) -> tuple[Example, ...]:
        """The first rows."""
        return tuple(islice(self.rows, EXAMPLES))

    @property
    def stands(self) -> bool:
        """Whether it is an error that no declared fix removes."""
        return self.level == "error" and not self.fixed_by
