"""Accounts and servers with limits, as managed ones have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from fixturepipe.databases.embedded import EmbeddedServer
from tests import servers
from tests.projects import Project, write_project
from tests.servers import Server
from tests.shop import Shop


@pytest.fixture
def limited(server: Server, shop: Shop) -> Iterator[Shop]:
    """The sample shop with a target whose account may have three connections."""
    with server.database() as endpoint:
        name = str(endpoint.settings["NAME"])
        user = f"'{name}'@'%'"
        server.execute(f"CREATE USER {user} IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 3")
        server.execute(f"GRANT ALL ON `{name}`.* TO {user}")
        try:
            account = replace(server, base={**server.base, "USER": name, "PASSWORD": "x"})
            yield replace(shop, target=account.url(name))
        finally:
            server.execute(f"DROP USER {user}")


@pytest.mark.parametrize("workers", ["1", "4"])
def test_an_account_of_three_connections_is_enough(limited: Shop, workers: str) -> None:
    limited.done("run", "--workers", workers)


def test_limits_of_the_account_are_named_and_met_with_the_next_step(
    server: Server, tmp_path: Path
) -> None:
    with server.database() as endpoint:
        name = str(endpoint.settings["NAME"])
        user = f"'{name}'@'%'"
        limits = "MAX_USER_CONNECTIONS 2 MAX_UPDATES_PER_HOUR 100"
        server.execute(f"CREATE USER {user} IDENTIFIED BY 'x' WITH {limits}")
        server.execute(f"GRANT ALL ON `{name}`.* TO {user}")
        account = replace(server, base={**server.base, "USER": name, "PASSWORD": "x"})
        project = write_project(tmp_path, account.url(name), MODELS)
        project.django("migrate", "--run-syncdb", "--database", "default")
        try:
            checked = project.run("check")
            assert checked.returncode == 1
            assert "FP410 error: The account may have 2 connections" in checked.stdout
            assert "FP411 error: The account has MAX_UPDATES_PER_HOUR 100" in checked.stdout
            server.execute(f"ALTER USER {user} WITH MAX_USER_CONNECTIONS 3")
            stopped = project.run("run", "--ignore", "FP411")
            assert stopped.returncode == 3
            assert "(error 1226)" in stopped.stderr
            assert "Wait until the hour of the limit is over, or raise it" in stopped.stderr
            server.execute(f"ALTER USER {user} WITH MAX_UPDATES_PER_HOUR 0")
            project.done("run")
        finally:
            server.execute(f"DROP USER {user}")


RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX"


@pytest.fixture
def tenant(server: Server, tmp_path: Path) -> Iterator[tuple[Project, Callable[[str], object]]]:
    """A project whose target has an account of its own, and a function that grants it rights.

    The account has rights on its database only: none to see other sessions, transactions or
    settings, to make temporary tables, or to lock tables.
    """
    with server.database() as endpoint:
        name = str(endpoint.settings["NAME"])
        user = f"'{name}'@'%'"
        server.execute(f"CREATE USER {user} IDENTIFIED BY 'x'")
        account = replace(server, base={**server.base, "USER": name, "PASSWORD": "x"})
        project = write_project(tmp_path, account.url(name), MODELS)
        try:
            yield project, lambda rights: server.execute(f"GRANT {rights} ON `{name}`.* TO {user}")
        finally:
            server.execute(f"DROP USER {user}")


def test_rights_on_one_database_are_enough(
    tenant: tuple[Project, Callable[[str], object]], server: Server
) -> None:
    project, grant = tenant
    is_mariadb = "MariaDB" in str(server.execute("SELECT VERSION()"))
    grant(RIGHTS)
    project.django("migrate", "--run-syncdb")
    project.fill(ROWS)
    if not is_mariadb:
        refused = project.run("check")
        assert "FP402 error: The user lacks privileges" in refused.stdout
        assert "GRANT DROP, REFERENCES ON `test" in refused.stdout
        failed = project.run("run", "--ignore", "FP402")
        assert "REFERENCES command denied" in failed.stderr
        assert "next: Grant the user" in failed.stderr
        # Its second attempt drops what the first has made.
        grant("REFERENCES, DROP")
    checked = project.done("check")
    assert "FP322 warning: The user may not create temporary tables" in checked
    assert ("FP402 warning" in checked) == is_mariadb
    project.done("run")
    project.done("sync", "--yes")


FUSSY = [
    *("--lower-case-table-names=1", "--autocommit=0", "--wait-timeout=2", "--max-join-size=100"),
    *("--sql-mode=PAD_CHAR_TO_FULL_LENGTH", "--max-allowed-packet=16384"),
]
MODELS = """
class Brand(models.Model):
    name = models.CharField(max_length=40, unique=True)
    class Meta:
        db_table = "BRANDS"

class Item(models.Model):
    brand = models.ForeignKey(Brand, models.CASCADE)
    related = models.ManyToManyField("self")
    class Meta:
        db_table = "MyTable_Item"

class Page(models.Model):
    path = models.CharField(max_length=120, primary_key=True)
    text = models.TextField()
"""
ROWS = """
INSERT INTO BRANDS (id, name) VALUES (1, 'one'), (2, 'two');
INSERT INTO MyTable_Item (id, brand_id) VALUES (1, 1), (2, 2);
INSERT INTO MyTable_Item_related (id, from_item_id, to_item_id) VALUES (1, 1, 2), (2, 2, 1);
INSERT INTO shop_page (path, text)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
SELECT printf('%0100d', i), 'text' FROM n;
UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'MyTable_Item';
"""


@pytest.fixture
def fussy(tmp_path: Path) -> Iterator[Server]:
    """A server that ignores the case of names, and whose sessions are limited and short."""
    embedded = EmbeddedServer(tmp_path / "server", FUSSY)
    embedded.start()
    server = servers.embedded(embedded)
    server.execute("SET GLOBAL sql_select_limit = 5, GLOBAL sql_safe_updates = 1")
    yield server
    embedded.stop()


def test_a_fussy_server_takes_everything(fussy: Server, tmp_path: Path) -> None:
    with fussy.database() as endpoint:
        name = str(endpoint.settings["NAME"])
        project = write_project(tmp_path, fussy.url(name), MODELS)
        project.django("migrate", "--run-syncdb")
        project.fill(ROWS)
        project.done("run")
        assert fussy.execute(
            "SELECT AUTO_INCREMENT FROM information_schema.TABLES"
            f" WHERE TABLE_SCHEMA = '{name}' AND TABLE_NAME = 'mytable_item'"
        ) == ((5001,),)
        # The keys alone are longer than a packet.
        project.fill("DELETE FROM shop_page WHERE path < printf('%0100d', 400)")
        project.fill("UPDATE shop_page SET text = 'other'")
        project.done("sync", "--yes")
        project.done("verify")


def test_a_server_that_makes_no_tables_is_named(server: Server, tmp_path: Path) -> None:
    if "MariaDB" not in str(server.execute("SELECT VERSION()")):
        pytest.skip("MySQL has such settings for the whole server alone")
    with server.database() as endpoint:
        url = server.url(str(endpoint.settings["NAME"]))
        url += f"{'&' if '?' in url else '?'}init_command="
        url += quote("SET enforce_storage_engine = 'MyISAM', sql_mode = ''")
        project = write_project(tmp_path, url, MODELS)
        project.django("migrate", "--run-syncdb")
        refused = project.run("check")
        assert refused.returncode == 1
        assert "FP412 error: The server refuses to make a table" in refused.stdout


# Each is a session's, so that the shared servers need no other setting.
HOSTILE = (
    "SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES', sql_select_limit = 1,"
    " sql_safe_updates = 1, max_join_size = 1, autocommit = 0, wait_timeout = 2"
)


def test_hostile_settings_of_a_session_change_nothing(server: Server, tmp_path: Path) -> None:
    with server.database() as endpoint:
        hostile = HOSTILE
        if "MariaDB" not in str(server.execute("SELECT VERSION()")):
            hostile += ", sql_require_primary_key = 1"
        url = server.url(str(endpoint.settings["NAME"]))
        url += f"{'&' if '?' in url else '?'}init_command={quote(hostile)}"
        project = write_project(tmp_path, url, MODELS)
        project.django("migrate", "--run-syncdb")
        project.fill(ROWS)
        project.done("check")
        project.done("run")
