"""Whether the target takes the project's tables: made as temporary ones, before anything is made.

Each model's table is made as Django would make it, as a temporary table and without foreign keys,
then its indexes; so the server's own verdict is known, whatever its version and settings. A refused
statement is taken apart until the column, the constraint or the index is known that it is about.
Declared fixes apply as they do when the tables are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check import refusals
from fixturepipe.databases.fields import Model
from fixturepipe.databases.packets import outcomes
from fixturepipe.databases.queries import executed
from fixturepipe.databases.tablesql import (
    CreateTable,
    Index,
    TableStatements,
    UnwritableTableError,
    table_statements,
)
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.fixes import Fixes
from fixturepipe.fixes.schemafixes import REFUSED_INDEX, REFUSED_UNIQUE, SchemaFixes, is_refusal

_STAND_IN_KEY = "`fixturepipe_key` BIGINT NOT NULL PRIMARY KEY"
# A temporary table has none of these (InnoDB).
_PERMANENT_ONLY = ("FULLTEXT", "SPATIAL")
# The most indexes of a table; every foreign key needs one.
_MOST_INDEXES = 64
_TEXTS = ("varchar", "char", "longtext", "text")


@dataclass(frozen=True)
class _Refusal:
    """What the server refuses: a column, a constraint, or all of the table."""

    what: str
    error: DatabaseError
    column: str = ""


class TableTrial:
    """Tries tables on a server. `connection` is left without temporary tables."""

    def __init__(self, connection: BaseDatabaseWrapper, fixes: Fixes) -> None:
        self._connection = connection
        self._fixing = SchemaFixes(connection, fixes)

    def findings(self, models: Iterable[Model]) -> Iterator[Finding]:
        """FP317 to FP319 for what the server refuses of the models' tables, FP328 if Django fails.

        Raises DatabaseError where an error is not about a table.
        """
        described = []
        for model in models:
            try:
                statements = table_statements(model, self._connection)
            except UnwritableTableError as error:
                yield RULES["FP328"].finding(model._meta.label_lower, reason=error)
                continue
            if statements is not None:
                described.append((model, statements))
        trials = [
            statement
            for _, each in described
            for statement in (self._whole(each).temporary(), _dropped(each.create))
        ]
        verdicts = outcomes(self._connection, trials)[::2]
        for (model, statements), verdict in zip(described, verdicts, strict=True):
            if isinstance(verdict, list):
                continue
            if not is_refusal(verdict):
                raise verdict
            yield from self._refused(model, statements)

        if not self._connection.mysql_is_mariadb:  # type: ignore[attr-defined]
            yield from _same_names(described)

    def _refused(self, model: Model, statements: TableStatements) -> Iterator[Finding]:
        """What the server refuses of a table that it does not take."""
        create = statements.create
        uniques: list[Index] = []
        if error := self._takes(replace(create, definitions=(_STAND_IN_KEY,))):
            # Its name or its comment: nothing else can be tried.
            yield self._of_table(model, _Refusal(f"the table {create.table}", error))
            return
        try:
            error = self._refusal(create.temporary())
            if error is not None:
                create, uniques = create.apart()
                create, refusals_found = self._reduced(create)
                yield from (self._of_table(model, each) for each in refusals_found)
            indexes = self._indexes(create, uniques, statements)
            yield from self._tried_indexes(model, create.table, indexes)
        finally:
            self._run(_dropped(create))

    def _whole(self, statements: TableStatements) -> CreateTable:
        """The table with all its indexes in one statement, which a server takes or not."""
        create = statements.create
        indexes = self._indexes(create, (), statements)
        clauses = (index.clause.removeprefix("ADD ") for index in indexes)
        return replace(create, definitions=(*create.definitions, *clauses))

    def _run(self, statement: str) -> None:
        executed(self._connection, statement)

    def _refusal(self, statement: str) -> DatabaseError | None:
        """The server's error for a statement; None if it takes it.

        Raises DatabaseError where the error is not about the statement.
        """
        try:
            self._run(statement)
        except DatabaseError as error:
            if not is_refusal(error):
                raise
            return error
        return None

    def _takes(self, create: CreateTable) -> DatabaseError | None:
        """The server's error for a table, which is dropped again."""
        error = self._refusal(create.temporary())
        if error is None:
            self._run(f"DROP TEMPORARY TABLE `{create.table}`")
        return error

    def _reduced(self, create: CreateTable) -> tuple[CreateTable, list[_Refusal]]:
        """The part of a refused table that the server takes, made, and what it refuses."""
        if self._refusal(create.temporary()) is None:
            return create, []
        columns, checks = create.columns(), create.checks()
        others = [d for d in create.definitions if d not in {*columns.values(), *checks.values()}]
        key = [d for d in columns.values() if "PRIMARY KEY" in d]
        found: list[_Refusal] = []
        taken = self._key(create, columns, key, others, found)
        left = {name: d for name, d in columns.items() if d not in taken.definitions}
        # What is computed from other columns comes after them.
        for name, definition in sorted(left.items(), key=lambda each: "GENERATED" in each[1]):
            if any(each.column == name for each in found):
                continue
            larger = replace(taken, definitions=(*taken.definitions, definition))
            error = self._takes(larger)
            if error is None:
                taken = larger
            elif refusals.is_about_the_table(error):
                self._run(taken.temporary())
                return taken, [*found, _Refusal(f"the table {create.table}", error)]
            else:
                found.append(_Refusal(f"the column {name}", error, name))
        self._run(taken.temporary())
        for name, definition in checks.items():
            error = self._refusal(f"ALTER TABLE `{create.table}` ADD {definition}")
            if error is not None and not found:
                found.append(_Refusal(f"the constraint {name}", error))
        return taken, found

    def _key(
        self,
        create: CreateTable,
        columns: dict[str, str],
        key: Sequence[str],
        others: Sequence[str],
        found: list[_Refusal],
    ) -> CreateTable:
        """The table with its primary key alone, or another one if the server refuses that."""
        composite = [name for name in columns if any(f"`{name}`" in other for other in others)]
        begin = [*key, *(columns[name] for name in composite), *others]
        keyed = replace(create, definitions=tuple(begin))
        error = self._takes(keyed)
        if error is None:
            return keyed
        names = composite or [name for name, definition in columns.items() if definition in key]
        found += [_Refusal(f"the primary key {name}", error, name) for name in names]
        return replace(create, definitions=(_STAND_IN_KEY,))

    def _indexes(
        self, create: CreateTable, uniques: Sequence[Index], statements: TableStatements
    ) -> list[Index]:
        """The indexes to try, those that foreign keys need included."""
        columns = create.columns()
        known = [
            index
            for index in (*uniques, *statements.indexes)
            if index.kind not in _PERMANENT_ONLY and set(index.column_names) <= columns.keys()
        ]
        many = len(known) + len(statements.keys) >= _MOST_INDEXES
        first = {index.column_names[:1] for index in known}
        for key in statements.keys:
            definition = columns.get(key.column, "")
            kind = definition.removeprefix(f"`{key.column}` ").partition("(")[0].partition(" ")[0]
            unindexed = "UNIQUE" not in definition and (key.column,) not in first
            if unindexed and (many or kind.lower() in _TEXTS):
                known.append(Index(create.table, key.name, f"`{key.column}`"))
        return known

    def _tried_indexes(
        self, model: Model, table: str, indexes: Sequence[Index]
    ) -> Iterator[Finding]:
        together = f"ALTER TABLE `{table}` {', '.join(index.clause for index in indexes)}"
        if not indexes or self._refusal(together) is None:
            return
        for index in indexes:
            error = self._refusal(index.statement)
            if error is None:
                continue
            fixed = self._fixing.fixed_index(index, error, self._run)
            yield self._of_index(model, index, error, self._fixing.changes[-1].fix if fixed else "")

    def _of_table(self, model: Model, refusal: _Refusal) -> Finding:
        fields = _field_names(model, [refusal.column])
        return RULES["FP317"].finding(
            model._meta.label_lower, fields, what=refusal.what, **refusals.described(refusal.error)
        )

    def _of_index(self, model: Model, index: Index, error: Any, fixed_by: str) -> Finding:
        columns = ", ".join(index.column_names)
        return RULES[REFUSED_UNIQUE if index.unique else REFUSED_INDEX].finding(
            model._meta.label_lower,
            _field_names(model, index.column_names),
            fixed_by=fixed_by,
            name=index.name,
            columns=columns,
            **refusals.described(error),
        )


def _same_names(described: Iterable[tuple[Model, TableStatements]]) -> Iterator[Finding]:
    """FP317 for CHECK constraints of one name. MySQL takes it once in a database, which the
    temporary tables do not show.
    """
    tables: dict[str, str] = {}
    for model, statements in described:
        for name in statements.create.checks():
            other = tables.setdefault(name.lower(), statements.create.table)
            if other != statements.create.table:
                yield RULES["FP317"].finding(
                    model._meta.label_lower,
                    "",
                    what=f"the constraint {name}",
                    reason=f"the table {other} has a CHECK constraint of the same name",
                    number=3822,
                    hint="Choose another name in a migration.",
                )


def _dropped(create: CreateTable) -> str:
    return f"DROP TEMPORARY TABLE IF EXISTS `{create.table}`"


def _field_names(model: Model, columns: Sequence[str]) -> str:
    fields = model._meta.local_concrete_fields
    return ", ".join(field.name for field in fields if field.column in columns)
