"""The report of a run."""

from __future__ import annotations

import json
import re

from fixturepipe.artifacts.manifest import read_manifest, write_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from tests.shop import Shop


def test_the_page_needs_no_other_file_and_has_the_counts(shop: Shop) -> None:
    shop.done("dump")
    shop.done("arrange")
    shop.done("report")
    page = (shop.workdir / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)\s*=|@import|url\(", page)
    data = json.loads((shop.workdir / "report.json").read_bytes())
    for model in data["state"]["models"]:
        assert f"<td>{model['label']}</td><td class=n>{model['dumped']:,}</td>" in page
    assert len(data["chunks"]) == data["state"]["chunks"]


def test_it_names_the_fields_that_stock_loaddata_would_change_and_so_does_inspect(
    shop: Shop,
) -> None:
    shop.done("dump")
    shop.done("arrange")
    assert "Stock loaddata" not in shop.done("inspect")
    directory = RunDirectory(shop.workdir)
    manifest = read_manifest(directory)
    manifest.stored = {"catalog.product": {"name": "altered", "slug": "same"}}
    write_manifest(directory, manifest)
    shop.done("report")
    page = (shop.workdir / "report.html").read_text(encoding="utf-8")
    assert "<td>catalog.product</td><td>name</td>" in page
    assert "<td>slug</td>" not in page
    assert "would change or refuse values of catalog.product.name." in shop.done("inspect")


def test_it_names_the_differences_and_escapes_them(shop_target: Shop) -> None:
    shop_target.done("dump", "sites")
    shop_target.done("load")
    shop_target.execute("UPDATE django_site SET name = '<script>' WHERE id = 1")
    assert shop_target.run("verify").returncode == 1
    shop_target.done("report")
    page = (shop_target.workdir / "report.html").read_text(encoding="utf-8")
    assert "Source and target differ." in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
