"""What the pure stages need to know of the project's models, and of the rows of a database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models

from fixturepipe.artifacts.manifest import (
    ManyToMany,
    ModelSchema,
    Reference,
)
from fixturepipe.artifacts.naturalkeys import NaturalKeys
from fixturepipe.databases.coverage import Tables
from fixturepipe.databases.endpoints import TARGET, connection_to
from fixturepipe.databases.fields import (
    Field,
    Model,
    dumped_fields,
    field_at,
    generated_fields,
    is_custom,
    without_code,
)
from fixturepipe.databases.naturalkeys import natural_key_dependencies, natural_key_paths
from fixturepipe.databases.plainquery import every_row
from fixturepipe.databases.tables import Table

# `migrate` makes these rows in every target, under keys that the target allocates.
NATURAL_PRIMARY = ("contenttypes.contenttype", "auth.permission")


def schema_of(model: Model) -> ModelSchema:
    """What `arrange` and `inspect` need to know of a model."""
    meta = model._meta
    assert meta.pk is not None
    return ModelSchema(
        label=meta.label_lower,
        table=meta.db_table,
        pk=meta.pk.name,
        fields=tuple(field.name for field in dumped_fields(model)),
        references=tuple(_references(model)),
        many_to_many=tuple(_many_to_many(model)),
        natural_key=natural_key_paths(model),
        natural_primary=meta.label_lower in NATURAL_PRIMARY,
        depends=natural_key_dependencies(model),
        managed=meta.managed,
        derived=tuple(field.name for field in generated_fields(model)),
        proxies=tuple(
            sorted(
                other._meta.label_lower
                for other in apps.get_models()
                if other._meta.proxy and other._meta.concrete_model is model
            )
        ),
    )


# Reads natural keys out of objects of the project's models.
NATURAL_KEYS = NaturalKeys(cache(lambda label: schema_of(apps.get_model(label))))


def project_schemas() -> list[ModelSchema]:
    """The schemas of every concrete model of the project, through models included."""
    models_of_apps = apps.get_models(include_auto_created=True)
    return [schema_of(model) for model in models_of_apps if not model._meta.proxy]


def keys_in_target(label: str, to: str, keys: Sequence[Any]) -> list[Any] | None:
    """Which of these keys the target's table holds, compared exactly; None if there is no table.

    `to` is "pk", a field's name or "natural key", whose keys are tuples. A key that is no
    value of its field is not found.
    """
    model, target = apps.get_model(label), connection_to(TARGET)
    if model._meta.db_table not in Tables(target):
        return None
    paths = natural_key_paths(model) if to == "natural key" else (to,)
    fields = [field_at(model, path) for path in paths]
    if to != "natural key" and is_custom(fields[0], target):
        return _stored_values(Table(model, target, fields, key=fields), keys)
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
    rows: Any = every_row(model, TARGET).filter(any_of).values_list(*paths)
    return [asked[row] for row in set(rows) if row in asked]


def _stored_values(table: Table, keys: Sequence[Any]) -> list[Any]:
    """Which of these values a custom field's column holds, in their stored form."""
    plain = without_code(table.key[0], table.connection)
    asked = {}
    for key in keys:
        value = key if plain is None else plain.to_python(key)
        raw = value if plain is None else plain.get_db_prep_value(value, table.connection)
        asked[raw] = key
    found = {row[0] for page in table.with_keys([(raw,) for raw in asked]) for row in page}
    return [key for raw, key in asked.items() if raw in found]


def _references(model: Model) -> Iterable[Reference]:
    meta = model._meta
    for field in meta.local_concrete_fields:
        if not isinstance(field, models.ForeignKey):
            continue
        remote = field.remote_field.model._meta.concrete_model
        assert remote is not None
        target = field.target_field
        if owned := _field_of_owner(target):
            remote, target = owned.model, owned
        yield Reference(
            field="pk" if field is meta.pk else field.name,
            model=remote._meta.label_lower,
            to="pk" if target.primary_key else target.name,
            null=field.null,
            constrained=getattr(field, "db_constraint", True),
            parent=bool(field.remote_field.parent_link),
        )


def _field_of_owner(target: Field) -> Field | None:
    """The field of the managed model whose rows are dumped, if an unmanaged one shares its table.

    None for all others.
    """
    table = target.model._meta.db_table.lower()
    if not target.model._meta.managed:
        for owner in apps.get_models(include_auto_created=True):
            if not owner._meta.managed or owner._meta.db_table.lower() != table:
                continue
            for field in owner._meta.local_concrete_fields:
                same_keys = natural_key_paths(owner) == natural_key_paths(target.model)
                if field.column == target.column and same_keys:
                    return field
    return None


def _many_to_many(model: Model) -> Iterable[ManyToMany]:
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
