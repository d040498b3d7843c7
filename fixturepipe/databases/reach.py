"""Whether a database can be used: reached, of the right kind, migrated."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error as DatabaseError

from fixturepipe.databases.coverage import has_tables_of
from fixturepipe.databases.endpoints import SOURCE, Endpoint
from fixturepipe.databases.migrations import applied_migrations, named, pending_migrations
from fixturepipe.databases.sqlitefile import locked
from fixturepipe.errors import ConfigurationError

# https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html and its client part.
_HINTS: dict[object, str] = {
    1044: "Grant the user rights on the database.",
    1045: "Check the user and the password.",
    1049: "Create it: CREATE DATABASE {name} CHARACTER SET utf8mb4;",
    1698: "Check the user: this account can log in through the Unix socket only.",
    2002: "Start the server, or check the host and port (localhost means the Unix socket; "
    "127.0.0.1 means TCP).",
    2003: "Start the server, or check the host and port.",
    2005: "Check the host name.",
}


def wants_password(alias: str, endpoint: Endpoint) -> bool:
    """Whether the server of `endpoint`, registered under `alias`, refuses a user without one.

    A password may also be in an option file, and some users need none: only the server knows.
    """
    if not endpoint.settings.get("USER") or endpoint.settings.get("PASSWORD"):
        return False
    try:
        connections[alias].ensure_connection()
    except DatabaseError as error:
        return _lacks_password(error)
    except (ImproperlyConfigured, TypeError):
        # Said by `require_reachable`.
        pass
    return False


def _lacks_password(error: Exception) -> bool:
    return any(text in str(error) for text in ("using password: NO", "no password supplied"))


def require_reachable(alias: str, endpoint: Endpoint) -> None:
    """Connect to `endpoint`, which is registered under `alias`.

    Raises ConfigurationError with the server's message and the next step.
    """
    name = str(endpoint.settings["NAME"])
    unusable = f"{endpoint.title('source' if alias == SOURCE else 'target')} cannot be used"
    # SQLite creates a file that does not exist.
    if endpoint.vendor == "sqlite" and _is_path(name) and not Path(name).is_file():
        raise ConfigurationError(
            f"There is no SQLite file {name}",
            hint="Check NAME in DATABASES, or name the file: --source sqlite:///app.sqlite3.",
        )
    try:
        connections[alias].ensure_connection()
        # A server has answered; SQLite looks at the file when it is first asked.
        if endpoint.vendor == "sqlite":
            connections[alias].introspection.table_names()
    except (ImproperlyConfigured, TypeError, DatabaseError) as error:
        if "database is locked" in str(error):
            raise locked(Path(name)) from error
        message = error.args[1] if len(error.args) > 1 else error
        hint = _hint_for(error, alias).format(name=name)
        raise ConfigurationError(f"{unusable}: {message}", hint=hint) from error


def _hint_for(error: Exception, alias: str) -> str:
    if isinstance(error, ImproperlyConfigured):
        return "Correct its settings."
    # Drivers raise it for an option that they do not know.
    if isinstance(error, TypeError):
        return "Correct the options after `?` in its URL, or OPTIONS in DATABASES."
    if _lacks_password(error):
        variable = "FIXTUREPIPE_SOURCE" if alias == SOURCE else "FIXTUREPIPE_TARGET"
        return (
            f"Put the URL with its password into the environment variable {variable}, or PASSWORD"
            " into DATABASES. On a terminal you are asked for it."
        )
    return _HINTS.get(error.args[0] if error.args else None, "Check the database's settings.")


def require_server(alias: str, endpoint: Endpoint) -> None:
    """The target must be MySQL or MariaDB, whatever the name of its engine.

    Raises ConfigurationError if it is another.
    """
    if connections[alias].vendor != "mysql":
        raise ConfigurationError(
            f"{endpoint.title('target')} is neither MySQL nor MariaDB",
            hint="Name such a server with --target, or use `--target embedded`, a private MariaDB.",
        )


def require_migrated(alias: str, endpoint: Endpoint) -> None:
    """The database must have the tables and columns of the models, which say how to read its rows.

    Raises ConfigurationError with the first migrations that are not applied. Where nothing is
    missing for lack of them, `check` names them (FP333).
    """
    missing = pending_migrations(connections[alias])
    if not missing or has_tables_of(connections[alias], {app for app, _ in missing}):
        return
    is_new = not applied_migrations(connections[alias])
    state = "has never been migrated" if is_new else "is behind the project's code"
    raise ConfigurationError(
        f"{endpoint.title('source')} {state}. These migrations are not applied: {named(missing)}",
        hint="Run `manage.py migrate` on it, or name another source with --source.",
    )


def database_described(connection: BaseDatabaseWrapper) -> str:
    """A database's program and name: "MariaDB 10.11.6, shop on db1"; "" if it does not answer."""
    try:
        version = ".".join(map(str, connection.get_database_version()))
    except DatabaseError:
        return ""
    settings = connection.settings_dict
    name, host = Path(str(settings["NAME"])).name, str(settings.get("HOST") or "")
    # A host may be the path of a socket.
    place = name if not host or host.startswith("/") else f"{name} on {host}"
    return f"{connection.display_name} {version}, {place}"


def _is_path(name: str) -> bool:
    return name != ":memory:" and not name.startswith("file:")
