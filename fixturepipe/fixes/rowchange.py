"""What a fix did to one row of the copy of the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models

from fixturepipe.databases.fields import Field


@dataclass(frozen=True)
class RowChange:
    """A value that was changed or, with `field` None, a row that was left out.

    `key` is the row's primary key; it, `old` and `new` are raw values. Of a row that was left out
    `old` has the values of its `dumped_fields`, in their order. `rule` is the fix's name.
    """

    model: type[models.Model]
    key: tuple[Any, ...]
    field: Field | None
    old: Any
    new: Any
    rule: str
