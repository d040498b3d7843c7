"""Which migrations a database is at, compared as Django itself compares them.

`migrate --check` being content is the measure: a name in `django_migrations` that no code has any
more does not count, and a squashed migration is applied where all that it replaces is applied,
recorded or not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import RunSQL, SeparateDatabaseAndState, loader
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder

from fixturepipe.wording import listed

MigrationKey = tuple[str, str]

# The table of Django's MigrationRecorder, and the statement that gives its rows' keys.
MIGRATIONS = "django_migrations"
RECORDED = f"SELECT app, name FROM {MIGRATIONS}"
_NAMED = 10

_COMMENTS = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|/\*(?!!).*?\*/)*", re.DOTALL)
# Statements that leave the schema as it is: those about rows, transactions and the session.
_OF_ROWS = re.compile(
    r"(?:SELECT|WITH|VALUES|INSERT|REPLACE|UPDATE|DELETE|TRUNCATE|LOAD|SHOW|DESCRIBE|EXPLAIN|SET"
    r"|PRAGMA|ANALYZE|VACUUM|REINDEX|BEGIN|START|COMMIT|END|SAVEPOINT|RELEASE|ROLLBACK)"
    r"\b|$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MigrationDifference:
    """Migrations that only one of two databases is at, each as (app, name), sorted."""

    source_only: tuple[MigrationKey, ...]
    target_only: tuple[MigrationKey, ...]

    def __bool__(self) -> bool:
        return bool(self.source_only or self.target_only)

    def described(self, source_only: str, target_only: str) -> str:
        """The first migrations of both kinds, each kind under its heading."""
        kinds = ((source_only, self.source_only), (target_only, self.target_only))
        return "; ".join(f"{text}: {named(keys)}" for text, keys in kinds if keys)


def named(migrations: Sequence[MigrationKey]) -> str:
    """The first of these migrations, as a sentence names them."""
    return listed([f"{app}.{name}" for app, name in migrations], _NAMED)


def applied_migrations(connection: BaseDatabaseWrapper) -> list[MigrationKey]:
    """The migrations that this database records, as (app, name), sorted."""
    return sorted(MigrationRecorder(connection).applied_migrations())


def pending_migrations(connection: BaseDatabaseWrapper) -> list[MigrationKey]:
    """What `migrate` would apply here, in its order; empty where `migrate --check` is content.

    Apps without migrations have nothing pending.
    """
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [(migration.app_label, migration.name) for migration, _ in plan]


def difference(
    source: Collection[MigrationKey], target: Collection[MigrationKey]
) -> MigrationDifference:
    """Compare what two databases record; the code says what squashed migrations replace."""
    replaces = _replaced_by_squashed()
    ours, theirs = _effective(source, replaces), _effective(target, replaces)
    return MigrationDifference(tuple(sorted(ours - theirs)), tuple(sorted(theirs - ours)))


def _replaced_by_squashed() -> dict[MigrationKey, list[MigrationKey]]:
    """Each migration of the code with those that it replaces."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return {
        key: [(app, name) for app, name in migration.replaces]
        for key, migration in (loader.disk_migrations or {}).items()
    }


def _effective(
    recorded: Iterable[MigrationKey], replaces: dict[MigrationKey, list[MigrationKey]]
) -> set[MigrationKey]:
    """The recorded migrations, those that no code has left out and each squashed one once.

    A squashed migration may replace squashed ones, so this repeats until nothing changes.
    """
    applied = {(app, name) for app, name in recorded}
    while True:
        squashed = {
            key for key, old in replaces.items() if old and key not in applied and {*old} <= applied
        }
        if not squashed:
            break
        applied |= squashed
    done = {old for key in applied & replaces.keys() for old in replaces[key]}
    return {(app, name) for app, name in applied & replaces.keys() if (app, name) not in done}


@contextmanager
def packages_imported() -> Iterator[None]:
    """In the block, Django does not import the packages of migrations again.

    It does so each time that it loads migrations, for the sake of tests. Code in a package may
    write rows, as Horilla's does: into the target, while `default` is bound to it.
    """
    for config in apps.get_app_configs():
        # What cannot be imported is said by those who need it.
        with suppress(Exception):
            import_module(str(MigrationLoader.migrations_module(config.label)[0]))
    reload: Any = vars(loader)["reload"]
    vars(loader)["reload"] = lambda package: package
    try:
        yield
    finally:
        vars(loader)["reload"] = reload


def database_operations(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Operations as they act on a database: SeparateDatabaseAndState holds others."""
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from database_operations(operation.database_operations)
        else:
            yield operation


def sql_statements(operation: Operation, connection: BaseDatabaseWrapper) -> list[str]:
    """The statements of a RunSQL, as it sends them to this database; none of other operations."""
    if not isinstance(operation, RunSQL) or operation.sql == RunSQL.noop:
        return []
    if isinstance(operation.sql, str):
        return list(connection.ops.prepare_sql_script(operation.sql))
    return [each if isinstance(each, str) else str(each[0]) for each in operation.sql]


def changes_only_rows(statement: str) -> bool:
    """Whether a statement, in any dialect, leaves the schema as it is; its first word tells."""
    comments = _COMMENTS.match(statement)
    return _OF_ROWS.match(statement, comments.end() if comments else 0) is not None
