"""A dirty database arrives as declared: run exits 0, each change is recorded, nothing differs."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from fixturepipe.databases.endpoints import Endpoint, Endpoints
from tests import servers
from tests.dirty import plant, plant_all, round_floats, unprotected, values
from tests.django_versions import needs_native_uuids
from tests.shop import ROOT, Shop

FIXES = """
[tool.fixturepipe.fix]
"dirty.Values.char" = "truncate"
"dirty.Values.text" = "replace"
"dirty.Values.timestamp" = "epoch"
"dirty.Values.uuid" = {default = "00000000-0000-4000-8000-000000000001"}
"dirty.Values.positive" = {default = 7}
"dirty.Values" = "default"
"FP116:dirty.Values.decimal" = "truncate"
"FP106" = "default"
"dirty.Child.values" = "drop"
"dirty.Child.names" = "drop"
"dirty.Tag.broader" = "null"
"dirty.Name.name" = "rename"
"dirty.Pair" = "drop"
"""

DEEP = f"{'[' * 120}{']' * 120}"
CHANGES: list[tuple[Any, ...]] = [
    ("dirty.values", 11, "char", "sixsix", "sixsi", "truncate"),
    ("dirty.values", 12, "small", 40000, 1, "default"),
    ("dirty.values", 13, "positive", -5, 7, "default"),
    ("dirty.values", 14, "decimal", 123456.78, "1.00", "default"),
    ("dirty.values", 15, "date", "2020-02-31", "2020-01-01", "default"),
    ("dirty.values", 16, "timestamp", "0900-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "default"),
    ("dirty.values", 17, "integer", "text", 1, "default"),
    ("dirty.values", 18, "boolean", 7, True, "default"),
    ("dirty.values", 19, "json", "{", {}, "default"),
    ("dirty.values", 20, "float", "inf", 1.0, "default"),
    ("dirty.values", 21, "text", "\\xc3(", "\ufffd(", "replace"),
    ("dirty.values", 22, "text", "a\x00", "a", "replace"),
    ("dirty.values", 23, "decimal", "0.13", "0.12", "truncate"),
    ("dirty.values", 24, "json", json.loads(DEEP), {}, "default"),
    ("dirty.values", 26, "timestamp", 1577836800, "2020-01-01T00:00:00Z", "epoch"),
    ("dirty.values", 27, "big", None, 1, "default"),
    ("dirty.values", 30, "float", 0.123456789, 1.0, "default"),
    ("dirty.name", 2, "name", "zed", "zed-2", "rename"),
    ("dirty.tag", 2, "broader", 99, None, "null"),
]
DROPPED = [("dirty.child", 4), ("dirty.child_names", 5), ("dirty.pair", 2)]


def on_server(is_mariadb: bool) -> tuple[Any, ...]:
    """The change of the row whose hazard depends on the server."""
    if is_mariadb:
        uuids = ("1dd9b7c5-00a7-8b9b-0d88-9fff334917bb", "00000000-0000-4000-8000-000000000001")
        return ("dirty.values", 25, "uuid", *uuids, "default")
    return ("dirty.values", 25, "json", [99999999999999999999], {}, "default")


def soil(packet: int) -> None:
    """Every hazard of check's tests, and those that need another schema."""
    unprotected()
    plant_all(packet)
    values(26, timestamp="1577836800")
    alter("dirty_values", '"big" bigint NOT NULL', '"big" bigint')
    values(27, big="NULL")
    for (name,) in rows("SELECT name FROM sqlite_master WHERE name LIKE 'dirty_pair_%_uniq'"):
        plant(f"DROP INDEX {name}")
    plant("INSERT INTO dirty_pair (id, left, right) VALUES (1, 'a', 1), (2, 'a', 1)")
    plant("INSERT INTO dirty_tag (id, word, broader_id) VALUES (1, 'red', NULL), (2, 'blue', 99)")


def alter(table: str, before: str, after: str) -> None:
    plant("PRAGMA writable_schema = ON")
    plant(
        "UPDATE sqlite_master SET sql = replace(sql, %s, %s) WHERE name = %s", before, after, table
    )
    plant("PRAGMA writable_schema = RESET")


def rows(statement: str) -> list[tuple[Any, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


@pytest.fixture
def moved(source: Endpoint, empty_target: Endpoint, server: servers.Server, tmp_path: Path) -> Shop:
    """The command line over the tests' own project: its source is dirty, its target empty."""
    Endpoints("default", source).open()
    url = server.url(str(empty_target.settings["NAME"]))
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.fixturepipe]\nsource = "sqlite:///{source.settings["NAME"]}"\n'
    )
    return Shop(tmp_path / "none", tmp_path / "run", url, "tests.settings", ROOT)


def declare(shop: Shop, text: str) -> None:
    path = shop.workdir.parent / "pyproject.toml"
    path.write_text(path.read_text() + text)


def changes(shop: Shop) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shop.workdir / "changes.jsonl").read_text().splitlines()]


def totals(shop: Shop) -> Counter[str]:
    counts: Counter[str] = Counter()
    for model in shop.json("status")["models"]:
        counts.update({k: v for k, v in model.items() if k != "label"})
    return counts


@needs_native_uuids
def test_a_dirty_database_is_moved_as_declared(
    moved: Shop, server: servers.Server, target_template: str, empty_target: Endpoint
) -> None:
    ((packet,),) = moved.execute("SELECT @@max_allowed_packet")
    soil(packet)
    refused = moved.run("run", "--json")
    assert refused.returncode == 1
    # Nothing is written before check is content.
    assert moved.execute("SHOW TABLES") == ()
    server.copy(target_template, str(empty_target.settings["NAME"]))
    round_floats(moved.execute)
    assert "dump" not in [path.name for path in moved.workdir.glob("*.json")]
    declare(moved, FIXES)
    # Nothing fixes the column that rounds, so its rows need a fix.
    result = moved.json("run", "--ignore", "FP307:dirty.Values")
    is_mariadb = "MariaDB" in moved.execute("SELECT version()")[0][0]
    found = [tuple(change.values()) for change in changes(moved)]
    dropped = [change[:2] for change in found if change[2] is None]
    zeros = base64.b64encode(bytes(packet // 2)).decode()
    large = ("dirty.values", 29, "binary", zeros, "", "default")
    expected = [*CHANGES, large, on_server(is_mariadb)]
    assert sorted(map(repr, (c for c in found if c[2] is not None))) == sorted(map(repr, expected))
    assert sorted(dropped) == DROPPED
    assert result["verify"]["findings"] == []
    assert [m["differences"] for m in result["verify"]["models"] if m["differences"]] == []
    sums = totals(moved)
    assert sums["dumped"] == sums["arranged"] == sums["loaded"] == sums["verified"]
    assert (sums["changed"], sums["dropped"], sums["rejected"]) == (21, 3, 0)
    assert "fixed by truncate" in moved.done("check", "--ignore", "FP307:dirty.Values")
    assert "dirty" in moved.json("run", "--ignore", "FP307:dirty.Values")["dump"]["skipped"]
    assert [tuple(change.values()) for change in changes(moved)] == found


def test_a_fix_that_cannot_apply_is_refused_before_anything_is_done(moved: Shop) -> None:
    for wrong in (("--fix", "dirty.Values.nothing=drop"), ("--transform", "tests.nowhere:f")):
        refused = moved.run("run", *wrong)
        assert refused.returncode == 2
        assert "nothing" in refused.stderr or "tests.nowhere:f" in refused.stderr
    assert moved.execute("SHOW TABLES") == ()


def test_verify_holds_the_target_to_what_was_declared(moved: Shop) -> None:
    unprotected()
    values(1, char="'sixsix'")
    assert ", 1 changed as declared; nothing differs." in moved.done(
        "run", "--fix", "dirty.Values.char=truncate"
    )
    moved.execute("UPDATE dirty_values SET `char` = 'other'")
    verified = moved.run("verify")
    assert verified.returncode == 1
    assert "source 'sixsix', target 'other'" in verified.stdout


@pytest.mark.parametrize("policy", ["reject", "null"])
def test_what_refers_to_a_dropped_object_goes_the_way_of_orphans(moved: Shop, policy: str) -> None:
    unprotected()
    plant("INSERT INTO dirty_tag (id, word, broader_id) VALUES (1, %s, NULL)", "t" * 21)
    plant("INSERT INTO dirty_tag (id, word, broader_id) VALUES (2, 'under', 1), (3, 'c', NULL)")
    fix = ("--fix", "dirty.Tag.word=drop")
    assert "dirty.tag" in moved.run("run", *fix).stderr
    moved.run("run", *fix, "--on-orphan", policy)
    assert "nothing differs" in moved.done("verify")
    left = moved.execute("SELECT id, broader_id FROM dirty_tag ORDER BY id")
    assert left == (((3, None),) if policy == "reject" else ((2, None), (3, None)))


def test_a_transform_changes_and_drops_objects(moved: Shop) -> None:
    unprotected()
    values(1, char="'keep'", json="'{\"a\": 1}'", binary="x'00ff'")
    values(2, char="'gone'")
    values(3, char="'sixsix'")
    moved.done(
        *("run", "--fix", "dirty.Values.char=truncate"),
        *("--transform", "tests.transforms:upper"),
    )
    found = [(c["pk"], c["field"], c["new"], c["rule"]) for c in changes(moved)]
    assert found == [
        (3, "char", "sixsi", "truncate"),
        (1, "char", "KEEP", "transform"),
        (1, "timestamp", "2021-01-01T00:00:00Z", "transform"),
        (1, "json", {"a": 2, "b": [None]}, "transform"),
        (1, "binary", "/wA=", "transform"),
        (2, None, None, "transform"),
        (3, "char", "SIXSI", "transform"),
    ]
    assert "nothing differs" in moved.done("verify")
    sums = totals(moved)
    assert sums["dumped"] == sums["loaded"] == sums["verified"]
    assert (sums["changed"], sums["dropped"]) == (2, 1)


def test_a_transform_may_change_references_by_natural_key(moved: Shop) -> None:
    unprotected()
    plant("INSERT INTO dirty_tag (id, word) VALUES (1, 'red'), (2, 'blue')")
    plant("INSERT INTO dirty_tag (id, word, broader_id) VALUES (3, 'dark', 1)")
    moved.done("run", "--transform", "tests.transforms:other_reference")
    assert [(c["pk"], c["old"], c["new"]) for c in changes(moved)] == [(3, ["red"], ["blue"])]
    assert moved.execute("SELECT broader_id FROM dirty_tag WHERE id = 3") == ((2,),)


def test_a_source_without_a_file_takes_no_fixes(moved: Shop) -> None:
    moved.done("run")
    endpoints = ("--source", moved.target, "--target", "embedded")
    for command in ("check", "dump", "run"):
        refused = moved.run(command, *endpoints, "--fix", "dirty.Values.char=truncate")
        assert refused.returncode == 2
        assert "Fixes need a SQLite source" in refused.stderr
