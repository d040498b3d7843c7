"""A PostgreSQL for the tests of it as a source: a private one where it is installed.

FIXTUREPIPE_TEST_POSTGRESQL names another instead: postgresql://user:password@127.0.0.1:5432/
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg

from fixturepipe.databases.endpoints import Endpoint, resolve_endpoint

VARIABLE = "FIXTUREPIPE_TEST_POSTGRESQL"
# Speed only: nothing here has to survive a crash.
_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB"


class PostgreSQL:
    """A running server; `url` names it without a database."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def url(self, database: str) -> str:
        """A database of it as --source takes it."""
        return self._url._replace(path=f"/{database}").geturl()

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[Endpoint]:
        """A database of its own, empty or like another one, dropped at the end."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield resolve_endpoint(self.url(name))
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement, past Django."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)


def binaries() -> Path | None:
    """Where `initdb` and `pg_ctl` are, if they are installed."""
    found = shutil.which("initdb")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    for path in [*([Path(found)] if found else []), *reversed(versions)]:
        if path.with_name("pg_ctl").exists():
            return path.resolve().parent
    return None


@contextmanager
def private_server(installed: Path) -> Iterator[PostgreSQL]:
    """A server of its own with a Unix socket only, gone with the block.

    PostgreSQL refuses to run as root: then it runs as a user without rights.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as made:
        directory, user = Path(made), None
        if os.geteuid() == 0:
            user = _unprivileged()
            shutil.chown(directory, user)
        data, socket = directory / "data", quote(made, safe="")

        def run(*command: object) -> None:
            subprocess.run(
                list(map(str, command)),
                check=True,
                user=user,
                group=None if user is None else pwd.getpwnam(user).pw_gid,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

        run(installed / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")
        options = f"{_FAST} -c listen_addresses='' -c unix_socket_directories={made}"
        log = directory / "log"
        run(installed / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            yield PostgreSQL(f"postgresql://postgres@{socket}/")
        finally:
            run(installed / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise LookupError("no user is there that PostgreSQL could run as")
