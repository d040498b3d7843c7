"""Rows of a target that the user migrated: accepted if they are only what migrations leave.

`migrate` leaves rows: the default site, and what data migrations insert. A target that the user
migrated, as messages advise, holds them before the first chunk comes. What a fresh `migrate` leaves
is learned by running it in a private server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

from django.db import models, transaction

from fixturepipe.artifacts.manifest import open_run
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoint, Endpoints, connection_to
from fixturepipe.databases.fields import Model, key_fields, root_field, stored_fields
from fixturepipe.databases.ledger import Ledger
from fixturepipe.databases.migrations import MigrationKey
from fixturepipe.databases.packets import row_counts
from fixturepipe.databases.tables import Row, Table
from fixturepipe.errors import ConfigurationError
from fixturepipe.events import Listener
from fixturepipe.load.existing import ExistingRows
from fixturepipe.load.options import LoadOptions
from fixturepipe.load.preparation import models_of, models_of_source
from fixturepipe.load.server.lock import loader_lock
from fixturepipe.load.server.tablemaker import TableMaker
from fixturepipe.load.task import LoadTask

RowsByModel = Mapping[Model, set[Row]]
FreshDatabase = Callable[[], AbstractContextManager[Endpoint]]

# In a table with more rows, some come from elsewhere.
MOST_ROWS = 2_000
# Two runs of the same migrations leave other values in these.
_VARYING = frozenset({"DateTimeField", "DateField", "TimeField", "UUIDField"})


def replace_migrated_rows(
    directory: RunDirectory,
    endpoints: Endpoints,
    options: LoadOptions,
    listener: Listener,
    fresh_database: FreshDatabase,
) -> None:
    """Delete what migrations left in a target that the user migrated, before the first chunk.

    `fresh_database` gives an empty database to run the migrations in.

    Raises ConfigurationError with counts and keys if there are other rows, too.
    """
    manifest = open_run(directory)
    schema = manifest.schema
    covered = list(models_of(schema) if schema else models_of_source(endpoints))
    with endpoints.bound_to_target() as alias:
        task = LoadTask(directory, endpoints, alias, manifest, options, listener)
        existing = _existing(task, covered)
        if existing is None:
            return
        found = rows_by_model(alias, existing.models)
    if not found:
        return
    fresh: RowsByModel = {}
    with suppress(ConfigurationError), fresh_database() as endpoint:
        recorded = [(app, name) for app, name in manifest.migrations]
        fresh = rows_that_migrate_leaves(endpoints, endpoint, list(found), recorded)
    with (
        endpoints.bound_to_target() as alias,
        loader_lock(connection_to(alias)),
        transaction.atomic(using=alias),
    ):
        task = LoadTask(directory, endpoints, alias, manifest, options, listener)
        existing = _existing(task, covered)
        if existing is None:
            return
        if not are_explained(rows_by_model(alias, existing.models), fresh):
            existing.deal_with({})
        existing.delete_all()
    task.inform(f"{task.target.title} holds only rows that its migrations wrote: they are replaced")


def _existing(task: LoadTask, covered: Sequence[Model]) -> ExistingRows | None:
    """The rows of a target that had tables when the run came and has no chunk yet, if refused."""
    if task.options.existing != "refuse":
        return None
    ledger = task.target.sight.ledger
    was_empty = ledger.state.was_empty if ledger.state is not None else not task.target.tables
    if was_empty or ledger.entries:
        return None
    return ExistingRows(task, covered)


def rows_by_model(alias: str, covered: Sequence[Model]) -> RowsByModel:
    """The first rows of each model that has any, without the values that vary between runs."""
    found: dict[Model, set[Row]] = {}
    filled = row_counts(connection_to(alias), (model._meta.db_table for model in covered))
    for model in covered:
        if model._meta.db_table not in filled:
            continue
        fields = [f for f in stored_fields(model) if not _varies(model, f)]
        page = next(Table(model, connection_to(alias), fields).pages(rows=MOST_ROWS + 1), [])
        if page:
            found[model] = {tuple(map(_comparable, row)) for row in page}
    return found


def rows_that_migrate_leaves(
    endpoints: Endpoints,
    fresh: Endpoint,
    covered: Sequence[Model],
    recorded: Collection[MigrationKey],
) -> RowsByModel:
    """What `migrate` leaves in an empty database.

    Raises ConfigurationError if it fails there.
    """
    endpoints = Endpoints(endpoints.alias, endpoints.source, fresh)
    with endpoints.bound_to_target() as alias:
        connection = connection_to(alias)
        ledger = Ledger(connection, "fresh")
        ledger.register_run(was_empty=True, migrated=False, tables=())
        TableMaker(connection, endpoints.target_title).make("migrate", recorded, ledger)
        return rows_by_model(alias, covered)


def are_explained(found: RowsByModel, fresh: RowsByModel) -> bool:
    """Whether `migrate` leaves all of the rows."""
    return all(
        len(rows) <= MOST_ROWS and rows <= fresh.get(model, set()) for model, rows in found.items()
    )


def _varies(model: Model, field: models.Field[Any, Any]) -> bool:
    varies = root_field(field).get_internal_type() in _VARYING
    return varies and field not in key_fields(model)


def _comparable(value: Any) -> Any:
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value
