"""A model's own table, nothing hidden: the query that the dump reads through.

No manager and no default filter takes part, parents' columns are left to the parents, and
all joins are outer joins, so that rows with dangling references are there too.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import sql
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import Col

from fixturepipe.databases.fields import Field, Model, has_own_sql


class _StoredCol(Col):
    """A column without what the project's own code wraps around it in a SELECT."""

    def select_format(self, _compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """The column as it is."""
        return sql, params


def _as_stored(column: Col) -> Col:
    output: Any = column.output_field
    if not has_own_sql(output):
        return column
    return _StoredCol(column.alias, column.target, output)


class PlainQuery:
    """Columns of a model and of the models it refers to, in the order of selection."""

    def __init__(self, model: Model, connection: BaseDatabaseWrapper) -> None:
        self.model = model
        self.connection = connection
        self._base = model._meta.db_table
        self._query = models.QuerySet(model=model, using=connection.alias).order_by().query
        self._query.get_initial_alias()
        self._query.default_cols = False
        self._query.select = ()

    def select(self, column: Col) -> Col:
        """Select one more column."""
        self._query.select = (*self._query.select, column)
        return column

    def own(self, field: Field) -> Col:
        """A column of the model's own table."""
        return _as_stored(field.get_col(self._base))

    def join(self, path: str, *, whole: bool = False) -> Col:
        """A column by its look-up path ("author__name").

        A path that ends in a foreign key gives that key's own column, or with `whole` the
        column that it refers to, in the other table: NULL for a dangling reference.
        """
        names = path.split(LOOKUP_SEP)
        found = self._query.setup_joins(names, self.model._meta, self._base)
        targets, joins = found.targets, found.joins
        tables: dict[str, Any] = self._query.alias_map
        for alias in joins[1:]:
            tables[alias] = tables[alias].promote()
        if not whole:
            targets, _, joins = self._query.trim_joins(targets, joins, found.path)
        return _as_stored(targets[0].get_col(joins[-1]))

    @property
    def tables(self) -> int:
        """How many tables are joined so far."""
        return len(self._query.alias_map)

    @property
    def by_key(self) -> sql.Query:
        """The query, in the order of the primary key."""
        query = self._query.chain()
        query.add_ordering("pk")
        return query

    def as_subquery(self) -> tuple[str, tuple[Any, ...]]:
        """SQL in parentheses and its parameters; the columns are named col1, col2 …"""
        compiler = self._query.get_compiler(connection=self.connection)
        text, parameters = compiler.as_sql(with_col_aliases=True)
        return f"({text})", tuple(parameters)


def every_row(model: Model, alias: str) -> models.QuerySet[Any]:
    """The model's rows past its managers and in no order, so that no row is hidden."""
    rows: models.QuerySet[Any] = models.QuerySet(model, using=alias)
    return rows.order_by()
