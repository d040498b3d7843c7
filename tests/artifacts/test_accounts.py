"""What differs on purpose: left out, changed by a fix, set to null by arrange."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixturepipe.artifacts.accounts import Accounts, read_accounts
from fixturepipe.artifacts.changes import Change, replace_changes
from fixturepipe.artifacts.manifest import open_run
from fixturepipe.artifacts.rejects import Reason, write_rejects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.errors import RunDirectoryError
from tests.arranging import a, arranged, schema, schemas

TREE = schemas(schema("a.tree", "name", parent="a.tree?"))


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "run")


def test_rejected_objects_and_changes_are_known_by_model_and_key(directory: RunDirectory) -> None:
    manifest = open_run(directory)
    assert read_accounts(directory, manifest) == Accounts()
    objects = [{"model": "shop.tag", "pk": 1, "fields": {}}]
    write_rejects(directory, "0001-shop.tag.json", objects, [Reason("shop.tag", 1, "no")])
    more = [Reason("shop.tag", "x", "no"), Reason("shop.part", [2, "b"], "no")]
    write_rejects(directory, "0002-shop.tag.json", objects, more)
    changes = [
        Change("shop.tag", "5", "slug", '"\\ud800"', '"r"', "clean"),
        Change("shop.tag", "5", "n", str(10**30), "1", "clamp"),
        Change("shop.tag", "6", None, "{}", "null", "drop"),
    ]
    replace_changes(directory, {"shop"}, changes)
    assert read_accounts(directory, manifest) == Accounts(
        rejected={"shop.tag": {"1", "x", "6"}, "shop.part": {"2|b"}},
        changed={"shop.tag": {"5": {"slug": "r", "n": 1}}},
    )


def test_references_that_arrange_set_to_null_are_changes(tmp_path: Path) -> None:
    found = arranged(tmp_path, TREE, [a("a.tree", 1, name="", parent=7)], on_orphan="null")
    accounts = read_accounts(found.directory, open_run(found.directory))
    assert accounts.changed == {"a.tree": {"1": {"parent": None}}}


@pytest.mark.parametrize("name", ["rejects/0001-a.b.reasons.json", "changes.jsonl"])
@pytest.mark.parametrize("content", ["{", "[1]", '{"model": 1}', "\udcff"])
def test_a_damaged_file_is_named(directory: RunDirectory, name: str, content: str) -> None:
    manifest = open_run(directory)
    path = directory.path / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunDirectoryError, match="is damaged"):
        read_accounts(directory, manifest)
