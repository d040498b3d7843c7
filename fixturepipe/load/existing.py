"""Rows of the target that this run did not write: deleted, refused, or left to be updated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from django.db import models

from fixturepipe.errors import ConfigurationError
from fixturepipe.load.server.target import LoadTarget, own_rows_matter


def make_room(
    target: LoadTarget,
    covered: Sequence[type[models.Model]],
    loaded: Collection[str],
    existing: Literal["refuse", "update", "delete"],
) -> None:
    """Deal with the rows of the covered models; `loaded` are the labels that are in already.

    Raises ConfigurationError with the counts of rows that are refused.
    """
    state = target.ledger.state()
    assert state is not None
    mine = [model for model in covered if own_rows_matter(model)]
    if not state.cleared and not loaded and (state.was_empty or existing == "delete"):
        target.clear(mine)
        return
    if existing == "update":
        return
    found = target.rows_found(m for m in mine if m._meta.label_lower not in loaded)
    if found:
        counts = [f"  {model._meta.label}: {n:,}" for model, n in found.items()]
        raise ConfigurationError(
            "\n".join([f"The target {target.name} has rows that this run did not write:", *counts]),
            hint="Use an empty database, or say what to do with them: --existing update writes"
            " the fixtures' objects over them, --existing delete deletes them first.",
        )
