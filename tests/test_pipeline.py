"""The main job, end to end, on the sample shop and real servers, as a user runs it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.shop import ROOT, Shop, kill


def rows_of(path: Path) -> int:
    """The rows of all tables, but for Django's record of migrations."""
    connection = sqlite3.connect(path)
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "AND name <> 'django_migrations'"
    ).fetchall()
    total = sum(
        connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names
    )
    connection.close()
    return int(total)


def test_run_moves_everything_and_proves_it(shop_target: Shop) -> None:
    result = shop_target.json("run")
    assert result["dump"]["objects"] == rows_of(shop_target.database)
    state = shop_target.json("status")
    for model in state["models"]:
        assert model["dumped"] == model["arranged"] == model["loaded"] == model["verified"], model
    assert state["next"] == ""


def test_dump_and_load_then_verify(shop_target: Shop) -> None:
    shop_target.done("dump")
    output = shop_target.done("load")
    assert "catalog.product_tags" in output
    assert "nothing differs" in shop_target.done("verify")


def test_without_a_target_there_is_the_embedded_server(shop: Shop) -> None:
    shop.done("run")
    assert "does not run" in shop.done("server", "status")
    assert (shop.workdir / "server").stat().st_mode & 0o777 == 0o700


def test_files_and_directories_are_private(shop: Shop) -> None:
    shop.done("dump")
    shop.done("arrange")
    modes = {path.stat().st_mode & 0o777 for path in shop.workdir.rglob("*") if path.is_file()}
    assert modes == {0o600}
    directories = {path.stat().st_mode & 0o777 for path in shop.workdir.rglob("*") if path.is_dir()}
    assert directories == {0o700}


def test_the_source_is_only_read(shop_target: Shop, tmp_path: Path) -> None:
    copy = Path(shutil.copy(shop_target.database, tmp_path / "copy.sqlite3"))
    before = copy.read_bytes()
    replace(shop_target, database=copy).done("run")
    assert copy.read_bytes() == before


def test_chunks_load_one_by_one_with_stock_loaddata(shop_target: Shop) -> None:
    shop_target.done("dump")
    shop_target.done("arrange", "--chunk-objects", "100")
    target = {
        "BOOKSHOP_TARGET": shop_target.target,
        "DJANGO_SETTINGS_MODULE": "tests.bookshop_target",
        "PYTHONPATH": str(ROOT),
    }
    assert shop_target.manage("migrate", **target).returncode == 0
    for chunk in sorted((shop_target.workdir / "2-chunks").glob("*.json")):
        loaded = shop_target.manage("loaddata", chunk, **target)
        assert loaded.returncode == 0, f"{chunk.name}: {loaded.stderr}"
    assert "nothing differs" in shop_target.done("verify")


def test_a_killed_load_goes_on_and_loads_everything_once(shop_target: Shop) -> None:
    shop_target.done("dump")
    shop_target.done("arrange", "--chunk-objects", "40")
    chunks = shop_target.json("status")["chunks"]
    seen = []
    for _ in range(100):
        process = shop_target.start("load", "--workers", "1")
        wait_for_progress(shop_target, seen[-1] if seen else 0)
        kill(process)
        seen.append(shop_target.json("status")["loaded_chunks"])
        if seen[-1] == chunks:
            break
        if len(seen) == 3:
            break
    assert 0 < seen[0] < chunks
    shop_target.done("load")
    assert "nothing differs" in shop_target.done("verify")


def wait_for_progress(shop: Shop, before: int) -> None:
    """Wait until a load has put a few chunks more into the target than `before`."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            loaded = json.loads((shop.workdir / "load.json").read_bytes())["loaded"]
        except (OSError, ValueError):
            loaded = []
        if sum(last - first + 1 for first, last in loaded) >= before + 3:
            return
        time.sleep(0.005)
    pytest.fail("the load makes no progress")


def test_load_a_second_time_does_nothing(shop_target: Shop) -> None:
    shop_target.done("dump")
    shop_target.done("load")
    again = shop_target.json("load")
    assert again["chunks"] == 0
    assert again["objects"] == 0


def test_a_new_dump_is_arranged_again_by_load(shop_target: Shop, tmp_path: Path) -> None:
    copy = Path(shutil.copy(shop_target.database, tmp_path / "copy.sqlite3"))
    shop = replace(shop_target, database=copy)
    shop.done("dump")
    shop.done("arrange")
    connection = sqlite3.connect(copy)
    connection.execute("INSERT INTO django_site (domain, name) VALUES ('new.example', 'New')")
    connection.commit()
    connection.close()
    shop.done("dump")
    shop.done("load")
    assert "nothing differs" in shop.done("verify")
