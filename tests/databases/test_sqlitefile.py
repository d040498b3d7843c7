"""A source file that is damaged, or locked by another process."""

import sqlite3
import threading
import time
from contextlib import closing

import pytest

from fixturepipe.databases.endpoints import resolve_endpoint
from fixturepipe.databases.sqlitefile import readable
from fixturepipe.errors import ConfigurationError
from tests.shop import Shop


def page_of(file, table):
    """The number of a page in the middle of a table, and the size of a page."""
    connection = sqlite3.connect(file)
    query = "SELECT pageno, pgsize FROM dbstat WHERE name = ? AND pagetype = 'leaf'"
    pages = connection.execute(query, [table]).fetchall()
    connection.close()
    return pages[len(pages) // 2]


@pytest.fixture
def damaged(shop_target: Shop, tmp_path) -> Shop:
    """The sample shop with a page of one table overwritten."""
    file = tmp_path / "damaged.sqlite3"
    file.write_bytes(shop_target.database.read_bytes())
    number, size = page_of(file, "catalog_product")
    with file.open("r+b") as pages:
        pages.seek((number - 1) * size)
        pages.write(b"\xff" * size)
    return Shop(file, tmp_path / "run", shop_target.target)


@pytest.mark.parametrize("command", ["check", "dump", "run"])
def test_a_damaged_page_is_named_with_its_table_and_the_way_out(damaged: Shop, command):
    result = damaged.run(command)
    assert result.returncode == 1
    assert "is damaged in the table: catalog_product" in result.stderr
    assert f"`sqlite3 {damaged.database} .recover | sqlite3 " in result.stderr
    assert "a fault of fixturepipe" not in result.stderr


def hold(file, seconds):
    """Keep the file locked by a writer for so long, in another thread."""
    held = threading.Event()

    def write():
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        held.set()
        time.sleep(seconds)
        connection.execute("COMMIT")
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    held.wait()
    return thread


def test_a_lock_is_waited_for_from_the_first_look_on(shop: Shop, tmp_path):
    file = tmp_path / "locked.sqlite3"
    file.write_bytes(shop.database.read_bytes())
    writer = hold(file, 7)
    Shop(file, tmp_path / "run").done("dump")
    writer.join()


def test_a_lock_that_stays_is_an_error_with_the_next_step(shop: Shop, tmp_path):
    file = tmp_path / "locked.sqlite3"
    file.write_bytes(shop.database.read_bytes())
    writer = hold(file, 2)
    with (
        pytest.raises(ConfigurationError, match=r"kept the source .* locked") as refused,
        readable(resolve_endpoint(f"sqlite:///{file}")),
        closing(sqlite3.connect(file, timeout=0.1)) as reader,
    ):
        reader.execute("SELECT * FROM catalog_product")
    assert "End the process" in refused.value.hint
    writer.join()
