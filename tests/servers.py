"""The servers that the tests run on: an embedded MariaDB, and those that the environment adds.

FIXTUREPIPE_TEST_SERVERS holds URLs without a database, separated by commas:
mysql://root:root@127.0.0.1:3306/
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import dj_database_url
import MySQLdb

from fixturepipe.databases.embedded import EmbeddedServer
from fixturepipe.databases.endpoints import Endpoint, complete_settings


@dataclass(frozen=True)
class Server:
    """A running server: `name` for test ids, `base` the connection settings without database."""

    name: str
    base: dict[str, Any]

    @contextmanager
    def database(self) -> Iterator[Endpoint]:
        """A fresh empty database, dropped at the end."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE `{name}`")
        try:
            yield Endpoint(self.url(name), {**self.base, "NAME": name})
        finally:
            self.execute(f"DROP DATABASE IF EXISTS `{name}`")

    def url(self, database: str) -> str:
        """The database as --target takes it."""
        user, password = self.base["USER"], self.base["PASSWORD"]
        credentials = f"{user}:{password}" if password else user
        host = self.base["HOST"]
        if host.startswith("/"):
            return f"mysql://{credentials}@/{database}?unix_socket={host}"
        return f"mysql://{credentials}@{host}:{self.base['PORT']}/{database}"

    def copy(self, template: str, database: str) -> None:
        """Make every table of `template`, with its rows, in an empty database."""
        connection = self.connect(template)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET foreign_key_checks = 0")
                for table, create, filled in self._tables(cursor):
                    cursor.execute(f"USE `{database}`")
                    cursor.execute(create)
                    if filled:
                        cursor.execute(
                            f"INSERT INTO `{table}` SELECT * FROM `{template}`.`{table}`"
                        )
        finally:
            connection.close()

    def _tables(self, cursor: Any) -> list[tuple[str, str, bool]]:
        """The tables of the current database: name, statement that makes it, whether it has rows.

        A table without rows may have columns that the server computes, which take no values.
        """
        cursor.execute("SHOW TABLES")
        tables = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SHOW CREATE TABLE `{table}`")
            create = cursor.fetchone()[1]
            cursor.execute(f"SELECT 1 FROM `{table}` LIMIT 1")
            tables.append((table, create, cursor.fetchone() is not None))
        return tables

    def execute(self, statement: str, database: str = "") -> tuple[tuple[Any, ...], ...]:
        """Run one statement on a connection of its own, past Django."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return tuple(cursor.fetchall())
        finally:
            connection.close()

    def connect(self, database: str = "") -> MySQLdb.Connection:
        """A connection past Django, in autocommit."""
        where = {"unix_socket": self.base["HOST"]}
        if not self.base["HOST"].startswith("/"):
            where = {"host": self.base["HOST"], "port": int(self.base["PORT"])}
        return MySQLdb.connect(
            user=self.base["USER"],
            password=self.base["PASSWORD"],
            database=database,
            charset="utf8mb4",
            autocommit=True,
            **where,
        )


def embedded(server: EmbeddedServer) -> Server:
    """The embedded server as one of the servers."""
    return Server("embedded", server.endpoint("").settings)


def added() -> list[Server]:
    """The servers of FIXTUREPIPE_TEST_SERVERS."""
    urls = os.environ.get("FIXTUREPIPE_TEST_SERVERS", "")
    return [_from_url(url.strip()) for url in urls.split(",") if url.strip()]


def _from_url(url: str) -> Server:
    settings = complete_settings(dict(dj_database_url.parse(url)))
    server = Server(f"{settings['HOST']}:{settings['PORT']}", settings)
    ((version,),) = server.execute("SELECT version()")
    return replace(server, name=version.partition("-Debian")[0])
