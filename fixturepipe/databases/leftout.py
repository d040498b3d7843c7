"""Indexes and constraints that the project's migrations leave out on some kinds of server.

A package that knows what MySQL refuses has operations of its own, which do nothing there: the model
promises an index that no migration makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import migrations
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from fixturepipe.databases.migrations import database_operations

# What an operation may ask before it decides to do nothing.
_ASKED = ("alias", "display_name", "features", "mysql_is_mariadb", "settings_dict", "vendor")


@dataclass(frozen=True)
class LeftOut:
    """An index of some fields of a model, "shop.order", that `migration` does not make."""

    label: str
    fields: tuple[str, ...]
    unique: bool
    migration: str


class _UsedError(Exception):
    """An operation asks for more than the kind of the server."""


class _Unusable:
    """Raises _UsedError for each attribute but those that it is given."""

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)

    def __getattr__(self, name: str) -> Any:
        raise _UsedError(name)


def does_nothing(operation: Operation, connection: BaseDatabaseWrapper) -> bool:
    """Whether an operation of the project's own class leaves this kind of server as it is.

    It is run without models and without a schema editor, so that it cannot do anything.
    """
    if type(operation).database_forwards.__module__.startswith("django."):
        return False
    facts = {name: getattr(connection, name) for name in _ASKED if hasattr(connection, name)}
    editor: Any = _Unusable(connection=_Unusable(**facts))
    state: Any = _Unusable()
    try:
        operation.database_forwards("", editor, state, state)
    except Exception:  # noqa: BLE001 (it is the project's own code)
        return False
    return True


def left_out(connection: BaseDatabaseWrapper) -> Iterator[LeftOut]:
    """The indexes that migrations leave out on this kind of server."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    for (app, name), migration in loader.graph.nodes.items():
        for operation in database_operations(migration.operations):
            keys = list(_keys(operation))
            if keys and does_nothing(operation, connection):
                label = f"{app}.{_model_name(operation).lower()}"
                for fields, unique in keys:
                    yield LeftOut(label, fields, unique, f"{app}.{name}")


def _model_name(operation: Any) -> str:
    is_of_model = isinstance(operation, migrations.AlterUniqueTogether)
    return str(operation.name if is_of_model else operation.model_name)


def _keys(operation: Operation) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The fields of each index that an operation makes, and whether it keeps them unique."""
    match operation:
        case migrations.AddField() | migrations.AlterField():
            field: Any = operation.field
            if field.unique or field.db_index:
                yield (operation.name,), field.unique
        case migrations.AddIndex():
            yield tuple(operation.index.fields), False
        case migrations.AddConstraint():
            added: Any = operation
            if fields := getattr(added.constraint, "fields", ()):
                yield tuple(fields), True
        case migrations.AlterUniqueTogether():
            yield from ((tuple(fields), True) for fields in operation.option_value or ())
