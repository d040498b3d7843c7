"""The target made ready: migrated if it is empty, refused if it is not what the run needs.

What the run finds is written into the ledger before anything is made, so that a run that was
killed in the middle of `migrate` knows, when it comes again, that the half-made tables are its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.introspection import LEDGER_PREFIX, NATURAL_PRIMARY
from fixturepipe.databases.ledger import Ledger, RunState
from fixturepipe.databases.migrations import (
    MigrationDifference,
    applied_migrations,
    difference,
    pending_migrations,
)
from fixturepipe.errors import ConfigurationError, TransientLoadError
from fixturepipe.load.server.servererrors import is_transient, server_message

Migrations = Sequence[tuple[str, str]]
_SHOWN = 20


class LoadTarget:
    """The target database of one run, under the alias that it is bound to.

    `name` is how the user named it. All methods raise ConfigurationError for what the user has
    to mend.
    """

    def __init__(self, alias: str, name: str, run: str) -> None:
        self.alias = alias
        self.name = name
        self.connection: BaseDatabaseWrapper = connection_to(alias)
        self.ledger = Ledger(self.connection, run)

    def come(self) -> RunState:
        """Look at the database as the run finds it, and write that down first of all."""
        was_empty = not self.tables()
        self.ledger.create()
        return self.ledger.come(was_empty=was_empty, migrated=not was_empty)

    def tables(self) -> set[str]:
        """The tables that are there, the ledger's own left out."""
        with self.connection.cursor() as cursor:
            found = self.connection.introspection.table_names(cursor)
        return {name for name in found if not name.startswith(LEDGER_PREFIX)}

    def migrate(self, state: RunState) -> None:
        """Make the tables of a database that was empty when the run came."""
        if state.migrated:
            return
        self._drop_half_made_tables()
        try:
            with self.connection.execute_wrapper(self._make_referred_table):
                if _refers_to_migrated(MigrationLoader(self.connection).unmigrated_apps):
                    self._call_migrate(run_syncdb=False)
                self._call_migrate(run_syncdb=True)
        # A project's own data migrations may raise anything.
        except Exception as error:
            if is_transient(error):
                raise TransientLoadError(
                    f"The target {self.name} was not migrated: {server_message(error)}",
                    hint="When the server is back, the same command goes on.",
                ) from error
            said = server_message(error) if isinstance(error, DatabaseError) else repr(error)
            raise ConfigurationError(
                f"The target {self.name} cannot be migrated: {said}",
                hint="`fixturepipe check` names fields that it cannot have; `manage.py migrate` on"
                " an empty database of this kind shows where it stopped.",
            ) from error
        self.ledger.mark_migrated()

    def _call_migrate(self, *, run_syncdb: bool) -> None:
        call_command(
            "migrate",
            database=self.alias,
            run_syncdb=run_syncdb,
            interactive=False,
            verbosity=0,
            skip_checks=True,
        )

    def _make_referred_table(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Run a statement of `migrate`; where it refers to an unmanaged table, make that first.

        Who manages such a table by hand has it in the source, and nobody made it here yet.
        """
        try:
            return execute(sql, params, many, context)
        except DatabaseError:
            referred = re.search(r"REFERENCES `([^`]+)`", str(sql))
            model = self._unmanaged(referred.group(1)) if referred else None
            if model is None or model._meta.db_table in self.tables():
                raise
            with self.connection.schema_editor() as editor:
                editor.create_model(model)
            return execute(sql, params, many, context)

    def _unmanaged(self, table: str) -> type[models.Model] | None:
        owners = (m for m in apps.get_models() if not m._meta.managed and not m._meta.proxy)
        return next((model for model in owners if model._meta.db_table == table), None)

    def _drop_half_made_tables(self) -> None:
        """Tables of the project that an interrupted `migrate` of this run left behind."""
        project = {m._meta.db_table for m in apps.get_models(include_auto_created=True)}
        project.add(MigrationRecorder.Migration._meta.db_table)
        half_made = self.tables() & project
        if not half_made:
            return
        quote = self.connection.ops.quote_name
        with self.connection.constraint_checks_disabled(), self.connection.cursor() as cursor:
            for table in sorted(half_made):
                cursor.execute(f"DROP TABLE {quote(table)}")

    def require_migrations(self, expected: Migrations) -> None:
        """The target is at the migrations of the source, or (without those) of the project."""
        if expected:
            found = difference(expected, applied_migrations(self.connection))
        else:
            found = MigrationDifference(tuple(pending_migrations(self.connection)), ())
        if not found:
            return
        lines = [f"  {app}.{name} is not applied to the target" for app, name in found.source_only]
        lines += [
            f"  {app}.{name} is applied to the target only" for app, name in found.target_only
        ]
        raise ConfigurationError(
            "\n".join(
                [f"The target {self.name} is not at the migrations of the source:", *_cut(lines)]
            ),
            hint="Migrate both to the same state, or use an empty database as the target.",
        )

    def make_unmanaged(self, covered: Iterable[type[models.Model]], state: RunState) -> None:
        """Make the tables that no migration makes, where this run makes all tables."""
        if not state.was_empty:
            return
        unmanaged = [model for model in self._lacking(covered) if not model._meta.managed]
        if unmanaged:
            with self.connection.schema_editor() as editor:
                for model in unmanaged:
                    editor.create_model(model)

    def require_tables(self, covered: Iterable[type[models.Model]]) -> None:
        """Every covered model has a table."""
        lacking = self._lacking(covered)
        if not lacking:
            return
        names = ", ".join(f"{m._meta.label} ({m._meta.db_table})" for m in lacking)
        raise ConfigurationError(
            f"The target {self.name} has no table for {names}",
            hint="Make these tables, or leave the models out with `fixturepipe dump --exclude`.",
        )

    def _lacking(self, covered: Iterable[type[models.Model]]) -> list[type[models.Model]]:
        tables = {name.lower() for name in self.tables()}
        return [model for model in covered if model._meta.db_table.lower() not in tables]

    def require_transactional(self, covered: Iterable[type[models.Model]]) -> None:
        """Rows and ledger commit together, which MyISAM, Aria and the like cannot."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT t.TABLE_NAME, t.ENGINE FROM information_schema.TABLES t"
                " JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE"
                " WHERE t.TABLE_SCHEMA = DATABASE() AND e.TRANSACTIONS <> 'YES'"
            )
            engines = {table.lower(): engine for table, engine in cursor.fetchall()}
        wrong = [m._meta.db_table for m in covered if m._meta.db_table.lower() in engines]
        if wrong:
            named = ", ".join(f"{table} ({engines[table.lower()]})" for table in sorted(wrong))
            raise ConfigurationError(
                f"Tables of {self.name} have an engine without transactions: {named}",
                hint="Change them: ALTER TABLE name ENGINE=InnoDB.",
            )

    def rows_found(self, covered: Iterable[type[models.Model]]) -> dict[type[models.Model], int]:
        """The models whose tables hold rows, and how many."""
        found = {}
        quote = self.connection.ops.quote_name
        with self.connection.cursor() as cursor:
            for model in covered:
                table = quote(model._meta.db_table)
                cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")
                if cursor.fetchone():
                    cursor.execute(f"SELECT COUNT(*) FROM {table}")
                    found[model] = int((cursor.fetchone() or (0,))[0])
        return found

    def clear(self, cleared: Iterable[type[models.Model]]) -> None:
        """Delete the rows of these models, and write down that it is done, in one transaction."""
        quote = self.connection.ops.quote_name
        with (
            transaction.atomic(using=self.alias),
            self.connection.constraint_checks_disabled(),
            self.connection.cursor() as cursor,
        ):
            for model in cleared:
                cursor.execute(f"DELETE FROM {quote(model._meta.db_table)}")
            self.ledger.mark_cleared()


def _refers_to_migrated(unmigrated: Collection[str]) -> bool:
    """Whether an app without migrations has a key to one with them.

    `migrate --run-syncdb` makes the tables of the former first. SQLite does not mind a key to
    a table that is not there yet; MySQL does.
    """
    return any(
        field.related_model._meta.app_label not in unmigrated
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in unmigrated
        for field in model._meta.concrete_fields
        if isinstance(field.related_model, type)
    )


def own_rows_matter(model: type[models.Model]) -> bool:
    """Content types and permissions are every target's own, and are matched, not replaced."""
    return model._meta.label_lower not in NATURAL_PRIMARY


def _cut(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"  and {rest} more"] if rest > 0 else [])]
