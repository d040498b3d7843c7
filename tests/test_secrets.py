"""No password is written, logged or put on a command line, wherever it was given.

Each case runs the commands of a whole migration with a password in one place, while a thread
reads the arguments of all processes. Then every file and every output is searched for it.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.cli import main
from fixturepipe.config import Project
from fixturepipe.databases.endpoints import Endpoint, Endpoints, resolve_endpoint
from tests import servers
from tests.shop import Shop

SECRET = "S3cr/t@Z?q#9"
PARTS = re.compile(rb"S3cr|t@Z|q#9|S3cr%2F|Z%3Fq", re.IGNORECASE)


@contextmanager
def watched(name: str) -> Iterator[list[bytes]]:
    """Gives the list of command lines that held a part of the secret while the block ran."""
    found: list[bytes] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.02):
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        arguments = (entry / "cmdline").read_bytes()
                    except OSError:
                        continue
                    if name.encode() in arguments and PARTS.search(arguments):
                        found.append(arguments)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        is_over.set()
        thread.join()


def searched(shop: Shop, *results: subprocess.CompletedProcess[str]) -> list[str]:
    """Where a part of the secret stands: outputs and files of the run directory."""
    where = [
        str(result.args[3:])
        for result in results
        if PARTS.search((result.stdout + result.stderr).encode())
    ]
    files = (path for path in shop.workdir.rglob("*") if path.is_file() and not path.is_socket())
    return where + [str(path) for path in files if PARTS.search(path.read_bytes())]


@pytest.fixture
def account(server: servers.Server, empty_target: Endpoint) -> Iterator[servers.Server]:
    """The server, for a user with the secret as password who owns one database."""
    user = f"u_{time.monotonic_ns() % 10**10}"
    server.execute(f"CREATE USER {user}@'%' IDENTIFIED BY '{SECRET}'")
    server.execute(f"GRANT ALL ON `{empty_target.settings['NAME']}`.* TO {user}@'%'")
    yield replace(server, base={**server.base, "USER": user, "PASSWORD": SECRET})
    server.execute(f"DROP USER {user}@'%'")


def urls(account: servers.Server, database: str) -> dict[str, str]:
    """The same database, with its password in each place of a URL that works."""
    user, secret = account.base["USER"], quote(SECRET, safe="")
    host, port = account.base["HOST"], account.base["PORT"]
    if host.startswith("/"):
        address, query = "", f"unix_socket={host}&"
    else:
        address, query = f"{host}:{port}", ""
    return {
        "userinfo": f"mysql://{user}:{secret}@{address}/{database}?{query}charset=utf8mb4",
        "passwd": f"mysql://{user}@{address}/{database}?{query}passwd={secret}",
    }


@pytest.mark.parametrize("place", ["userinfo", "passwd"])
def test_a_password_in_a_url_that_works(
    shop: Shop, account: servers.Server, empty_target: Endpoint, place: str
) -> None:
    database = str(empty_target.settings["NAME"])
    shop = replace(shop, target=urls(account, database)[place])
    with watched(str(shop.workdir)) as found:
        run = shop.run("run", "-v", "3")
        assert run.returncode == 0, run.stderr
        rest = [shop.run(*line) for line in (["status"], ["report"])]
        refused = replace(shop, target="").run("load", "-v", "3")
        assert refused.returncode == 2
        other = replace(shop, target=shop.target.replace(database, "other")).run("load", "-v", "3")
        assert other.returncode == 2
    assert not found
    assert not searched(shop, run, *rest, refused, other)


@pytest.mark.parametrize(
    "target",
    [
        f"mysql://root:{SECRET}@127.0.0.1:1/shop",
        f"mysql:/root:{SECRET}@127.0.0.1:1/shop",
        f"mysql//root:{SECRET}@127.0.0.1:1/shop",
        f"root:{SECRET}@127.0.0.1:1/shop",
        f"mysql://root@127.0.0.1:1/shop?passwd={SECRET}",
        f"mysql://root@127.0.0.1:1/shop?password={quote(SECRET, safe='')}&color=blue",
        f"mysqlx://root:{quote(SECRET, safe='')}@127.0.0.1:1/shop",
        f"mysql://root:{quote(SECRET, safe='')}@127.0.0.1:notaport/shop",
        f"mysql://root:{quote(SECRET, safe='')}@127.0.0.1:1/",
    ],
)
def test_a_password_in_a_url_that_does_not(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--source", "--target"):
        arguments = ["check", option, target, "--workdir", str(tmp_path / "run"), "-v", "3"]
        assert main(arguments) == 2
    # Django's own close() keeps a database in memory, such as the source of the tests' settings.
    for connection in connections.all(initialized_only=True):
        BaseDatabaseWrapper.close(connection)
    said = "".join(capsys.readouterr())
    assert "error: " in said
    assert not PARTS.search(said.encode())


SETTINGS = """
from bookshop.settings import *
import dj_database_url

DATABASES["target"] = {{
    "ENGINE": "django.db.backends.mysql",
    "NAME": {name!r},
    "USER": {user!r},
    "HOST": {host!r},
    "PORT": {port!r},
    **{more!r},
}}
"""


@pytest.mark.parametrize("place", ["PASSWORD", "passwd", "read_default_file", "ssl"])
def test_a_password_in_databases(
    shop: Shop, account: servers.Server, empty_target: Endpoint, tmp_path: Path, place: str
) -> None:
    (tmp_path / "my.cnf").write_text(f'[client]\npassword="{SECRET}"\n')
    more = {
        "PASSWORD": {"PASSWORD": SECRET},
        "read_default_file": {"OPTIONS": {"read_default_file": str(tmp_path / "my.cnf")}},
        "ssl": {"OPTIONS": {"ssl": {"key": SECRET}}},
    }.get(place, {"OPTIONS": {place: SECRET}})
    base = account.base
    where = {"name": empty_target.settings["NAME"], "user": base["USER"]}
    where |= {"host": base["HOST"], "port": str(base["PORT"])}
    (tmp_path / "secret_settings.py").write_text(SETTINGS.format(**where, more=more))
    shop = replace(shop, settings="secret_settings")
    environment = {"PYTHONPATH": str(tmp_path)}
    with watched(str(shop.workdir)) as found:
        done = [
            shop.run(*line, "-v", "3", **environment)
            for line in (["dump", "sites"], ["load"], ["report"])
        ]
    if place != "ssl":
        assert done[1].returncode == 0, done[1].stderr
    assert not found
    assert not searched(shop, *done)


def test_objects_that_a_debugger_shows_hide_it() -> None:
    url = f"mysql://root:{quote(SECRET, safe='')}@127.0.0.1:3306/shop"
    endpoint = resolve_endpoint(url)
    project = Project(source=url, target=url)
    for shown in (project, endpoint, Endpoints("default", endpoint, endpoint)):
        assert not PARTS.search(repr(shown).encode())
