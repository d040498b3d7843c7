"""What `verify` can be asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VerifyOptions:
    """Which rows to compare, and how.

    `sample` is the share of the source's rows to compare, between 0 and 1, chosen by `seed`.
    `since` is an ISO date or datetime: of models that record when their rows were made or
    changed (auto_now, auto_now_add) only later rows are compared. The number of rows is
    compared in any case. `limit` is the number of differences to keep for each model.
    `workers` is the number of threads, 0 for one per core and more if the target is far. With
    more than one, rows that the target has not committed are not seen.
    """

    sample: float | None = None
    since: str | None = None
    limit: int = 20
    workers: int = 0
    seed: int = 0
