"""check asks an empty target for its verdict on each table, before one is made."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import django
import pytest

from tests import servers
from tests.shop import ROOT, Shop

PROJECT = ROOT / "tests" / "projects" / "refused"

# On every server: id, model, field.
REFUSED = {
    ("FP317", "pages.longcolumn", "text"),
    ("FP317", "pages.longtable", ""),
    ("FP317", "pages.textkey", "key"),
    ("FP317", "pages.unknowncollation", "name"),
    ("FP317", "pages.widerow", ""),
    ("FP318", "pages.longindex", "a, b"),
    ("FP318", "pages.manyindexes", "f63"),
    ("FP319", "pages.longname", "number"),
}
REFUSED_BY_MYSQL = {
    ("FP318", "pages.longindex", "title"),
    ("FP319", "pages.longunique", "a, b"),
    ("FP319", "pages.longunique", "slug"),
    ("FP319", "pages.longunique", "text"),
}


def project(app: str, directory: Path) -> Shop:
    """A project of one app over a source without rows."""
    made = Shop(directory / "source.sqlite3", directory / "run", "", "project", PROJECT)
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--run-syncdb", "-v0"],
        env=made.environment
        | {
            "PYTHONPATH": str(PROJECT),
            "DJANGO_SETTINGS_MODULE": "project",
            "PROJECT_APP": app,
        },
        check=True,
    )
    return made


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return project("pages", tmp_path_factory.mktemp("pages"))


@pytest.fixture
def empty(server: servers.Server, pages: Shop, tmp_path: Path) -> Iterator[Shop]:
    with server.database() as endpoint:
        url = server.url(str(endpoint.settings["NAME"]))
        yield Shop(pages.database, tmp_path / "run", url, "project", PROJECT)


def findings(shop: Shop, *arguments: str) -> list[dict[str, Any]]:
    checked = shop.run("check", "--json", *arguments, PROJECT_APP="pages")
    assert checked.returncode == 1, checked.stderr
    return [f for f in json.loads(checked.stdout)["findings"] if "FP317" <= f["id"] <= "FP319"]


def is_mysql(shop: Shop) -> bool:
    ((version,),) = shop.execute("SELECT version()")
    return "MariaDB" not in version


def test_what_the_server_refuses_is_named_before_anything_is_made(empty: Shop) -> None:
    found = findings(empty)
    expected = REFUSED | (REFUSED_BY_MYSQL if is_mysql(empty) else set())
    assert {(f["id"], f["model"], f["field"]) for f in found} == expected
    assert len(found) == len(expected)
    (collation,) = [f for f in found if f["model"] == "pages.unknowncollation"]
    assert "Unknown collation: 'NOCASE' (1273)" in collation["consequence"]
    assert empty.execute("SHOW TABLES") == ()


def test_a_declared_fix_is_tried_too(empty: Shop) -> None:
    fixes = [
        *("--fix", "pages.LongIndex.title=prefix"),
        *("--fix", "pages.LongIndex.b=prefix"),
        *("--fix", "pages.LongUnique=drop-index"),
        *("--fix", "FP319:pages.LongName.number=drop-index"),
    ]
    fixed = {(f["model"], f["field"]): f["fixed_by"] for f in findings(empty, *fixes)}
    assert fixed["pages.longname", "number"] == "drop-index"
    assert fixed["pages.widerow", ""] == ""
    if is_mysql(empty):
        assert fixed["pages.longindex", "title"] == "prefix"
        assert fixed["pages.longindex", "a, b"] == "prefix"
        assert fixed["pages.longunique", "slug"] == "drop-index"


def test_a_rehearsal_names_what_only_mysql_refuses(pages: Shop) -> None:
    checked = pages.run("check", "--json", "--target", "embedded", PROJECT_APP="pages")
    found = json.loads(checked.stdout)["findings"]
    warned = {(f["model"], f["field"]) for f in found if f["id"] == "FP320"}
    assert {(model, field) for _, model, field in REFUSED_BY_MYSQL} <= warned


@pytest.fixture
def long_indexes(server: servers.Server, tmp_path: Path) -> Iterator[Shop]:
    with server.database() as endpoint:
        made = project("longindexes", tmp_path)
        url = server.url(str(endpoint.settings["NAME"]))
        yield Shop(made.database, tmp_path / "run", url, "project", PROJECT)


FIXES = (
    *("--fix", "longindexes.Page.title=prefix"),
    *("--fix", "longindexes.Page=drop-index"),
)


@pytest.mark.parametrize("schema", ["migrate", "models"])
def test_run_makes_the_tables_as_declared(long_indexes: Shop, schema: str) -> None:
    shop, app = long_indexes, {"PROJECT_APP": "longindexes"}
    with closing(sqlite3.connect(shop.database)) as source, source:
        source.execute(
            "INSERT INTO longindexes_page (slug, title, text, short) VALUES ('a','b','c','d')"
        )
    if is_mysql(shop):
        assert shop.run("run", "--schema", schema, **app).returncode == 1
        assert shop.execute("SHOW TABLES") == ()
    output = shop.done("run", "--schema", schema, *FIXES, **app)
    assert "nothing differs" in output
    indexes = {(row[2], row[7]) for row in shop.execute("SHOW INDEX FROM longindexes_page")}
    lengths = [length for name, length in indexes if name.startswith("longindexes_page_title")]
    changes = json.loads((shop.workdir / "manifest.json").read_text())["schema_changes"]
    if is_mysql(shop):
        assert lengths == [768]
        assert {(c["fields"][0], c["fix"]) for c in changes} == {
            ("title", "prefix"),
            ("slug", "drop-index"),
            ("text", "drop-index"),
        }
        assert output.count("FP502 warning") == 2
        shop.done("report", **app)
        report = (shop.workdir / "report.html").read_text()
        assert "migrations.AlterField(&quot;page&quot;, &quot;slug&quot;" in report
    else:
        assert changes == []


def test_what_the_target_does_not_create_is_named_once_each(empty: Shop) -> None:
    checked = empty.run("check", "--json", PROJECT_APP="pages")
    found = [f for f in json.loads(checked.stdout)["findings"] if f["model"] == "pages.partial"]
    assert [(f["id"], f["level"], f["field"]) for f in found] == [
        ("FP323", "error", "share"),
        ("FP326", "warning", "name"),
        ("FP312", "warning", "day"),
    ]
    assert "pages_current, because it has a condition" in found[1]["consequence"]
    assert "index pages_some" in found[2]["consequence"]


def test_what_django_cannot_write_or_query_there_is_named(empty: Shop) -> None:
    checked = empty.run("check", "--json", PROJECT_APP="pages")
    listed = json.loads(checked.stdout)["findings"]
    found = {f["id"]: f for f in listed if f["field"] == ""}
    assert found["FP323"]["model"] == "pages.rate"
    assert "The table's name has a %" in found["FP323"]["consequence"]
    assert ("FP323", "pages.tick") in [(f["id"], f["model"]) for f in listed]
    if django.VERSION >= (5, 2):  # 4.2 writes the comment
        assert found["FP328"]["model"] == "pages.commented"


def test_settings_that_put_another_driver_in_mysqlclients_name_are_no_matter(
    empty: Shop, tmp_path: Path
) -> None:
    (tmp_path / "standin.py").write_text(
        "import sys, types\n"
        "sys.modules['MySQLdb'] = types.ModuleType('pymysql')  # as install_as_MySQLdb() does\n"
        "from project import *\n"
    )
    shop = replace(empty, settings="standin", pythonpath=tmp_path)
    checked = shop.run("check", "--json", PROJECT_APP="pages", PYTHONPATH=str(PROJECT))
    assert checked.returncode == 1, checked.stderr
    assert "FP406" not in {f["id"] for f in json.loads(checked.stdout)["findings"]}
