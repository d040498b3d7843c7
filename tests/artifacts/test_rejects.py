"""The objects that were left out, and what is remembered of them."""

from __future__ import annotations

from pathlib import Path

from fixturepipe.artifacts.rejects import Reason, rejected_keys, write_rejects
from fixturepipe.artifacts.rundir import RunDirectory


def test_the_keys_of_all_rejected_objects_are_known_by_model(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    assert rejected_keys(directory) == {}
    objects = [{"model": "shop.tag", "pk": 1, "fields": {}}]
    write_rejects(directory, "0001-shop.tag.json", objects, [Reason("shop.tag", 1, "no")])
    more = [Reason("shop.tag", "x", "no"), Reason("shop.part", [2, "b"], "no")]
    write_rejects(directory, "0002-shop.tag.json", objects, more)
    assert rejected_keys(directory) == {"shop.tag": {"1", "x"}, "shop.part": {"2|b"}}
