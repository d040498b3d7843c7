"""The two endpoints of a migration: which databases are the source and the target, and how code
that knows nothing of fixturepipe reaches the right one.

Settings name a database by an *alias*, and a project's own code (routers, managers, natural
keys, signal handlers, data migrations) often takes that alias for granted: usually "default".
Each stage therefore *binds* the source's alias to one endpoint: to the source while dumping, to
the target while migrating and loading. Code that says "default" while rows are loaded then writes
into the target, never into the source. Two more aliases, SOURCE and TARGET, always name the same
endpoint.

Connections of these aliases are ours, and are set up when they open. No other connection of the
process is touched.
"""

from __future__ import annotations

import copy
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dj_database_url
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.migrations.loader import MigrationLoader
from django.db.utils import ConnectionHandler, load_backend

from fixturepipe.apps import TARGETS
from fixturepipe.config import Project
from fixturepipe.databases import mysql, postgresql
from fixturepipe.databases.migrations import packages_imported
from fixturepipe.databases.tablenames import name_tables_for
from fixturepipe.databases.urls import is_url, shown_url
from fixturepipe.errors import ConfigurationError

SOURCE = "fixturepipe_source"
TARGET = "fixturepipe_target"
EMBEDDED = "embedded"
# How long the lock of a process that writes to a SQLite source is waited for.
LOCK_SECONDS = 60

# Aliases of the project that are bound now, innermost last.
_bound_aliases: list[str] = []

DatabaseSettings = dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """One database: its Django settings, and `name` as the user gave it, without the password."""

    name: str
    settings: DatabaseSettings = field(repr=False)

    def title(self, role: str) -> str:
        """How a sentence about it begins: 'The source "default"', 'The embedded server'."""
        return "The embedded server" if self.name == EMBEDDED else f'The {role} "{self.name}"'

    @property
    def vendor(self) -> str:
        """ "sqlite", "mysql" (MariaDB too), "postgresql" …, as `connection.vendor` has it.

        The engine says it, so that a project's own engine counts as the one that it extends.
        Raises ConfigurationError where the engine or its driver cannot be imported.
        """
        try:
            return str(load_backend(self.settings["ENGINE"]).DatabaseWrapper.vendor)
        except (ImproperlyConfigured, ImportError) as error:
            raise ConfigurationError(
                f"{self.title('database')} cannot be used: {_first_line(error)}",
                hint="Install its driver into this Python environment, or correct its ENGINE.",
            ) from error

    def is_same_database(self, other: Endpoint) -> bool:
        """Whether both endpoints are one database, through whatever engine each is reached."""
        return self._identity() == other._identity()

    def _identity(self) -> tuple[str, ...]:
        settings = self.settings
        options = settings.get("OPTIONS") or {}
        host = str(options.get("unix_socket") or options.get("host") or settings.get("HOST") or "")
        port = str(options.get("port") or settings.get("PORT") or "")
        if self.vendor == "mysql":
            # The client library takes "localhost" for the default socket, and no port for 3306.
            host, port = "" if host == "localhost" else host, port or "3306"
        return (self.vendor, str(settings["NAME"]), host, port)


@dataclass(frozen=True)
class Endpoints:
    """Source and target. `alias` names the source in the settings ("default" for a URL).

    `timeout` is how many seconds a server may be silent.
    """

    alias: str
    source: Endpoint
    target: Endpoint | None = None
    timeout: int = Project.timeout

    @property
    def target_name(self) -> str:
        """The target as the user named it; empty without one."""
        return "" if self.target is None else self.target.name

    @property
    def target_title(self) -> str:
        """How a sentence about the target begins; empty without one."""
        return "" if self.target is None else self.target.title("target")

    def open(self) -> None:
        """Register SOURCE and TARGET as connections of their own.

        Connections that are open already and were closed by the server are closed here too, and
        open again when they are used.
        """
        _register(SOURCE, _as_stored(self.source, self._settings(self.source)))
        if self.target is not None:
            _register(TARGET, self._settings(self.target))

    def close(self) -> None:
        """Close the connections SOURCE and TARGET to servers; they open again when used.

        Between two stages they only count against the account's limit.
        """
        for alias, endpoint in ((SOURCE, self.source), (TARGET, self.target)):
            if endpoint is not None and endpoint.vendor != "sqlite":
                connections[alias].close()

    @contextmanager
    def bound_to_source(self) -> Iterator[str]:
        """While in the block, the source's alias is the source. Gives the alias."""
        with _bound(self.alias, self._settings(self.source)):
            yield self.alias

    @contextmanager
    def bound_to_target(self, *, apart: bool = False) -> Iterator[str]:
        """While in the block, the source's alias is the target. Gives the alias.

        It takes over the open connection of TARGET, and gives it back; `apart` leaves it there.
        """
        if self.target is None:
            raise ConfigurationError("This command needs a target", hint="Name one with --target.")
        taken_over = nullcontext() if apart else _taken_over(TARGET, self.alias)
        with packages_imported(), _bound(self.alias, self._settings(self.target)), taken_over:
            yield self.alias

    def _settings(self, endpoint: Endpoint) -> DatabaseSettings:
        """The settings of our connections to an endpoint."""
        if endpoint.vendor != "mysql":
            return endpoint.settings
        return mysql.session_settings(endpoint.settings, self.timeout)


def resolve_endpoint(given: str) -> Endpoint:
    """The database that an alias in DATABASES or a URL names.

    Raises ConfigurationError for an alias that is not in the settings and for a URL that cannot
    be read. The password is in the settings only, not in `name`.
    """
    if is_url(given):
        return _endpoint_from_url(given)
    try:
        settings = connections.settings[given]
    except KeyError:
        known = ", ".join(sorted(a for a in connections.settings if a not in (SOURCE, TARGET)))
        raise ConfigurationError(
            f"DATABASES has no alias {given!r}; it has: {known}",
            hint="Name one of these, or a URL such as mysql://user@host:3306/name.",
        ) from None
    except ImproperlyConfigured as error:
        raise ConfigurationError(str(error), hint="Correct DATABASES in the settings.") from error
    # Without AUTOCOMMIT, nothing would commit what `migrate` does outside of transactions.
    return Endpoint(given, copy.deepcopy(settings) | {"AUTOCOMMIT": True})


def default_target() -> str:
    """The target if none is given: the alias "target" or "mysql", else the embedded server."""
    return next((alias for alias in TARGETS if alias in connections.settings), EMBEDDED)


def connection_to(alias: str) -> BaseDatabaseWrapper:
    """This thread's connection of an alias, typed as the base class that all backends share.

    It keeps no log: with DEBUG on, Django keeps the last 9,000 statements, and ours are long.
    """
    connection = connections[alias]
    if connection.queries_log.maxlen:
        connection.queries_log = deque(maxlen=0)
    if connection.vendor == "mysql":
        mysql.recall_server(connection)
    return connection


def complete_settings(settings: DatabaseSettings) -> DatabaseSettings:
    """Database settings with Django's defaults filled in."""
    filled = {"default": copy.deepcopy(settings)}
    return dict(ConnectionHandler().configure_settings(filled)["default"])


def _set_up_connection(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receiver of `connection_created`, for the connections that are ours."""
    if connection.alias in (SOURCE, TARGET, *_bound_aliases):
        if connection.vendor == "mysql":
            mysql.set_up_session(connection)
        if connection.vendor == "postgresql":
            postgresql.set_up_session(connection)


connection_created.connect(_set_up_connection)


def _as_stored(endpoint: Endpoint, settings: DatabaseSettings) -> DatabaseSettings:
    """Settings that read SQLite's values as they are stored.

    Django's connection has sqlite3 convert values by the column's declared type: '' in a date
    column becomes None. The lock of a writer is waited for.
    """
    if endpoint.vendor != "sqlite":
        return settings
    options = settings["OPTIONS"]
    wait = max(LOCK_SECONDS, options.get("timeout", 0))
    return {**settings, "OPTIONS": {**options, "detect_types": 0, "timeout": wait}}


_WRITE_URLS_SO = (
    "Write it as sqlite:///file.sqlite3 or mysql://user@host:3306/name. In a password,"
    " write / as %2F, @ as %40, : as %3A, ? as %3F and # as %23."
)


def _endpoint_from_url(url: str) -> Endpoint:
    shown = shown_url(url)
    try:
        parsed = dj_database_url.parse(url)
    except (ValueError, KeyError):
        # The cause would say parts of the URL, and a password may be in any of them.
        raise ConfigurationError(f"{shown} is not a database URL", hint=_WRITE_URLS_SO) from None
    settings = complete_settings(dict(parsed))
    if ":" in settings["USER"]:
        hint = "Write the colon between user and password as it is, not as %3A."
        raise ConfigurationError(f"{shown} is not a database URL", hint=hint)
    if not settings["NAME"]:
        raise ConfigurationError(
            f"{shown} names no database", hint="Add its name: mysql://user@host:3306/name."
        )
    endpoint = Endpoint(shown, settings)
    if endpoint.vendor == "sqlite" and settings["NAME"] != ":memory:":
        settings["NAME"] = str(Path(settings["NAME"]).absolute())
    return endpoint


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _register(alias: str, settings: DatabaseSettings) -> None:
    if alias in connections.settings and connections.settings[alias] == settings:
        _close_if_lost(connections[alias])
        return
    _forget(alias)
    connections.settings[alias] = copy.deepcopy(settings)


def _close_if_lost(connection: BaseDatabaseWrapper) -> None:
    """Close a connection that the server closed, as it does with idle ones between two stages."""
    is_open = connection.connection is not None and not connection.in_atomic_block
    if is_open and not mysql.answers(connection):
        connection.close()


def _forget(alias: str) -> None:
    """Close and drop this thread's connection of an alias, if it has one."""
    if alias in connections.settings and hasattr(connections._connections, alias):  # type: ignore[attr-defined]
        connections[alias].close()
        del connections[alias]


@contextmanager
def _bound(alias: str, settings: DatabaseSettings) -> Iterator[None]:
    before = connections.settings.get(alias)
    _bound_aliases.append(alias)
    try:
        if before == settings:
            # The project may have opened it before its alias was bound.
            if connections[alias].connection is not None:
                _set_up_connection(connections[alias])
            yield
            return
        _rebind(alias, settings)
        try:
            yield
        finally:
            _forget(alias)
            if before is not None:
                _rebind(alias, before)
            else:
                del connections.settings[alias]
    finally:
        _bound_aliases.remove(alias)


@contextmanager
def _taken_over(giver: str, taker: str) -> Iterator[None]:
    """While in the block, one alias has the open connection of another: a far server is slow to
    open one.
    """
    if giver not in connections.settings or connections[giver].vendor != "mysql":
        yield
        return
    mysql.hand_over(connections[giver], connections[taker])
    try:
        yield
    finally:
        mysql.hand_over(connections[taker], connections[giver])


def _rebind(alias: str, settings: DatabaseSettings) -> None:
    _forget(alias)
    connections.settings[alias] = copy.deepcopy(settings)
    name_tables_for(connection_to(alias))
    clear_row_caches()
    _forget_migrations()


def clear_row_caches() -> None:
    """Clear the cache of content types: it is by alias, and holds the other database's keys."""
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.models import ContentType

        ContentType.objects.clear_cache()


def _forget_migrations() -> None:
    """Make Django import the migrations again: some choose their operations during the import.

    A migration for a search index, for one, asks `connection.vendor` whether to make an FTS table.
    """
    packages = {
        MigrationLoader.migrations_module(config.label)[0] for config in apps.get_app_configs()
    }
    for name in list(sys.modules):
        if name.rpartition(".")[0] in packages:
            del sys.modules[name]
