"""The report of a run, as a page and as JSON."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from fixturepipe.artifacts.jsonfile import write_json
from fixturepipe.artifacts.loadstatus import NAME as LOAD_STATUS
from fixturepipe.artifacts.loadstatus import read_load_status
from fixturepipe.artifacts.manifest import read_manifest, write_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.report import write_report
from fixturepipe.report.data import Report
from tests.largerun import HOSTILE, SECRET, LargeRun
from tests.shop import Shop


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of 200 models with everything that can be said of one."""
    return LargeRun().write(tmp_path_factory.mktemp("large") / "run")


def page_in(directory: RunDirectory) -> str:
    return (directory.path / "report.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """The names of a page's elements, those of their attributes, and what it refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids |= {value or "" for name, value in attrs if name == "id"}
        self.links |= {value or "" for name, value in attrs if name in ("src", "href", "action")}


def test_the_report_of_a_shop_that_is_moved_says_so_and_names_its_programs(
    shop_target: Shop,
) -> None:
    shop_target.done("run", "--no-progress")
    shop_target.done("report")
    report = json.loads((shop_target.workdir / "report.json").read_bytes())
    assert report["verdict"]["outcome"] == "equal"
    totals = report["totals"]
    assert totals["source"] == totals["dumped"] == totals["loaded"] == totals["verified"] > 0
    assert [stage["name"] for stage in report["stages"]][-4:] == [
        *("dump", "arrange", "load", "verify")
    ]
    assert report["run"]["source"]["program"].startswith("SQLite 3.")
    assert re.match(r"(MySQL|MariaDB) \d+\.\d+\.\d+", report["run"]["target"]["program"])
    assert set(report["run"]["programs"]) == {"fixturepipe", "Python", "Django"}
    assert (
        sum(worker["chunks"] for worker in report["timeline"]["workers"])
        == (report["chunks"]["count"])
    )
    verify = next(c["line"] for c in report["commands"] if c["line"].endswith(" verify"))
    assert "--workdir" in verify
    shop_target.execute("UPDATE django_site SET name = '<b>bad</b>' WHERE id = 1")
    assert shop_target.run("verify").returncode == 1
    different = shop_target.json("report", "--values")
    assert different["verdict"]["sentence"].startswith("Source and target differ: 1 row in 1 of")
    assert different["differences"][0]["target"] == "<b>bad</b>"
    page = (shop_target.workdir / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;bad&lt;/b&gt;" in page
    assert "<b>bad</b>" not in page


def test_each_dumped_object_of_an_unfinished_run_is_arranged_or_rejected(
    shop: Shop, tmp_path: Path
) -> None:
    shop = replace(shop, database=Path(shutil.copy(shop.database, tmp_path / "own.sqlite3")))
    with closing(sqlite3.connect(shop.database)) as source, source:
        source.execute("UPDATE reviews_review SET author_id = 999999 WHERE id IN (5, 6)")
    shop.done("dump", "reviews", "accounts", "auth", "contenttypes")
    shop.run("arrange", "--on-orphan", "reject")
    report = shop.json("report")
    totals = report["totals"]
    assert totals["rejected"] >= 2
    assert totals["dumped"] == totals["arranged"] + totals["rejected"]
    assert sum(each["count"] for each in report["rejects"]) == totals["rejected"]
    assert report["verdict"]["outcome"] == "unfinished"
    assert report["verdict"]["next"].endswith(" load")
    assert report["timeline"] is None


def test_the_page_asks_for_no_other_file(large: RunDirectory) -> None:
    write_report(large)
    page = page_in(large)
    tags = Tags(page)
    assert {link for link in tags.links if not link.startswith("#")} == {"data:,"}
    assert {link[1:] for link in tags.links if link.startswith("#")} <= tags.ids
    assert set(re.findall(r"url\((.*?)\)", page)) == {"#head"}
    assert "default-src 'none'" in page


@pytest.mark.parametrize("values", [False, True])
def test_text_from_names_errors_and_values_is_never_markup(
    large: RunDirectory, values: bool
) -> None:
    write_report(large, values=values)
    page = page_in(large)
    assert HOSTILE not in page
    assert page.count("<script") == 1
    tags = Tags(page)
    assert "img" not in tags.names
    assert not {name for name in tags.attributes if name.startswith("on")}


def test_values_and_text_keys_are_there_only_on_request(large: RunDirectory) -> None:
    for values in (False, True):
        write_report(large, values=values)
        for name in ("report.html", "report.json"):
            content = (large.path / name).read_text(encoding="utf-8")
            assert (SECRET in content) is values, name


def test_differing_models_come_first_and_are_marked_with_more_than_colour(
    large: RunDirectory,
) -> None:
    write_report(large)
    rows = re.findall(r"<tr class=\"(\w+)\"><th scope=\"row\">.*?</tr>", page_in(large))
    assert rows[:5] == ["bad", "bad", "warn", "warn", "warn"]
    assert "✕</i> differs" in page_in(large)


def test_what_arrange_left_out_counts_as_rejected_and_what_it_set_to_null_as_changed(
    tmp_path: Path,
) -> None:
    report = write_report(LargeRun(models=100, differs=False).write(tmp_path / "run"))
    assert report.verdict.outcome == "excepted"
    assert (report.totals.rejected, report.totals.changed) == (14 + 2, 3)
    touched = [model for model in report.models if model.rejected or model.changed]
    assert [(model.status, model.rejected, model.changed) for model in touched] == [
        *[("excepted", 7, 0)] * 2,
        ("excepted", 2, 0),
        ("excepted", 0, 3),
    ]
    reasons = {each.reason: each.count for each in report.rejects}
    assert reasons["owner refers to auth.user …, which does not exist; set to null"] == 3
    remarks = [remark.text for remark in report.verdict.remarks]
    assert "Rejected, and kept in rejects/: 16 rows." in remarks
    assert "Loaded with a reference set to null: 3 rows." in remarks


def test_the_page_of_500_models_and_10_000_chunks_is_under_a_megabyte(tmp_path: Path) -> None:
    directory = LargeRun(models=500, chunks=10_000, workers=16).write(tmp_path / "run")
    report = write_report(directory)
    assert report.timeline is not None
    assert sum(worker.chunks for worker in report.timeline.workers) == 10_000
    assert (directory.path / "report.html").stat().st_size < 1_000_000


def test_the_json_is_what_its_schema_says(large: RunDirectory) -> None:
    report = write_report(large)
    content = (large.path / "report.json").read_bytes()
    assert msgspec.json.decode(content, type=Report) == report
    schema = msgspec.json.schema(Report)
    assert "version" in schema["$defs"]["Report"]["properties"]


def test_an_error_that_stopped_the_load_is_shown_without_the_value(
    large: RunDirectory, tmp_path: Path
) -> None:
    directory = LargeRun(models=100, chunks=20).write(tmp_path / "run")
    status = read_load_status(directory, read_manifest(directory).run)
    assert status is not None
    stopped = {
        "error": f"shop.tag pk 3: Duplicate entry '{SECRET}' for key 'tag.name'",
        "failed": 7,
    }
    changed = msgspec.structs.replace(status, loaded=((1, 6),), finished=False, **stopped)
    write_json(directory.path / LOAD_STATUS, changed)
    verdict = write_report(directory).verdict
    assert verdict.outcome == "stopped"
    assert verdict.sentence == "The load stopped: 6 of 20 chunks are loaded."
    assert verdict.error == "shop.tag pk 3: Duplicate entry '…' for key 'tag.name'"
    assert verdict.next == "fixturepipe load"


def test_inspect_names_the_fields_that_stock_loaddata_would_change_and_so_does_the_report(
    shop: Shop,
) -> None:
    shop.done("dump")
    shop.done("arrange")
    assert "Stock loaddata" not in shop.done("inspect")
    directory = RunDirectory(shop.workdir)
    manifest = read_manifest(directory)
    manifest.stored = {"catalog.product": {"name": "altered", "slug": "same"}}
    write_manifest(directory, manifest)
    assert shop.json("report")["stored"] == [
        {"model": "catalog.product", "field": "name", "altered": True},
        {"model": "catalog.product", "field": "slug", "altered": False},
    ]
    assert "would change or refuse values of catalog.product.name." in shop.done("inspect")
