"""Which models a database holds, and what the pure stages need to know of each.

Each table of the source is dumped, excluded by name, or named as not covered: this module
decides which.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from fixturepipe.artifacts.manifest import (
    GenericReference,
    ManyToMany,
    ModelSchema,
    NotCovered,
    Reference,
)
from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.fields import dumped_fields, field_at
from fixturepipe.databases.naturalkeys import natural_key_dependencies, natural_key_paths
from fixturepipe.databases.plainquery import every_row

# `migrate` makes these rows in every target, under keys that the target allocates.
NATURAL_PRIMARY = ("contenttypes.contenttype", "auth.permission")

LEDGER_PREFIX = "fixturepipe_"


@dataclass(frozen=True)
class Coverage:
    """The models to dump, in the order of INSTALLED_APPS, and what is left out."""

    models: list[type[models.Model]]
    not_covered: list[NotCovered]


def coverage(connection: BaseDatabaseWrapper, alias: str) -> Coverage:
    """Every concrete model that has a table here, through models included.

    `alias` is the name by which the project's routers know this database.
    """
    with connection.cursor() as cursor:
        found = connection.introspection.get_table_list(cursor)
    tables = {info.name for info in found if info.type in ("t", "p")}
    views = {info.name for info in found if info.type == "v"}
    owners: dict[str, type[models.Model]] = {}
    covered: list[type[models.Model]] = []
    left_out: list[NotCovered] = []
    candidates = [m for m in apps.get_models(include_auto_created=True) if not m._meta.proxy]
    # A table that two models share belongs to the one that migrations made it for.
    for model in sorted(candidates, key=lambda m: not m._meta.managed):
        table, label = model._meta.db_table, model._meta.label_lower
        if table in owners:
            reason = f"its table {table} belongs to {owners[table]._meta.label_lower}"
        elif not router.allow_migrate_model(alias, model):
            reason = f"a database router excludes it from {alias!r}"
        elif table in views:
            reason = f"{table} is a view"
        elif table not in tables:
            reason = f"it has no table ({table}) in this database"
        else:
            owners[table] = model
            covered.append(model)
            continue
        left_out.append(NotCovered(label, reason))
    order = {model: position for position, model in enumerate(candidates)}
    covered.sort(key=order.__getitem__)
    left_out += _unknown_tables(tables - set(owners), _shadow_tables(connection))
    return Coverage(covered, left_out)


def _unknown_tables(tables: Iterable[str], shadows: Iterable[str]) -> list[NotCovered]:
    known = dict.fromkeys(shadows, "SQLite keeps a virtual table in it")
    known[MigrationRecorder.Migration._meta.db_table] = "each database records its migrations"
    return [
        NotCovered(table, known.get(table, "no model has this table"))
        for table in sorted(tables)
        if not table.startswith(LEDGER_PREFIX)
    ]


def _shadow_tables(connection: BaseDatabaseWrapper) -> list[str]:
    """The tables that SQLite made for virtual ones, such as indexes of full text.

    https://www.sqlite.org/vtab.html#the_xshadowname_method
    """
    if connection.vendor != "sqlite":
        return []
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA table_list")
        return [name for _, name, kind, *_ in cursor.fetchall() if kind == "shadow"]


def schema_of(model: type[models.Model]) -> ModelSchema:
    """What `arrange` and `inspect` need to know of a model."""
    meta = model._meta
    assert meta.pk is not None
    return ModelSchema(
        label=meta.label_lower,
        table=meta.db_table,
        pk=meta.pk.name,
        fields=tuple(field.name for field in dumped_fields(model)),
        references=tuple(_references(model)),
        generic_references=tuple(_generic_references(model)),
        many_to_many=tuple(_many_to_many(model)),
        natural_key=natural_key_paths(model),
        natural_primary=meta.label_lower in NATURAL_PRIMARY,
        depends=natural_key_dependencies(model),
        managed=meta.managed,
        derived=tuple(
            field.name for field in meta.local_concrete_fields if getattr(field, "generated", False)
        ),
        proxies=tuple(sorted(_proxies(model))),
    )


def project_schemas() -> list[ModelSchema]:
    """The schemas of every concrete model of the project, through models included."""
    models_of_apps = apps.get_models(include_auto_created=True)
    return [schema_of(model) for model in models_of_apps if not model._meta.proxy]


def rows_found(alias: str, label: str, to: str, keys: Sequence[Any]) -> list[Any] | None:
    """Which of these keys the model's table holds, compared exactly; None if there is no table.

    `to` is "pk", a field's name or "natural key", whose keys are tuples. A key that is no
    value of its field is not found.
    """
    model = apps.get_model(label)
    connection = connection_to(alias)
    with connection.cursor() as cursor:
        if model._meta.db_table not in connection.introspection.table_names(cursor):
            return None
    paths = natural_key_paths(model) if to == "natural key" else (to,)
    fields = [field_at(model, path) for path in paths]
    asked = {}
    for key in keys:
        with contextlib.suppress(ValidationError, ValueError, TypeError):
            values = key if to == "natural key" else (key,)
            asked[tuple(f.to_python(v) for f, v in zip(fields, values, strict=True))] = key
    if not asked or not paths:
        return []
    any_of = models.Q()
    for wanted in asked:
        any_of |= models.Q(**dict(zip(paths, wanted, strict=True)))
    rows: Any = every_row(model, alias).filter(any_of).values_list(*paths)
    return [asked[row] for row in set(rows) if row in asked]


def _proxies(model: type[models.Model]) -> Iterable[str]:
    for other in apps.get_models():
        if other._meta.proxy and other._meta.concrete_model is model:
            yield other._meta.label_lower


def _references(model: type[models.Model]) -> Iterable[Reference]:
    meta = model._meta
    for field in meta.local_concrete_fields:
        if not isinstance(field, models.ForeignKey):
            continue
        remote = field.remote_field.model._meta.concrete_model
        assert remote is not None
        target = field.target_field
        yield Reference(
            field="pk" if field is meta.pk else field.name,
            model=remote._meta.label_lower,
            to="pk" if target.primary_key else target.name,
            null=field.null,
            constrained=getattr(field, "db_constraint", True),
            parent=bool(field.remote_field.parent_link),
        )


def _generic_references(model: type[models.Model]) -> Iterable[GenericReference]:
    for field in model._meta.private_fields:
        if hasattr(field, "ct_field") and hasattr(field, "fk_field") and field.model is model:
            yield GenericReference(field.ct_field, field.fk_field)


def _many_to_many(model: type[models.Model]) -> Iterable[ManyToMany]:
    for field in model._meta.local_many_to_many:
        remote = field.remote_field
        through = remote.through
        # A tagging field claims to be many-to-many; its rows are found by a generic key.
        if through is None or not isinstance(field, models.ManyToManyField):
            continue
        yield ManyToMany(
            field=field.name,
            through=through._meta.label_lower,
            source=field.m2m_field_name(),
            target=field.m2m_reverse_field_name(),
            symmetrical=bool(getattr(remote, "symmetrical", False) and through._meta.auto_created),
        )
