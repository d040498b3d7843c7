"""The names of tables: Django cuts those that it makes up to the length that a database takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import strip_quotes, truncate_name
from django.db.models import Model

# No limit, and the longest names of MySQL, PostgreSQL and Oracle.
_NAME_LENGTHS = (None, 64, 63, 30)
# A shorter name is not cut anywhere.
_SHORTEST = 30


def name_tables_for(connection: BaseDatabaseWrapper) -> None:
    """Give automatic table names the length that this database takes.

    Django cuts them when it makes a model class, to the length that the default database takes
    at that time: a project that starts on MySQL has shorter names than one on SQLite.
    """
    for model in apps.get_models(include_auto_created=True):
        model._meta.db_table = table_name(model, connection)


@contextmanager
def tables_named_for(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """While in the block, automatic table names are those of this database (see `table_name`)."""
    before = {model: model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    name_tables_for(connection)
    try:
        yield
    finally:
        for model, name in before.items():
            model._meta.db_table = name


def table_name(model: type[Model], connection: BaseDatabaseWrapper) -> str:
    """The name of a model's table in this database, whatever the alias is bound to.

    Django cuts the names that it makes up, those of automatic many-to-many tables included, to
    the length that the database takes. A name that the project gives stays as it is.
    """
    model = model._meta.concrete_model or model
    known = model._meta.db_table
    if len(known) < _SHORTEST:
        return known
    if known not in [_made_up_table_name(model, limit) for limit in _NAME_LENGTHS]:
        return known
    return _made_up_table_name(model, connection.ops.max_name_length())


def folded(table: str, connection: BaseDatabaseWrapper) -> str:
    """A table's name as a key: a server with lower_case_table_names ignores its case."""
    return table.lower() if connection.features.ignores_table_name_case else table


def _made_up_table_name(model: type[Model], limit: int | None) -> str:
    """The name that Django gives a table which the project does not name."""
    meta = model._meta
    if not meta.auto_created:
        return truncate_name(f"{meta.app_label}_{meta.model_name}", limit)
    # The stubs type it as a flag; it is the model that has the many-to-many field.
    owner = meta.auto_created._meta  # type: ignore[attr-defined]
    name = owner.db_table
    if name in [_made_up_table_name(owner.model, each) for each in _NAME_LENGTHS]:
        name = _made_up_table_name(owner.model, limit)
    (field,) = [f.name for f in owner.local_many_to_many if f.remote_field.through is model]
    return truncate_name(f"{strip_quotes(name)}_{field}", limit)
