"""The two endpoints of a migration: which databases are the source and the target, and how code
that knows nothing of fixturepipe reaches the right one.

Settings name a database by an *alias*, and a project's own code (routers, managers, natural
keys, signal handlers, data migrations) often takes that alias for granted: usually "default".
The alias that the source bears in the settings is therefore *bound* to one end for the length
of a stage: to the source while dumping, to the target while migrating and loading. Code that
says "default" while rows are loaded then writes into the target, never into the source.
Besides, each end has an alias of its own (SOURCE, TARGET) that is always the same end.
"""

from __future__ import annotations

import copy
import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dj_database_url
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.backends.utils import strip_quotes, truncate_name
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model
from django.db.utils import ConnectionHandler

from fixturepipe.databases.mysql import speak_utf8mb4
from fixturepipe.databases.postgresql import read_as_stored
from fixturepipe.errors import ConfigurationError

connection_created.connect(read_as_stored)
connection_created.connect(speak_utf8mb4)

SOURCE = "fixturepipe_source"
TARGET = "fixturepipe_target"
EMBEDDED = "embedded"

DatabaseSettings = dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """One database: `name` as the user gave it (without password) and its Django settings."""

    name: str
    settings: DatabaseSettings

    @property
    def vendor(self) -> str:
        """ "sqlite", "mysql" (MariaDB too), "postgresql" …, from the engine's module."""
        return str(self.settings["ENGINE"]).rpartition(".")[2].removesuffix("3")


@dataclass(frozen=True)
class Endpoints:
    """Source and target. `alias` is the source's in the settings ("default" for a URL)."""

    alias: str
    source: Endpoint
    target: Endpoint | None = None

    def open(self) -> None:
        """Register SOURCE and TARGET as connections of their own."""
        _register(SOURCE, _as_stored(self.source.settings))
        if self.target is not None:
            _register(TARGET, self.target.settings)

    @contextmanager
    def bound_to_source(self) -> Iterator[str]:
        """While in the block, the source's alias is the source. Gives the alias."""
        with _bound(self.alias, self.source.settings):
            yield self.alias

    @contextmanager
    def bound_to_target(self) -> Iterator[str]:
        """While in the block, the source's alias is the target. Gives the alias."""
        if self.target is None:
            raise ConfigurationError("This command needs a target", hint="Name one with --target.")
        with _bound(self.alias, self.target.settings):
            yield self.alias


def resolve_endpoint(given: str) -> Endpoint:
    """The database that an alias in DATABASES or a URL means.

    Raises ConfigurationError for an alias that the settings lack and for a URL that cannot
    be read. The password stays in the settings; `name` is free of it.
    """
    if "://" in given:
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
        raise ConfigurationError(str(error), hint="Mend DATABASES in the settings.") from error
    return Endpoint(given, copy.deepcopy(settings))


def default_target() -> str:
    """The target where none is given: the alias "target" or "mysql", else the embedded server."""
    for alias in ("target", "mysql"):
        if alias in connections.settings:
            return alias
    return EMBEDDED


def without_password(url: str) -> str:
    """The URL as it may be shown and written."""
    return re.sub(r"(://[^/@]*?):[^/]*@", r"\1@", url)


def connection_to(alias: str) -> BaseDatabaseWrapper:
    """This thread's connection of an alias, typed as the base class that all backends share.

    It keeps no log: with DEBUG on Django would keep the last 9,000 statements, and ours are long.
    """
    connection = connections[alias]
    if connection.queries_log.maxlen:
        connection.queries_log = deque(maxlen=0)
    return connection


def complete_settings(settings: DatabaseSettings) -> DatabaseSettings:
    """Database settings with Django's defaults filled in."""
    filled = {"default": copy.deepcopy(settings)}
    return dict(ConnectionHandler().configure_settings(filled)["default"])


def _as_stored(settings: DatabaseSettings) -> DatabaseSettings:
    """Settings that read SQLite's values as they are stored.

    Django's connection has sqlite3 convert them by the column's declared type, where '' in a
    date column is None before anybody sees it.
    """
    if not settings["ENGINE"].endswith("sqlite3"):
        return settings
    return {**settings, "OPTIONS": {**settings["OPTIONS"], "detect_types": 0}}


def _endpoint_from_url(url: str) -> Endpoint:
    shown = without_password(url)
    try:
        parsed = dj_database_url.parse(url)
    except (ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{shown} is not a database URL: {error}",
            hint="Write it as sqlite:///file.sqlite3 or mysql://user@host:3306/name.",
        ) from error
    settings = complete_settings(dict(parsed))
    if not settings["NAME"]:
        raise ConfigurationError(
            f"{shown} names no database", hint="Add its name: mysql://user@host:3306/name."
        )
    if settings["ENGINE"].endswith("sqlite3") and settings["NAME"] != ":memory:":
        settings["NAME"] = str(Path(settings["NAME"]).absolute())
    return Endpoint(shown, settings)


def _register(alias: str, settings: DatabaseSettings) -> None:
    if alias in connections.settings and connections.settings[alias] == settings:
        return
    _forget(alias)
    connections.settings[alias] = copy.deepcopy(settings)


def _forget(alias: str) -> None:
    """Close and drop this thread's connection of an alias, if it has one."""
    if alias in connections.settings and hasattr(connections._connections, alias):  # type: ignore[attr-defined]
        connections[alias].close()
        del connections[alias]


@contextmanager
def _bound(alias: str, settings: DatabaseSettings) -> Iterator[None]:
    before = connections.settings.get(alias)
    if before == settings:
        yield
        return
    _rebind(alias, settings)
    try:
        yield
    finally:
        _forget(alias)
        if before is None:
            del connections.settings[alias]
        else:
            _rebind(alias, before)


def _rebind(alias: str, settings: DatabaseSettings) -> None:
    _forget(alias)
    connections.settings[alias] = copy.deepcopy(settings)
    _name_tables_for(connections[alias])
    _clear_row_caches()
    _forget_migrations()


def _name_tables_for(connection: BaseDatabaseWrapper) -> None:
    """Give automatic table names the length that this database takes.

    Django cuts them when a model class is made, to the length of the database that is then
    the default: a project that starts on MySQL has shorter names than one on SQLite.
    """
    for model in apps.get_models(include_auto_created=True):
        model._meta.db_table = table_name(model, connection)


def table_name(model: type[Model], connection: BaseDatabaseWrapper) -> str:
    """The name that a model's table has in this database, whichever end the alias is bound to.

    A name that Django makes up is as long as the database takes, that of an automatic
    many-to-many table included; a name that the project gives is taken as it is.
    """
    model = model._meta.concrete_model or model
    known = model._meta.db_table
    if known not in [_made_up_table_name(model, limit) for limit in _NAME_LENGTHS]:
        return known
    return _made_up_table_name(model, connection.ops.max_name_length())


# No limit, and the longest names of MySQL, PostgreSQL and Oracle.
_NAME_LENGTHS = (None, 64, 63, 30)


def _made_up_table_name(model: type[Model], limit: int | None) -> str:
    """The name that Django gives a table which the project does not name."""
    meta = model._meta
    if not meta.auto_created:
        return truncate_name(f"{meta.app_label}_{meta.model_name}", limit)
    # The stubs call it a flag; it is the model that has the many-to-many field.
    owner = meta.auto_created._meta  # type: ignore[attr-defined]
    name = owner.db_table
    if name in [_made_up_table_name(owner.model, each) for each in _NAME_LENGTHS]:
        name = _made_up_table_name(owner.model, limit)
    (field,) = [f.name for f in owner.local_many_to_many if f.remote_field.through is model]
    return truncate_name(f"{strip_quotes(name)}_{field}", limit)


def _clear_row_caches() -> None:
    """Content types are cached by alias, with the keys of the database it was bound to."""
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.models import ContentType

        ContentType.objects.clear_cache()


def _forget_migrations() -> None:
    """Have Django import the migrations anew: some choose their operations while imported.

    Those of a search index, for one, ask `connection.vendor` whether to make an FTS table.
    """
    packages = {
        MigrationLoader.migrations_module(config.label)[0] for config in apps.get_app_configs()
    }
    for name in list(sys.modules):
        if name.rpartition(".")[0] in packages:
            del sys.modules[name]
