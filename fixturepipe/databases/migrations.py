"""Whether a database is at the state of the project's code, as Django itself decides it.

A database may record migrations that no code has any more, such as those that a finished squash
replaced; and a squashed migration counts as applied once all that it replaces is. `migrate --check`
accepts both.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader


def unapplied_migrations(connection: BaseDatabaseWrapper) -> list[tuple[str, str]]:
    """The migrations (app, name) of the project's code that `migrate` would apply, sorted."""
    loader = MigrationLoader(connection)
    return sorted(set(loader.graph.nodes) - set(loader.applied_migrations))
