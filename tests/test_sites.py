"""The trials of public sites judge truly: `python -m bench.sites` itself takes an hour."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.sites import page
from bench.sites.comparison import compare
from bench.sites.recipes import SITES
from bench.sites.trial import Trial
from tests.servers import Server
from tests.shop import ROOT

COLUMNS = {
    "at": ("datetime", "datetime(6)", "2020-02-29 01:02:03.000004", "2020-02-29 01:02:03.000004"),
    "day": ("date", "date", "1999-12-31", "1999-12-31"),
    "hour": ("time", "time(6)", "23:59:59.999999", "23:59:59.999999"),
    "price": ("decimal", "decimal(9, 2)", 0.1, "0.10"),
    "share": ("real", "double", 0.1, 0.1),
    "yes": ("bool", "tinyint(1)", 1, 1),
    "text": ("text", "longtext", "Zürich ", "Zürich "),
    "raw": ("BLOB", "longblob", b"\x00\xff", b"\x00\xff"),
    "nothing": ("text", "longtext", None, None),
    "json": ('text CHECK (JSON_VALID("json"))', "json", '{"a": [1, 1.5]}', '{"a":[1,1.5]}'),
}
CHANGED: dict[str, Any] = {
    "at": "2020-02-29 01:02:03",
    "price": "0.11",
    "text": "Zürich",
    "raw": b"",
    "nothing": "",
    "json": '{"a": [true, 1.5]}',
}


def test_the_comparison_names_every_value_that_differs_and_no_other(
    tmp_path: Path, server: Server
) -> None:
    source = tmp_path / "site.sqlite3"
    types = ", ".join(f'"{name}" {kind}' for name, (kind, *_) in COLUMNS.items())
    with closing(sqlite3.connect(source)) as connection:
        connection.execute(f"CREATE TABLE t (id integer PRIMARY KEY, {types})")
        marks = ", ".join("?" * len(COLUMNS))
        values = [value for _, _, value, _ in COLUMNS.values()]
        connection.execute(f"INSERT INTO t VALUES (7, {marks}), (8, {marks})", values * 2)
        connection.commit()
    with server.database() as target, closing(server.connect(target.settings["NAME"])) as there:
        types = ", ".join(f"`{name}` {kind}" for name, (_, kind, *_) in COLUMNS.items())
        cursor = there.cursor()
        cursor.execute(f"CREATE TABLE t (id bigint PRIMARY KEY, {types})")
        marks = ", ".join(["%s"] * len(COLUMNS))
        values = [value for *_, value in COLUMNS.values()]
        cursor.execute(f"INSERT INTO t VALUES (7, {marks}), (8, {marks})", values * 2)
        assert compare(source, there).equal
        for column, value in CHANGED.items():
            cursor.execute(f"UPDATE t SET `{column}` = %s WHERE id = 7", [value])
        cursor.execute("DELETE FROM t WHERE id = 8")
        cursor.execute("INSERT INTO t (id) VALUES (9)")
        cursor.execute("ALTER TABLE t DROP COLUMN share")
        found = compare(source, there)
    assert (found.differing, found.missing, found.extra) == (len(CHANGED), 1, 1)
    assert found.unmatched == ["t.share"]


def test_a_later_trial_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    versions = ("wagtail 8", "6.1")
    failed = Trial(1.0, ["FP318"], ["--fix", "a.B.c=prefix"], 2.0, 3, "error: no")
    page.add(file, page.as_json("wagtail", versions, "MySQL", failed))
    results = page.add(file, page.as_json("wagtail", versions, "MySQL", Trial(1, [], [], 2, 0, "")))
    assert [each["equal"] for each in results] == [True]
    page.render([page.as_json("wagtail", versions, "MySQL", failed)], tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| FP318 | `--fix a.B.c=prefix` | 2.0 | exit 3: all cells equal |" in text
    assert json.loads(file.read_text(encoding="utf-8")) == results


@pytest.mark.parametrize("site", [site.name for site in SITES])
def test_the_page_has_every_site(site: str) -> None:
    names = {
        "cms": "django-cms",
        "ledger": "django-ledger",
        "ca": "django-ca",
        "edx": "openedx-core",
        "fluent": "django-fluent-pages",
        "wagtail-extras": "puput",
    }
    text = (ROOT / "docs" / "sites.md").read_text(encoding="utf-8")
    assert f"{names.get(site, site)} " in text
