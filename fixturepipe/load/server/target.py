"""The target made ready: migrated if it is empty, refused if it is not what the run needs.

What the run finds is written into the ledger before anything is made, so that a run that was
killed in the middle of `migrate` knows, when it comes again, that the half-made tables are its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.catalog import Catalog
from fixturepipe.databases.coverage import LEDGER_PREFIX
from fixturepipe.databases.endpoints import Endpoints, clear_row_caches, connection_to
from fixturepipe.databases.fields import Model
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.ledger import CHUNKS, RUNS, Contents, Ledger, RunState
from fixturepipe.databases.migrations import (
    MIGRATIONS,
    RECORDED,
    MigrationDifference,
    difference,
    pending_migrations,
)
from fixturepipe.databases.packets import outcomes, results, row_counts
from fixturepipe.errors import ConfigurationError
from fixturepipe.wording import in_lines

Migrations = Sequence[tuple[str, str]]
_SHOWN = 20


@dataclass(frozen=True)
class Sight:
    """A target as it was when it was looked at. `migrations` are those that it records."""

    catalog: Catalog
    ledger: Contents
    migrations: Migrations


class LoadTarget:
    """The target database of one run, under the alias that it is bound to.

    `name` is how the user named it, and `title` how a sentence about it begins. All methods raise
    ConfigurationError for what the user has to change.
    """

    def __init__(self, alias: str, endpoints: Endpoints, run: str) -> None:
        self.alias = alias
        self.name, self.title = endpoints.target_name, endpoints.target_title
        self.connection: BaseDatabaseWrapper = connection_to(alias)
        self.ledger = Ledger(self.connection, run)

    @cached_property
    def sight(self) -> Sight:
        """What is there: looked at once, in two round trips, until `forget`."""
        catalog = Catalog(self.connection)
        recorded = [RECORDED] if MIGRATIONS in catalog.tables else []
        has_ledger = bool({RUNS, CHUNKS} & catalog.tables.keys())
        questions = self.ledger.questions if has_ledger else ()
        found = outcomes(self.connection, [*questions, *recorded])
        contents = self.ledger.contents(found[: len(questions)]) if has_ledger else Contents()
        rows = found[len(questions)] if recorded else []
        if isinstance(rows, DatabaseError):
            raise rows
        return Sight(catalog, contents, sorted((app, name) for app, name in rows))

    def forget(self) -> None:
        """Look at the target again when it is needed: its tables have changed."""
        self.__dict__.pop("sight", None)

    @property
    def tables(self) -> set[str]:
        """The tables that are there, the ledger's own left out."""
        names = {table.name for table in self.sight.catalog.tables.values()}
        return {name for name in names if not name.startswith(LEDGER_PREFIX)}

    def register_run(self) -> RunState:
        """The database as the run finds it, which is written down first of all."""
        if self.sight.ledger.state is not None:
            return self.sight.ledger.state
        was_empty = not self.tables
        return self.ledger.register_run(
            was_empty=was_empty, migrated=not was_empty, tables=self.sight.catalog.tables
        )

    def require_migrations(self, expected: Migrations) -> None:
        """The target is at the migrations of the source, or (without those) of the project."""
        if expected:
            found = difference(expected, self.sight.migrations)
        else:
            found = MigrationDifference(tuple(pending_migrations(self.connection)), ())
        if not found:
            return
        lines = [f"{app}.{name} is not applied to the target" for app, name in found.source_only]
        lines += [f"{app}.{name} is applied to the target only" for app, name in found.target_only]
        raise ConfigurationError(
            "\n".join(
                [
                    f"{self.title} does not have the migrations of the source:",
                    *in_lines(lines, _SHOWN),
                ]
            ),
            hint="Migrate both to the same state, or use an empty database as the target.",
        )

    def require_tables(self, covered: Iterable[Model]) -> None:
        """Every covered model has a table."""
        lacking = self._lacking(covered)
        if not lacking:
            return
        names = ", ".join(f"{m._meta.label} ({m._meta.db_table})" for m in lacking)
        raise ConfigurationError(
            f"{self.title} has no table for {names}",
            hint="Create these tables, or leave the models out with `fixturepipe dump --exclude`.",
        )

    def _lacking(self, covered: Iterable[Model]) -> list[Model]:
        tables = {name.lower() for name in self.tables}
        return [model for model in covered if model._meta.db_table.lower() not in tables]

    def require_transactional(self, covered: Iterable[Model]) -> None:
        """Rows and ledger commit together, which MyISAM, Aria and the like cannot."""
        tables = self.sight.catalog.tables
        found = (tables.get(model._meta.db_table.lower()) for model in covered)
        wrong = sorted(f"{t.name} ({t.engine})" for t in found if t and not t.transactional)
        if wrong:
            named = ", ".join(wrong)
            raise ConfigurationError(
                f"{self.title} has tables of engines without transactions: {named}",
                hint="Change each of them: ALTER TABLE name ENGINE=InnoDB.",
            )

    def clear_migrated(self, covered: Iterable[Model]) -> None:
        """Delete what the run's own `migrate` wrote into the tables of covered models.

        The ledger says in the same transaction that it is done: rows that appear later are
        not the run's.
        """
        state = self.ledger.state()
        written = {table.lower() for table in state.written} if state else set()
        chosen = {model for model in covered if model._meta.db_table.lower() in written}
        chosen -= self._needed_by_others(chosen)
        with transaction.atomic(using=self.alias):
            self.delete_rows(chosen)
            self.ledger.mark_migrated()
        clear_row_caches()

    def delete_rows(self, chosen: Iterable[Model]) -> None:
        """Delete all rows of these models."""
        quote = self.connection.ops.quote_name
        with self.connection.constraint_checks_disabled():
            tables = [quote(model._meta.db_table) for model in chosen]
            results(self.connection, [f"DELETE FROM {table}" for table in tables])

    def delete_where(self, model: Model, condition: str) -> None:
        """Delete the rows of one model that meet a condition (SQL, without parameters)."""
        table = self.connection.ops.quote_name(model._meta.db_table)
        with self.connection.constraint_checks_disabled(), self.connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table} WHERE {condition}")

    def _needed_by_others(self, chosen: Collection[Model]) -> set[Model]:
        """Those of the models that rows refer to which are not to be deleted."""
        # Proxies and unmanaged models can share a table with one of the chosen.
        tables = {model._meta.db_table for model in chosen}
        every = set(apps.get_models(include_auto_created=True))
        every -= set(self._lacking(every))
        filled = row_counts(self.connection, {model._meta.db_table for model in every})
        kept = {model for model in every if model._meta.db_table not in tables}
        while True:
            referring = (model for model in kept if model._meta.db_table in filled)
            found = {remote for model in referring for remote in _referenced(model)}
            needed = found & set(chosen)
            if needed <= kept:
                return needed
            kept |= needed


def _referenced(model: Model) -> set[Any]:
    return {
        field.related_model._meta.concrete_model
        for field in model._meta.concrete_fields
        if isinstance(field.related_model, type)
    }


def own_rows_matter(model: Model) -> bool:
    """Content types and permissions are every target's own, and are matched, not replaced."""
    return model._meta.label_lower not in NATURAL_PRIMARY
