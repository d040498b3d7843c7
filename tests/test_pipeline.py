"""The main job, end to end, on the sample shop and real servers, as a user runs it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import MySQLdb
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
    loaded = shop_target.run("load")
    assert "catalog.product_tags" in loaded.stdout
    assert re.search(r"^migrate +[1-9]\d migrations in", loaded.stderr, flags=re.MULTILINE)
    assert "nothing differs" in shop_target.done("verify")


def test_what_was_verified_is_not_so_any_more_once_chunks_are_others(shop: Shop) -> None:
    shop.done("run")
    (shop.workdir / "load.json").unlink()
    shop.done("arrange", "--chunk-objects", "100")
    assert shop.json("status")["verified"] is None


def test_a_finished_run_keeps_its_dumps_and_chunks_which_a_sync_needs(shop: Shop) -> None:
    shop.done("run")
    for command in ("dump", "arrange"):
        shop.done(command)
    for others in (("dump", "--natural-keys", "none"), ("arrange", "--chunk-objects", "100")):
        refused = shop.run(*others)
        assert refused.returncode == 2
        assert "This run is finished" in refused.stderr
        assert "fixturepipe" in refused.stderr
    assert "nothing differs" in shop.done("sync")


def test_what_was_verified_is_not_so_any_more_once_more_is_loaded(shop: Shop) -> None:
    shop.done("run")
    assert shop.json("load")["chunks"] == 0
    assert shop.json("status")["verified"] is True
    shop.done("server", "start")
    try:
        shop.done("load", "--only", "1", "--changed", "--dry-run")
        assert shop.json("status")["verified"] is True
        chunk = next((shop.workdir / "2-chunks").glob("0001-*.json"))
        chunk.write_text(chunk.read_text() + "\n")
        shop.done("load", "--changed")
    finally:
        shop.done("server", "stop")
    state = shop.json("status")
    assert (state["verified"], state["next"]) == (None, "verify")


def test_without_a_target_there_is_the_embedded_server(shop: Shop) -> None:
    shop.done("run")
    assert "is not running" in shop.done("server", "status")
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
    shop_target.done("arrange", "--chunk-objects", "4")
    chunks = shop_target.json("status")["chunks"]
    loaded = []
    for wanted in (3, 60, 150):
        process = shop_target.start("load", "--workers", "1")
        wait_for_chunks(shop_target, wanted)
        kill(process)
        loaded.append(chunks_in(shop_target))
    assert 0 < loaded[0] <= loaded[1] <= loaded[2] < chunks
    again = shop_target.json("load")
    assert again["present"] == loaded[2]
    assert again["chunks"] == chunks - loaded[2]
    assert "nothing differs" in shop_target.done("verify")


def chunks_in(shop: Shop) -> int:
    """The chunks that the target's ledger holds, 0 where there is none yet."""
    try:
        ((count,),) = shop.execute("SELECT COUNT(*) FROM fixturepipe_ledger")
    except MySQLdb.ProgrammingError:
        return 0
    return int(count)


def wait_for_chunks(shop: Shop, wanted: int) -> None:
    """Wait until so many chunks are in the target."""
    deadline = time.monotonic() + 60
    while chunks_in(shop) < wanted:
        if time.monotonic() > deadline:
            pytest.fail("the load makes no progress")
        time.sleep(0.002)


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


def test_a_source_that_changed_since_its_dump_is_named(shop_target: Shop, tmp_path: Path) -> None:
    copy = Path(shutil.copy(shop_target.database, tmp_path / "copy.sqlite3"))
    shop = replace(shop_target, database=copy)
    shop.done("dump")
    assert "has changed" not in shop.run("load").stderr
    connection = sqlite3.connect(copy)
    connection.execute("UPDATE django_site SET name = 'Renamed' WHERE id = 1")
    connection.commit()
    connection.close()
    result = shop.run("verify")
    assert result.returncode == 1
    assert "The source has changed since its dump" in result.stderr
    assert "'Renamed'" in result.stdout


def test_load_needs_no_source(shop_target: Shop, tmp_path: Path) -> None:
    copy = Path(shutil.copy(shop_target.database, tmp_path / "copy.sqlite3"))
    shop = replace(shop_target, database=copy)
    shop.done("dump")
    copy.unlink()
    shop.done("load")
    assert not copy.exists()
    assert "nothing differs" in shop_target.done("verify")


def test_verify_keeps_to_what_was_dumped(shop_target: Shop) -> None:
    shop_target.done("dump", "sites")
    shop_target.done("load")
    assert "verify: 2 rows of 1 table are equal" in shop_target.done("verify")


def test_check_estimates_what_the_run_takes(shop_target: Shop) -> None:
    estimate = json.loads(shop_target.run("check", "--json").stdout)["estimate"]
    shop_target.done("dump")
    shop_target.done("arrange")
    taken = sum(
        file.stat().st_size
        for folder in ("1-dump", "2-chunks")
        for file in (shop_target.workdir / folder).glob("*.json")
    )
    assert taken / 2 < estimate["bytes"] < taken * 2
    assert estimate["seconds"] > 0
    assert "MB in the run directory" in shop_target.run("check").stdout
