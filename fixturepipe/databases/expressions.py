"""Unique constraints on expressions, `UniqueConstraint(Lower("name"), name=…)`.

MySQL enforces them, with its own collation. MariaDB has no such index, and Django makes none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import sql
from django.db.models.expressions import Col, OrderBy

from fixturepipe.databases.fields import Field, Model


@dataclass(frozen=True)
class UniqueExpressions:
    """A constraint's expressions; `fields` are the columns that they contain."""

    model: Model
    name: str
    fields: tuple[Field, ...]
    _expressions: tuple[Any, ...]

    def compiled(self, connection: BaseDatabaseWrapper) -> list[str]:
        """The SQL of each expression for a database, with bare column names.

        Raises NotSupportedError for what a database lacks.
        """
        compiler = sql.Query(self.model).get_compiler(connection=connection)
        quote = connection.schema_editor().quote_value
        found = []
        for expression in self._expressions:
            text, parameters = compiler.compile(expression)
            found.append(f"({text % tuple(map(quote, parameters))})")
        return found


def unique_expressions(model: Model) -> Iterator[UniqueExpressions]:
    """The constraints that apply to every row: MySQL has no partial or deferred ones."""
    for constraint in model._meta.constraints:
        if not isinstance(constraint, models.UniqueConstraint) or not constraint.expressions:
            continue
        limited: Any = constraint
        if limited.condition or limited.deferrable or limited.include:
            continue
        query = sql.Query(model, alias_cols=False)
        resolved: list[Any] = []
        for expression in constraint.expressions:
            part: Any = expression
            if isinstance(part, OrderBy):
                part = part.expression
            resolved.append(part.resolve_expression(query, allow_joins=False))
        columns = [column for part in resolved for column in columns_in(part)]
        yield UniqueExpressions(
            model, constraint.name, tuple(dict.fromkeys(columns)), tuple(resolved)
        )


def columns_in(expression: Any) -> Iterator[Field]:
    """The columns that a resolved expression or condition names."""
    if isinstance(expression, Col):
        yield expression.target
    elif hasattr(expression, "get_source_expressions"):
        for part in expression.get_source_expressions():
            yield from columns_in(part)
