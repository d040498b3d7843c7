"""The target's tables made from the models as they are now, without running a migration.

Some projects have migrations that cannot run from the beginning on an empty MySQL: they hold SQL of
SQLite's own, update a table from a subquery on itself, or need rows that are not there yet. Their
models are fine. The rows come from the source in any case; what only a migration would make
(triggers, views, indexes in plain SQL) is named by `operations_not_run`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from django.apps import apps
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import migrations, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder

from fixturepipe.databases.fields import Model
from fixturepipe.databases.migrations import MigrationKey, database_operations, sql_statements
from fixturepipe.events import Listener, StageAdvanced, StageStarted, ignore

# What a RunSQL makes that no model describes.
_MADE = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:DEFINER\s*=\s*\S+\s+)?(?:UNIQUE\s+|FULLTEXT\s+|VIRTUAL\s+)*"
    r"(TRIGGER|VIEW|INDEX|FUNCTION|PROCEDURE|TABLE|EVENT)\s+(?:IF\s+NOT\s+EXISTS\s+)?([^\s(]+)",
    re.IGNORECASE,
)
_QUOTES = '`"[]'


def create_model_tables(
    connection: BaseDatabaseWrapper,
    recorded: Iterable[MigrationKey],
    left_out: Container[Model] = (),
    listener: Listener = ignore,
) -> None:
    """Create the table of every managed model, then record the source's migrations as applied.

    Content types and permissions are made by Django's own signal handlers, as after `migrate`.
    `recorded` are the migrations that the source records, in its order. Models in `left_out` get
    no table.
    """
    alias = connection.alias
    wanted = [model for model in models_to_create(alias) if model not in left_out]
    listener(StageStarted("migrate", len(wanted), "tables"))
    emit_pre_migrate_signal(0, False, alias)
    with connection.schema_editor() as editor:
        for model in wanted:
            editor.create_model(model)
            listener(StageAdvanced("migrate", 1, model._meta.label_lower))
    recorder = MigrationRecorder(connection)
    recorder.ensure_schema()
    for app, name in recorded:
        recorder.record_applied(app, name)
    emit_post_migrate_signal(0, False, alias)


def models_to_create(alias: str) -> list[Model]:
    """The models whose tables Django manages in this database; automatic through tables follow."""
    return [
        model
        for model in apps.get_models()
        if model._meta.can_migrate(alias) and router.allow_migrate_model(alias, model)
    ]


def operations_not_run(
    recorded: Iterable[MigrationKey], connection: BaseDatabaseWrapper
) -> list[str]:
    """The RunSQL, RunPython and unknown operations of the recorded migrations, in their order."""
    known = MigrationLoader(None, ignore_no_migrations=True).disk_migrations or {}
    return [
        f"{app}.{name}: {described}"
        for app, name in recorded
        if (app, name) in known
        for operation in database_operations(known[app, name].operations)
        if (described := beyond_models(operation, connection))
    ]


def beyond_models(operation: Operation, connection: BaseDatabaseWrapper) -> str:
    """What the models do not describe of an operation; "" where they describe all of it.

    Of a RunSQL also what it makes: triggers, views and the like, as far as its text shows.
    """
    kind = type(operation).__name__
    if isinstance(operation, migrations.RunSQL):
        found = _MADE.findall(";\n".join(sql_statements(operation, connection)))
        made = ", ".join(f"{what.upper()} {name.strip(_QUOTES)}" for what, name in found)
        described = f"{kind} ({made})" if made else kind
        return "" if operation.sql == migrations.RunSQL.noop else described
    if isinstance(operation, migrations.RunPython):
        return "" if operation.code is migrations.RunPython.noop else kind
    return "" if type(operation).__module__.startswith("django.db.migrations.") else kind
