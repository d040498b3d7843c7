"""The tables of an empty target: made by the project's migrations, or from its models.

Tables that an interrupted attempt of the same run left behind are dropped first, so each attempt
starts from an empty database.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from django.apps import apps
from django.core.management import call_command, get_commands, load_command_class
from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from fixturepipe.artifacts.manifest import SchemaChange
from fixturepipe.databases.coverage import LEDGER_PREFIX
from fixturepipe.databases.fields import Model
from fixturepipe.databases.ledger import Ledger
from fixturepipe.databases.migrations import MigrationKey, pending_migrations
from fixturepipe.databases.packets import row_counts
from fixturepipe.errors import ConfigurationError, TransientLoadError
from fixturepipe.events import Listener, StageAdvanced, StageFinished, StageStarted, ignore
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.schemafixes import schema_fixes
from fixturepipe.load.server.datamigrations import DataMigrations, StatementLog, failed_operation
from fixturepipe.load.server.modeltables import create_model_tables
from fixturepipe.load.server.servererrors import (
    NO_PRIVILEGE,
    code_of,
    hint_for,
    is_of_the_server,
    server_message,
)

_NAME = r"(?:[`\"]?\w+[`\"]?\.)?[`\"]?([^`\"\s(;]+)[`\"]?"
_INSERTS = (
    re.compile(
        r"\s*(?:INSERT|REPLACE)(?:\s+(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE))*"
        rf"\s+(?:INTO\s+)?{_NAME}",
        re.IGNORECASE,
    ),
    re.compile(rf"\s*LOAD\s+DATA\b.*?\bINTO\s+TABLE\s+{_NAME}", re.IGNORECASE | re.DOTALL),
    re.compile(
        rf"\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}(?=.*\bSELECT\b)",
        re.IGNORECASE | re.DOTALL,
    ),
)
_RENAME = re.compile(
    rf"\s*(?:ALTER|RENAME)\s+TABLE\s+{_NAME}\s+(?:RENAME\s+)?(?:(?:TO|AS)\s+)?{_NAME}\s*$",
    re.IGNORECASE,
)

Schema = Literal["migrate", "models"]


def tables_of(connection: BaseDatabaseWrapper) -> set[str]:
    """The tables of a database, the ledger's own left out."""
    found = connection.introspection.table_names()
    return {name for name in found if not name.startswith(LEDGER_PREFIX)}


class TableMaker:
    """Makes the tables of one target, which was empty when the run first saw it.

    `name` is how the user named the target; `fixes` are the declared ones. The listener gets the
    stage "migrate".
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        title: str,
        fixes: Sequence[Declaration] = (),
        listener: Listener = ignore,
    ) -> None:
        self._connection = connection
        self._title = title
        self._fixes = fixes
        self._listener = listener
        self._statements = StatementLog()
        self._data_migrations = DataMigrations(connection)
        self._referred: set[str] = set()

    @property
    def passed_over(self) -> list[str]:
        """The project's code that failed and why; its rows come from the source."""
        return self._data_migrations.passed_over

    def make(
        self,
        schema: Schema,
        recorded: Iterable[MigrationKey],
        ledger: Ledger,
        left_out: Container[Model] = (),
    ) -> list[SchemaChange]:
        """Make all tables that Django manages; `recorded` are the migrations of the source.

        The ledger gets the tables that rows are inserted into. Models in `left_out` get no table
        from "models". Gives what the fixes changed in the tables.

        Raises ConfigurationError, which says where it failed, or TransientLoadError.
        """
        self.drop_half_made(ledger)
        started = time.monotonic()
        with (
            self._failures_explained(schema),
            ledger.recording_writes() as record,
            self._connection.execute_wrapper(WrittenTables(record)),
            self._connection.execute_wrapper(self._statements),
            self._data_migrations.passing_over(),
            schema_fixes(self._connection, self._fixes) as changes,
        ):
            if schema == "models":
                create_model_tables(self._connection, recorded, left_out, self._listener)
            else:
                self._migrate()
        self._listener(StageFinished("migrate", 0, time.monotonic() - started))
        return changes

    def make_unmanaged(self, covered: Iterable[Model]) -> bool:
        """Make the tables of covered models that no migration makes; False if none is lacking."""
        there = {name.lower() for name in tables_of(self._connection)}
        unmanaged = [
            model
            for model in covered
            if not model._meta.managed and model._meta.db_table.lower() not in there
        ]
        if unmanaged:
            with self._connection.schema_editor() as editor:
                for model in unmanaged:
                    editor.create_model(model)
        return bool(unmanaged)

    def _migrate(self) -> None:
        pending = pending_migrations(self._connection)
        self._listener(StageStarted("migrate", len(pending), "migrations"))
        with self._connection.execute_wrapper(self._refer_ahead):
            if _refers_to_migrated(MigrationLoader(self._connection).unmigrated_apps):
                self._call_migrate(run_syncdb=False)
            self._call_migrate(run_syncdb=True)
        self._make_referred()

    def _call_migrate(self, *, run_syncdb: bool) -> None:
        command = load_command_class(get_commands()["migrate"], "migrate")
        # Django calls it for each migration, and calls it nothing else in public.
        command.migration_progress_callback = self._progressed  # type: ignore[attr-defined]
        call_command(
            command,
            database=self._connection.alias,
            run_syncdb=run_syncdb,
            interactive=False,
            verbosity=0,
            skip_checks=True,
        )

    def _progressed(self, action: str, migration: Migration | None = None, *_: object) -> None:
        if migration is not None and action in ("apply_start", "apply_success"):
            done = int(action == "apply_success")
            self._listener(StageAdvanced("migrate", done, str(migration)))

    @contextmanager
    def _failures_explained(self, schema: Schema) -> Iterator[None]:
        try:
            yield
        # A project's own data migrations may raise anything.
        except Exception as error:
            if is_of_the_server(error):
                first = hint_for(error) or "Wait until the server is back."
                raise TransientLoadError(
                    f"{self._title} was not migrated: {server_message(error)}",
                    hint=f"{first} Then run the same command again.",
                ) from error
            raise self._refusal(error, schema) from error

    def _refusal(self, error: Exception, schema: Schema) -> ConfigurationError:
        cause = server_message(error) if isinstance(error, DatabaseError) else repr(error)
        where = failed_operation(error)
        lines = [f"{self._title} cannot be migrated: {cause}"]
        if schema == "models":
            lines = [f"{self._title} cannot have the tables of the models: {cause}"]
        if where is not None:
            lines.append(f"  migration: {where.app}.{where.migration}")
            lines.append(f"  operation: {where.operation}")
        if self._statements.failed:
            lines.append(f"  statement: {self._statements.failed}")
        hint = "`fixturepipe run --schema models` makes the tables from the models as they are now."
        if schema == "models":
            hint = "Change the model, or declare a fix; `fixturepipe check` names what is refused."
        if code_of(error) in NO_PRIVILEGE:
            hint = hint_for(error)
        return ConfigurationError("\n".join(lines), hint=hint)

    def _refer_ahead(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Run a statement of `migrate`, which may refer to a table that is not there yet.

        SQLite does not mind: an unmanaged table is made by hand, another app's migration makes it
        later, or `--run-syncdb` does. The server accepts that while it does not check foreign keys.
        """
        try:
            return execute(sql, params, many, context)
        except DatabaseError:
            referred = re.search(r"REFERENCES `([^`]+)`", str(sql))
            if referred is None or referred[1] in tables_of(self._connection):
                raise
            self._referred.add(referred[1])
            with self._connection.constraint_checks_disabled():
                return execute(sql, params, many, context)

    def _make_referred(self) -> None:
        """Make the unmanaged tables that foreign keys refer to and nobody has made."""
        lacking = self._referred - tables_of(self._connection)
        concrete = (m for m in apps.get_models() if not m._meta.proxy)
        owners = (m for m in concrete if m._meta.db_table in lacking)
        with self._connection.schema_editor() as editor:
            for model in {model._meta.db_table: model for model in owners}.values():
                editor.create_model(model)

    def drop_half_made(self, ledger: Ledger) -> None:
        """Drop the tables of the project that an interrupted attempt of this run left behind.

        Raises ConfigurationError for rows in tables that the attempt never wrote.
        """
        state = ledger.state()
        if state is None or state.migrated:
            return
        project = {m._meta.db_table for m in apps.get_models(include_auto_created=True)}
        project.add(MigrationRecorder.Migration._meta.db_table)
        half_made = tables_of(self._connection) & project
        if not half_made:
            return
        own = {table.lower() for table in state.written}
        if found := row_counts(self._connection, (t for t in half_made if t.lower() not in own)):
            counts = [f"  {table}: {n:,}" for table, n in found.items()]
            raise ConfigurationError(
                "\n".join([f"{self._title} has rows that this run did not write:", *counts]),
                hint="They were written after an attempt to migrate was interrupted. Save them,"
                " then drop all tables, or use an empty database.",
            )
        quote = self._connection.ops.quote_name
        with self._connection.constraint_checks_disabled(), self._connection.cursor() as cursor:
            for table in sorted(half_made):
                cursor.execute(f"DROP TABLE {quote(table)}")


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


class WrittenTables:
    """For `execute_wrapper`: calls `record` with each table before the first INSERT into it.

    Migrations and receivers of `post_migrate` insert rows. A run replaces those with the source's,
    and has to know them from rows that others insert.

    A table that is renamed takes its rows along. Rows that a trigger or a procedure of the server
    inserts are not seen.
    """

    def __init__(self, record: Callable[[str], None]) -> None:
        self._record = record
        self._written: set[str] = set()

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        for table in self._written_by(str(sql)) - self._written:
            self._record(table)
            self._written.add(table)
        return execute(sql, params, many, context)

    def _written_by(self, sql: str) -> set[str]:
        renamed = _RENAME.match(sql)
        if renamed and renamed[1] in self._written:
            return {renamed[2]}
        return {found[1] for pattern in _INSERTS if (found := pattern.match(sql))}
