"""The steps that make a target ready for a run, in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.apps import apps

from fixturepipe.artifacts.manifest import (
    Manifest,
    ModelSchema,
    SchemaChange,
    record_schema_changes,
)
from fixturepipe.databases.coverage import coverage, models_of_virtual_tables
from fixturepipe.databases.endpoints import SOURCE, Endpoints, connection_to
from fixturepipe.databases.fields import Model
from fixturepipe.databases.ledger import RunState, refuse_other_runs
from fixturepipe.databases.migrations import MigrationKey, applied_migrations
from fixturepipe.errors import ConfigurationError
from fixturepipe.load.server.modeltables import operations_not_run
from fixturepipe.load.server.tablemaker import TableMaker
from fixturepipe.load.task import LoadTask
from fixturepipe.wording import in_lines

_SHOWN = 20


def prepare(
    task: LoadTask,
    covered: Sequence[Model],
    replaced: Sequence[Model] | None = None,
    *,
    before_check: bool = False,
) -> RunState:
    """Migrate an empty target; refuse one that cannot take the run, which has these models.

    Gives what the run found when it came first. The lock must be held.

    Rows that the run's own `migrate` writes are deleted from the tables of `replaced` models,
    by default of all.

    Raises ConfigurationError with the list of what is wrong.
    """
    target, manifest = task.target, task.manifest
    if task.options.dry_run and not target.tables:
        raise ConfigurationError(
            f"{target.title} is empty, and --dry-run makes no tables",
            hint="Migrate it first, or load without --dry-run.",
        )
    refuse_other_runs(target.sight.ledger, target.title)
    state = target.register_run()
    tables = TableMaker(target.connection, target.title, task.options.fix, task.listener)
    expected = _expected_migrations(task.endpoints, manifest)
    if not state.migrated:
        _make_tables(task, tables, expected)
        target.forget()
        target.clear_migrated(covered if replaced is None else replaced)
    target.require_migrations(expected)
    if state.was_empty and tables.make_unmanaged(covered):
        target.forget()
    # What is lacking is for `check` to say first, which knows what is excluded or ignored.
    if not before_check:
        target.require_tables(covered)
    target.require_transactional(covered)
    return state


def _make_tables(task: LoadTask, tables: TableMaker, expected: list[MigrationKey]) -> None:
    schema = task.options.schema
    how = "making its tables from the models" if schema == "models" else "migrating it"
    task.inform(f"{task.target.title} is empty: {how}")
    left_out = set() if task.manifest.schema else models_of_virtual_tables(connection_to(SOURCE))
    changes = tables.make(schema, expected, task.target.ledger, left_out)
    # Before the tables are marked as made: without the mark they are made a second time.
    record_schema_changes(task.directory, changes)
    for text, lines in (
        (
            "These tables differ from the models; manifest.json has the migrations to write:",
            [_described(change) for change in changes],
        ),
        (
            "This code of the project failed on the empty tables and was skipped. The rows come"
            " from the source, where it did run:",
            tables.passed_over,
        ),
        (
            "The tables come from the models. These operations of migrations did not run:",
            operations_not_run(expected, task.target.connection) if schema == "models" else [],
        ),
    ):
        if lines:
            task.warn("\n".join([text, *in_lines(lines, _SHOWN)]))


def _described(change: SchemaChange) -> str:
    where = f"{change.model} {', '.join(change.fields)}"
    kind = "unique constraint" if change.unique else "index"
    match change.fix:
        case "drop-index":
            return f"{where}: the {kind} {change.index} was not made"
        case "prefix":
            return f"{where}: the index {change.index} covers the first characters only"
        case _:
            return f"{where}: the column has the type of the key that it refers to"


def models_of_source(endpoints: Endpoints) -> list[Model]:
    """The models that a dump of the source will hold."""
    with endpoints.bound_to_source() as alias:
        return coverage(connection_to(alias), alias).models


def _expected_migrations(endpoints: Endpoints, manifest: Manifest) -> list[MigrationKey]:
    """The source's migrations: as dumped, or as they are; none where there is no source."""
    if not manifest.schema:
        endpoints.open()
        return applied_migrations(connection_to(SOURCE))
    return [(app, name) for app, name in manifest.migrations]


def models_of(schemas: Iterable[ModelSchema]) -> Iterator[Model]:
    """The models of the project. Raises ConfigurationError for one that it does not have."""
    for schema in schemas:
        try:
            yield apps.get_model(schema.label)
        except LookupError:
            raise ConfigurationError(
                f"The project has no model {schema.label}, which this run moves",
                hint="Use the settings that the dump was made with.",
            ) from None
