"""Whether a database can be reached, said in one sentence where it cannot."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.utils import Error as DatabaseError

from fixturepipe.databases.endpoints import Endpoint
from fixturepipe.errors import ConfigurationError

# https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html and its client part.
_HINTS: dict[object, str] = {
    1044: "Grant the user rights on the database.",
    1045: "Look at the user and the password.",
    1049: "Make it: CREATE DATABASE {name} CHARACTER SET utf8mb4;",
    1698: "Look at the user: this account logs in by socket only.",
    2002: "Start the server, or look at host and port (localhost means the Unix socket; "
    "127.0.0.1 means TCP).",
    2003: "Start the server, or look at host and port.",
    2005: "Look at the host's name.",
}

_NAMED = 5


def require_reachable(alias: str, end: Endpoint) -> None:
    """Connect to `end`, registered under `alias`.

    Raises ConfigurationError with the server's own words and the next step.
    """
    name = str(end.settings["NAME"])
    # SQLite would make an empty file and call it a database.
    if end.vendor == "sqlite" and _is_path(name) and not Path(name).is_file():
        raise ConfigurationError(
            f"There is no SQLite file {name}",
            hint="Look at NAME in DATABASES, or name the file: --source sqlite:///app.sqlite3.",
        )
    try:
        # A missing driver shows when the engine is imported.
        connections[alias].ensure_connection()
        with connections[alias].cursor() as cursor:
            connections[alias].introspection.table_names(cursor)
    except (ImproperlyConfigured, ImportError) as error:
        raise ConfigurationError(
            f"The database {end.name} cannot be used: {error}",
            hint="Install its driver into this Python environment, or look at its settings.",
        ) from error
    except TypeError as error:
        # The driver's word about an option that it does not know.
        raise ConfigurationError(
            f"The database {end.name} cannot be used: {error}",
            hint="Look at what follows `?` in its URL, or at OPTIONS in DATABASES.",
        ) from error
    except DatabaseError as error:
        code = error.args[0] if error.args else None
        said = error.args[1] if len(error.args) > 1 else error
        hint = _HINTS.get(code, "Look at the database's settings.")
        raise ConfigurationError(
            f"The database {end.name} cannot be used: {said}", hint=hint.format(name=name)
        ) from error


def require_server(alias: str, end: Endpoint) -> None:
    """The database must be one that is loaded into: MySQL or MariaDB, by whatever engine.

    Raises ConfigurationError where it is another.
    """
    if connections[alias].vendor != "mysql":
        raise ConfigurationError(
            f"The target {end.name} is neither MySQL nor MariaDB",
            hint="Name such a server with --target, or `embedded` for a private one.",
        )


def require_migrated(alias: str, end: Endpoint) -> None:
    """The database must be where the project's code is: its rows are read as the models say.

    Raises ConfigurationError with the first migrations that are not applied.
    """
    loader = MigrationLoader(connections[alias])
    applied = set(loader.applied_migrations)
    missing = sorted(set(loader.graph.nodes) - applied) if loader.graph.leaf_nodes() else []
    if not missing:
        return
    state = "was never migrated" if not applied else "is behind the project's code"
    named = ", ".join(".".join(key) for key in missing[:_NAMED])
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    raise ConfigurationError(
        f"The source {end.name} {state}: not applied are {named}{more}",
        hint="Run `manage.py migrate` on it, or name another source with --source.",
    )


def _is_path(name: str) -> bool:
    return name != ":memory:" and not name.startswith("file:")
