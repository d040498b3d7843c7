"""The command that dump names as the next one is the one that status names."""

from __future__ import annotations

import json

from tests.shop import Shop


def test_after_a_dump_load_is_next(shop: Shop) -> None:
    said = shop.done("dump", "sites")
    assert said.rstrip().endswith(" load")
    assert json.loads(shop.done("status", "--json"))["next"] == "load"
