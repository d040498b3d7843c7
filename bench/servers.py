"""The servers of a measurement, and fresh migrated databases on them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import MySQLdb

from bench.measuring import Step, measured

# The tables that `migrate` fills and a move expects to be filled. All other rows are removed from
# the template, so that the same empty target suits all contestants.
MADE_BY_MIGRATE = ("django_content_type", "auth_permission")
KEPT = ("django_migrations", *MADE_BY_MIGRATE)


@dataclass(frozen=True)
class Server:
    """A running server: its product and version, and how to reach it.

    `where` is a Unix socket's path, or host and port.
    """

    label: str
    user: str
    password: str
    where: str | tuple[str, int]

    def connect(self, database: str = "", *, local_infile: bool = False) -> MySQLdb.Connection:
        """A connection in autocommit."""
        place: dict[str, Any] = {"unix_socket": self.where}
        if isinstance(self.where, tuple):
            place = {"host": self.where[0], "port": self.where[1]}
        return MySQLdb.connect(
            user=self.user,
            password=self.password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            local_infile=local_infile,
            **place,
        )

    def execute(self, *statements: str) -> tuple[tuple[Any, ...], ...]:
        """Run statements on one connection; return the rows of the last."""
        with open_connection(self) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return tuple(cursor.fetchall())

    def url(self, database: str) -> str:
        """One of its databases, as --target takes it."""
        credentials = f"{self.user}:{self.password}" if self.password else self.user
        if isinstance(self.where, str):
            return f"mysql://{credentials}@/{database}?unix_socket={self.where}"
        host, port = self.where
        return f"mysql://{credentials}@{host}:{port}/{database}"

    @contextmanager
    def database(self, template: str = "") -> Iterator[Database]:
        """A database of its own, a copy of `template` if named; dropped at the end."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        try:
            if template:
                self._copy(template, name)
            yield Database(self, name)
        finally:
            self.execute(f"DROP DATABASE IF EXISTS `{name}`")

    @contextmanager
    def migrated(self, manage: tuple[str, ...], place: Path) -> Iterator[str]:
        """The name of a database with the project's tables, the template of others."""
        with self.database() as database:
            step = Step("migrate", (*manage, "migrate", "-v", "0"), database.environment)
            measured(step, place)
            tables = [table for (table,) in self.execute(f"SHOW TABLES FROM `{database.name}`")]
            emptied = [f"`{database.name}`.`{each}`" for each in tables if each not in KEPT]
            self.execute(
                "SET foreign_key_checks = 0", *(f"TRUNCATE TABLE {each}" for each in emptied)
            )
            yield database.name

    def _copy(self, template: str, name: str) -> None:
        with open_connection(self, template) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW TABLES")
            tables = [table for (table,) in cursor.fetchall()]
            made = []
            for table in tables:
                cursor.execute(f"SHOW CREATE TABLE `{table}`")
                made.append(cursor.fetchone()[1])
            cursor.execute("SET foreign_key_checks = 0")
            cursor.execute(f"USE `{name}`")
            for statement in made:
                cursor.execute(statement)
            for table in set(KEPT) & set(tables):
                cursor.execute(f"INSERT INTO `{table}` SELECT * FROM `{template}`.`{table}`")

    @contextmanager
    def local_infile(self) -> Iterator[None]:
        """While in the block, clients may send files. Raises MySQLdb.Error if refused."""
        ((before,),) = self.execute("SELECT @@GLOBAL.local_infile")
        if not before:
            self.execute("SET GLOBAL local_infile = 1")
        try:
            yield
        finally:
            if not before:
                self.execute("SET GLOBAL local_infile = 0")


@dataclass(frozen=True)
class Database:
    """One database of a server."""

    server: Server
    name: str

    @property
    def url(self) -> str:
        """The database as --target takes it."""
        return self.server.url(self.name)

    @property
    def environment(self) -> dict[str, str]:
        """The environment that points manage.py at it."""
        return {"BOOKSHOP_TARGET": self.url, "DJANGO_SETTINGS_MODULE": "bench.bookshop_target"}


@contextmanager
def open_connection(
    server: Server, database: str = "", *, local_infile: bool = False
) -> Iterator[MySQLdb.Connection]:
    """A connection that is closed at the end."""
    connection = server.connect(database, local_infile=local_infile)
    try:
        yield connection
    finally:
        connection.close()  # type: ignore[no-untyped-call]


def from_url(url: str) -> Server:
    """The server of a URL, whose database, if any, is not touched. Raises MySQLdb.Error."""
    import dj_database_url

    parsed = dj_database_url.parse(url)
    socket = parsed.get("OPTIONS", {}).get("unix_socket") or parsed["HOST"]
    where = socket if socket.startswith("/") else (parsed["HOST"], int(parsed["PORT"] or 3306))
    server = Server("", parsed["USER"], parsed["PASSWORD"], where)
    ((version, comment),) = server.execute("SELECT version(), @@version_comment")
    product = "MariaDB" if "MariaDB" in f"{version} {comment}" else "MySQL"
    label = f"{product} {version.partition('-')[0]}"
    return Server(label, server.user, server.password, where)


@contextmanager
def opened(url: str, place: Path) -> Iterator[Server]:
    """The server of a URL, or an embedded one in the directory for "embedded"."""
    if url != "embedded":
        yield from_url(url)
        return
    from fixturepipe.databases.embedded import EmbeddedServer

    embedded = EmbeddedServer(place / "server")
    embedded.start()
    try:
        settings = embedded.endpoint("x").settings
        server = from_url(f"mysql://{settings['USER']}@/x?unix_socket={settings['HOST']}")
        yield Server(f"{server.label} (embedded)", server.user, "", server.where)
    finally:
        with suppress(OSError):
            embedded.stop()
