"""Batches of raw rows in place of instances, behind the manager that dumpdata asks for them.

"--all" makes dumpdata read through a model's base manager. Such a one gives, from `iterator`,
batches of raw rows, column by column. Everything else works as with any plain manager, since the
project's code may use it meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import sql
from django.db.models.sql.constants import CURSOR
from django.db.models.sql.where import AND, ExtraWhere

from fixturepipe.databases.fields import key_fields
from fixturepipe.databases.pages import (
    FIRST_WIDE_ROWS,
    PAGE_ROWS,
    Row,
    fetch_page,
    next_limit,
    wide_columns,
)
from fixturepipe.databases.queries import any_text, is_undecodable, undecodable_text
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tables import Key
from fixturepipe.dump.rowplan import Columns, RowPlan

if TYPE_CHECKING:
    _QuerySet = models.QuerySet[Any]
    _Manager = models.Manager[Any]
else:
    _QuerySet, _Manager = models.QuerySet, models.Manager


@dataclass(frozen=True)
class Rows:
    """A batch of one model: its raw values, by column, as the plan selects them."""

    plan: RowPlan
    columns: Columns


class RowQuerySet(_QuerySet):
    """Gives batches of raw rows where dumpdata asks for instances."""

    plan: RowPlan

    def _clone(self) -> RowQuerySet:
        # The one place where a QuerySet's own state can be carried along, private or not.
        clone: RowQuerySet = super()._clone()  # type: ignore[misc]
        clone.plan = self.plan
        return clone

    def iterator(self, chunk_size: int | None = None) -> Iterator[Any]:
        """Every row of the model in the order of its key, in batches of `chunk_size`."""
        batches = _batches(self.plan.query, self.plan.connection, chunk_size or PAGE_ROWS)
        return (Rows(self.plan, tuple(zip(*batch, strict=True))) for batch in batches if batch)


def row_manager(plan: RowPlan) -> models.Manager[Any]:
    """A manager for dumpdata to read a model's rows through."""

    class RowManager(_Manager):
        def get_queryset(self) -> RowQuerySet:
            queryset = RowQuerySet(model=plan.model, using=self._db)
            queryset.plan = plan
            return queryset

    manager = RowManager()
    manager.model = plan.model
    return manager


def rows_with_keys(plan: RowPlan, keys: Sequence[Key], *, lock: bool = False) -> list[Row]:
    """The rows of a plan that have one of these raw keys, in no order; with `lock`, FOR UPDATE.

    Raises DatabaseError for more keys than the database takes parameters.
    """
    connection = plan.connection
    quote = connection.ops.quote_name
    table = quote(table_name(plan.model, connection))
    columns = [f"{table}.{quote(field.column)}" for field in key_fields(plan.model)]
    one = ", ".join(["%s"] * len(columns))
    if len(columns) == 1:
        condition = f"{columns[0]} IN ({', '.join([one] * len(keys))})"
    else:
        values = "VALUES " if connection.vendor == "sqlite" else ""
        listed = ", ".join([f"({one})"] * len(keys))
        condition = f"({', '.join(columns)}) IN ({values}{listed})"
    query = plan.query
    query.clear_ordering(force=True)
    query.select_for_update = lock
    query.where.add(ExtraWhere([condition], [part for key in keys for part in key]), AND)

    def ask() -> list[Row]:
        return [row for rows in _executed(query, connection, len(keys)) for row in rows]

    return any_text(connection, ask)


def _batches(query: sql.Query, connection: BaseDatabaseWrapper, size: int) -> Iterator[list[Row]]:
    """Raw rows, in which bytes that are not UTF-8 are lone surrogates (PEP 383)."""
    if connection.vendor == "mysql":
        yield from _pages(query, connection, size)
        return
    query = _in_given_order(query)
    done = 0
    try:
        for batch in _executed(query, connection, size):
            yield batch
            done += len(batch)
        return
    except OperationalError as error:
        if not is_undecodable(error):
            raise
    rest = query.chain()
    rest.set_limits(low=done)
    with undecodable_text(connection):
        yield from _executed(rest, connection, size)


def _in_given_order(query: sql.Query) -> sql.Query:
    """Rows with an order of their own are read in it: stock loaddata numbers them as they come.

    (`order_with_respect_to`; see OrderWrt.pre_save, which loaddata's raw saves call too.)
    """
    if not _has_own_order(query):
        return query
    ordered = query.chain()
    ordered.clear_ordering(force=True)
    ordered.add_ordering("_order", "pk")
    return ordered


def _has_own_order(query: sql.Query) -> bool:
    return query.model is not None and bool(query.model._meta.order_with_respect_to)


def _pages(query: sql.Query, connection: BaseDatabaseWrapper, size: int) -> Iterator[list[Row]]:
    """Django's MySQL backend holds a whole result in memory: ask for one page at a time."""
    query = _in_given_order(query)
    wide = _wide(query)
    limit = min(size, FIRST_WIDE_ROWS) if wide else size
    beyond: models.Q | None = None
    while True:
        page = query.chain()
        if beyond is not None:
            page.add_q(beyond)
        page.set_limits(high=limit)
        rows = [row for batch in _executed(page, connection, size) for row in batch]
        if not rows:
            return
        yield rows
        beyond = _beyond(query, rows[-1])
        limit = next_limit(limit, rows, size, wide)


def _beyond(query: sql.Query, row: Sequence[Any]) -> models.Q:
    """The rows after this one in the query's order."""
    assert query.model is not None
    width = len(key_fields(query.model))
    by_key = models.Q(pk__gt=row[0] if width == 1 else row[:width])
    if not _has_own_order(query):
        return by_key
    selected: Sequence[Any] = query.select
    own = query.model._meta.get_field("_order")
    place = row[next(i for i, column in enumerate(selected) if column.target is own)]
    return models.Q(_order__gt=place) | models.Q(_order=place) & by_key


def _executed(query: sql.Query, connection: BaseDatabaseWrapper, size: int) -> Iterator[list[Row]]:
    """Batches of at most `size` rows, fewer if long values would fill memory."""
    wide = _wide(query)
    compiler = query.get_compiler(connection=connection)
    with compiler.execute_sql(result_type=CURSOR, chunked_fetch=True) as cursor:
        while batch := fetch_page(cursor, size, wide):
            yield batch


def _wide(query: sql.Query) -> list[int]:
    """The positions of the selected columns whose values may be long."""
    columns: Sequence[Any] = query.select
    return wide_columns(column.target for column in columns)
