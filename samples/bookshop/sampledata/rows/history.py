"""Price changes, some of products and by users that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampledata.forms import SPAN_US, decimal, timestamp
from sampledata.keys import DELETED_PRODUCTS, DELETED_USERS
from sampledata.phrases import REASONS
from sampledata.sizes import Sizes
from sampledata.table import Table, dice


def tables(sizes: Sizes) -> Iterator[Table]:
    yield Table(
        "history_pricechange",
        (
            "id",
            "old_price",
            "new_price",
            "factor",
            "reason",
            "changed_at",
            "changed_by_id",
            "product_id",
        ),
        _price_changes(sizes),
    )


def _price_changes(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    roll = dice("history_pricechange")
    for change in range(1, sizes.price_changes + 1):
        old, new = 99 + roll(9900), 99 + roll(9900)
        product = 1 + roll(sizes.products)
        user = 1 + roll(sizes.users)
        if change % 40 == 1:
            product = sizes.products + 1 + roll(DELETED_PRODUCTS)
        if change % 40 == 21:
            user = sizes.users + 1 + roll(DELETED_USERS)
        yield (
            change,
            decimal(old, 2),
            decimal(new, 2),
            new / old,
            REASONS[roll(len(REASONS))],
            timestamp(roll(SPAN_US)),
            user,
            product,
        )
