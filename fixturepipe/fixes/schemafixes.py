"""Declared fixes of indexes that the target refuses, applied while tables are made.

`migrate` stops at a refused index, so a fix cannot wait for its end. `SchemaFixes` is a wrapper of
a connection's `execute` (django.db.backends.base.base.BaseDatabaseWrapper.execute_wrapper). It
changes a statement only after the server refused it:

    prefix        an index, not unique, covers the first characters of the column
    drop-index    the index is not made; a unique one leaves its columns unguarded

Without a declaration it gives a foreign key's column the type of the column that it refers to, if
the server refuses the constraint because they differ: they do where an app without migrations
refers to one whose migrations are older than DEFAULT_AUTO_FIELD.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import DatabaseError, Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.writer import MigrationWriter

from fixturepipe.artifacts.manifest import SchemaChange
from fixturepipe.databases.fields import Field, Model
from fixturepipe.databases.pages import Row
from fixturepipe.databases.queries import rows_of
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tablesql import (
    ForeignKey,
    Index,
    added_column,
    modified_column,
    parse_clauses,
    parse_create,
    parse_foreign_key,
    parse_index,
    without_unique,
)
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.fixes import Fix, Fixes

Run = Callable[[str], Any]

REFUSED_INDEX, REFUSED_UNIQUE = "FP318", "FP319"
KEY_TYPE = "key-type"

# The lengths in characters that `prefix` tries: 3,072 bytes of utf8mb4 are 768, 767 bytes are 191.
_PREFIXES = (768, 512, 384, 255, 191, 100, 50)
# https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html: duplicate name or
# value, lock wait, deadlock; a full disk or table, a limit of the account, a read-only server.
# Numbers from 2000 to 2999 are those of the client.
_NOT_REFUSED = frozenset({1061, 1062, 1205, 1213, 1021, 1114, 1226, 1290, 1836})
_INCOMPATIBLE = frozenset({1005, 1215, 3780})
_NO_SUCH_INDEX = 1091


@contextmanager
def schema_fixes(
    connection: BaseDatabaseWrapper, declarations: Iterable[Declaration] = ()
) -> Iterator[list[SchemaChange]]:
    """While in the block, statements that make tables are fixed as declared.

    Gives the changes, a list that grows. Raises ConfigurationError for declarations that cannot
    apply.
    """
    fixing = SchemaFixes(connection, Fixes(tuple(declarations)))
    with connection.execute_wrapper(fixing):
        yield fixing.changes


class SchemaFixes:
    """Fixes statements of one connection that the server refuses; `changes` grows."""

    def __init__(self, connection: BaseDatabaseWrapper, fixes: Fixes) -> None:
        self._connection = connection
        self._fixes = fixes
        candidates = [m for m in apps.get_models(include_auto_created=True) if not m._meta.proxy]
        self._models = {table_name(model, connection): model for model in candidates}
        self.changes: list[SchemaChange] = []

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: Any,
        many: bool,
        context: dict[str, Any],
    ) -> Any:
        """Run a statement; see `execute_wrapper`."""
        try:
            return execute(sql, params, many, context)
        except DatabaseError as error:
            if params or not self._fixed(
                str(sql), error, lambda statement: execute(statement, None, False, context)
            ):
                raise
            return None

    def add(self, index: Index, run: Run) -> SchemaChange | None:
        """Make an index; gives what was made in its place. Raises DatabaseError if refused."""
        try:
            run(index.statement)
        except DatabaseError as error:
            if not self.fixed_index(index, error, run):
                raise
            return self.changes[-1]
        return None

    def _fixed(self, statement: str, error: DatabaseError, run: Run) -> bool:
        """Whether something else was done in place of a refused statement."""
        if index := parse_index(statement):
            return self.fixed_index(index, error, run)
        if key := parse_foreign_key(statement):
            return self._fixed_key(key, error, run)
        if create := parse_create(statement):
            bare, indexes = create.apart()
            if not any(map(self._fix, indexes)):
                return False
            run(bare.statement)
            for each in indexes:
                self.add(each, run)
            return True
        table, clauses = parse_clauses(statement)
        if len(clauses) == 1 and (column := modified_column(clauses[0])):
            return self._fixed_modify(statement, table, column, run)
        if clauses and all(added_column(c) or _is_key(table, c) for c in clauses):
            return self._fixed_column(table, clauses, run)
        return error_number(error) == _NO_SUCH_INDEX and self._was_dropped(statement)

    def _fix(self, index: Index) -> Fix | None:
        """What is declared for an index that the server refuses."""
        model = self._models.get(index.table)
        fields = self._fields(index.table, index.column_names)
        if model is None or not fields:
            return None
        return self._fixes.of(REFUSED_UNIQUE if index.unique else REFUSED_INDEX, model, fields)

    def _fields(self, table: str, columns: Sequence[str]) -> list[Field]:
        model = self._models.get(table)
        fields = model._meta.local_concrete_fields if model is not None else ()
        return [field for field in fields if field.column in columns]

    def fixed_index(self, index: Index, error: DatabaseError, run: Run) -> bool:
        """Whether a declared fix made something in place of an index that the server refused."""
        fix = self._fix(index)
        if fix is None or not is_refusal(error):
            return False
        if fix.name != "prefix":
            self._record(index, fix.name, "")
            return True
        for length in _PREFIXES:
            shorter = index.with_prefix(fix.field.column, length)
            try:
                run(shorter.statement)
            except DatabaseError:
                continue
            self._record(index, fix.name, shorter.statement)
            return True
        return False

    def _fixed_column(self, table: str, clauses: Sequence[str], run: Run) -> bool:
        """ALTER TABLE that adds columns and foreign keys: each of them by itself."""
        added = [(column, c) for c in clauses if (column := added_column(c))]
        indexes = {
            column: Index(table, column, f"`{column}`", "UNIQUE")
            for column, clause in added
            if without_unique(clause) != clause
        }
        keys = [key for c in clauses if (key := parse_foreign_key(f"ALTER TABLE `{table}` {c}"))]
        if not keys and not any(map(self._fix, indexes.values())):
            return False
        for column, clause in added:
            run(f"ALTER TABLE `{table}` {without_unique(clause)}")
            if column in indexes:
                self.add(indexes[column], run)
        for key in keys:
            statement = _key_statement(key)
            try:
                run(statement)
            except DatabaseError as error:
                if not self._fixed_key(key, error, run):
                    raise
        return True

    def _fixed_modify(self, statement: str, table: str, column: str, run: Run) -> bool:
        """A column that becomes too long for the indexes that it has."""
        indexes = [index for index in self._indexes(table, column) if self._fix(index)]
        for index in indexes:
            run(f"ALTER TABLE `{table}` DROP INDEX `{index.name}`")
        if indexes:
            run(statement)
            for index in indexes:
                self.add(index, run)
        return bool(indexes)

    def _indexes(self, table: str, column: str) -> list[Index]:
        """The indexes of a table, but for its primary key, in which a column takes part."""
        with self._connection.cursor() as cursor:
            found = self._connection.introspection.get_constraints(cursor, table)
        return [
            Index(
                table,
                name,
                ", ".join(f"`{each}`" for each in index["columns"]),
                "UNIQUE" if index["unique"] else "",
            )
            for name, index in found.items()
            if index["index"] and not index["primary_key"] and column in index["columns"]
        ]

    def _fixed_key(self, key: ForeignKey, error: DatabaseError, run: Run) -> bool:
        """Give the column of a foreign key the type of what it refers to, if they differ."""
        if error_number(error) not in _INCOMPATIBLE:
            return False
        ours, theirs = (
            self._rows(
                "SELECT COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, IS_NULLABLE"
                " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
                " AND TABLE_NAME = %s AND COLUMN_NAME = %s",
                *place,
            )
            for place in ((key.table, key.column), (key.to_table, key.to_column))
        )
        if not ours or not theirs or ours[0][:3] == theirs[0][:3]:
            return False
        kind, charset, collation, _ = theirs[0]
        text = f" CHARACTER SET {charset} COLLATE {collation}" if charset else ""
        null = "NULL" if ours[0][3] == "YES" else "NOT NULL"
        statement = f"ALTER TABLE `{key.table}` MODIFY `{key.column}` {kind}{text} {null}"
        run(statement)
        run(_key_statement(key))
        model = self._models.get(key.table)
        label = model._meta.label_lower if model is not None else key.table
        names = tuple(field.name for field in self._fields(key.table, [key.column]))
        self.changes.append(SchemaChange(label, names, key.name, False, KEY_TYPE, statement, ""))
        return True

    def _was_dropped(self, statement: str) -> bool:
        """Whether a statement drops an index that a fix has not made."""
        names = set(re.findall(r"`([^`]+)`", statement))
        dropped = (each for each in self.changes if not each.statement)
        return "DROP INDEX" in statement and any(each.index in names for each in dropped)

    def _record(self, index: Index, fix: str, statement: str) -> None:
        model = self._models[index.table]
        fields = self._fields(index.table, index.column_names)
        self.changes.append(
            SchemaChange(
                model._meta.label_lower,
                tuple(field.name for field in fields),
                index.name,
                index.unique,
                fix,
                statement,
                _operation(model, index, fields, statement),
            )
        )

    def _rows(self, statement: str, *parameters: str) -> list[Row]:
        return rows_of(self._connection, statement, parameters)


def is_refusal(error: Error) -> bool:
    """Whether a server refuses a statement as such, whatever rows and locks there are."""
    number = error_number(error)
    return number not in _NOT_REFUSED and not 2000 <= number < 3000


def error_number(error: Error) -> int:
    """The server's number of an error; 0 for one without."""
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0


def _is_key(table: str, clause: str) -> bool:
    return parse_foreign_key(f"ALTER TABLE `{table}` {clause}") is not None


def _key_statement(key: ForeignKey) -> str:
    return (
        f"ALTER TABLE `{key.table}` ADD CONSTRAINT `{key.name}` FOREIGN KEY (`{key.column}`)"
        f" REFERENCES `{key.to_table}` (`{key.to_column}`)"
    )


def _operation(model: Model, index: Index, fields: Sequence[Field], statement: str) -> str:
    """The migration operation that takes an index out of the model, in Python."""
    name = model._meta.model_name
    if index.name in [each.name for each in model._meta.indexes]:
        removed = f'migrations.RemoveIndex("{name}", "{index.name}")'
    elif index.name in [each.name for each in model._meta.constraints]:
        removed = f'migrations.RemoveConstraint("{name}", "{index.name}")'
    elif len(fields) != 1:
        left = set(model._meta.unique_together) - {tuple(field.name for field in fields)}
        removed = f'migrations.AlterUniqueTogether("{name}", {left or "set()"})'
    else:
        field: Any = fields[0]
        plain = field.clone()
        plain._unique = plain.db_index = False
        written = MigrationWriter.serialize(plain)[0]
        removed = f'migrations.AlterField("{name}", "{field.name}", {written})'
    return f"{removed},\nmigrations.RunSQL({statement!r})" if statement else removed
