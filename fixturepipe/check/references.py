"""References in the source whose rows do not exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.coverage import Tables
from fixturepipe.databases.fields import Field, Model, key_fields, root_field
from fixturepipe.databases.integrity import orphan_examples
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.keyproof import UnprovenError, prove
from fixturepipe.databases.naturalkeys import has_natural_key, natural_key_paths
from fixturepipe.databases.queries import each_row, rows_of
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.values import shown, shown_row
from fixturepipe.findings.finding import Example, Finding, collected
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.fixes import NO_FIXES, Fix, Fixes
from fixturepipe.fixes.values import default


def dangling_keys(model: Model, tables: Tables, fixes: Fixes = NO_FIXES) -> Iterator[Finding]:
    """FP201, FP202, FP207: foreign keys and many-to-many rows that dangle.

    `tables` are those of the source, here and in the other functions.
    """
    source = tables.connection
    for rule, field in reference_rules(model, tables):
        rows = collected(orphan_examples(field, source))
        if not rows:
            continue
        fix = fixes.of(rule, model, (field,))
        covered = fix is not None and (fix.name != "default" or _is_there(fix, source))
        yield RULES[rule].finding(
            model._meta.label_lower,
            field.name,
            len(rows),
            rows,
            remote=field.remote_field.model._meta.label,
            fixed_by=fix.name if fix is not None and covered else "",
        )


def reference_rules(
    model: Model, tables: Tables
) -> Iterator[tuple[str, models.ForeignKey[Any, Any]]]:
    """The model's foreign keys, each after the id of the finding for its orphans."""
    for field in model._meta.local_concrete_fields:
        if not isinstance(field, models.ForeignKey):
            continue
        if table_name(field.remote_field.model, tables.connection) not in tables:
            continue
        rule = "FP202" if model._meta.auto_created else "FP201"
        yield rule if getattr(field, "db_constraint", True) else "FP207", field


def _is_there(fix: Fix, source: BaseDatabaseWrapper) -> bool:
    """Whether the row that the default refers to exists."""
    field: Any = fix.field
    quote = source.ops.quote_name
    remote = quote(table_name(field.remote_field.model, source))
    statement = f"SELECT 1 FROM {remote} WHERE {quote(field.target_field.column)} = %s"
    return bool(rows_of(source, statement, [default(fix, source)]))


def unproven_natural_keys(model: Model, tables: Tables) -> Iterator[Finding]:
    """FP205: a natural key that others refer by, and that does not find its row."""
    label = model._meta.label_lower
    if label in NATURAL_PRIMARY or not has_natural_key(model):
        return
    if not _is_referred_to(model, tables):
        return
    try:
        prove(model, natural_key_paths(model), tables.connection)
    except UnprovenError as unproven:
        yield RULES["FP205"].finding(label, reason=unproven)


def _is_referred_to(model: Model, tables: Tables) -> bool:
    """Whether any row refers to the model, other than as its multi-table child."""
    source = tables.connection
    quote = source.ops.quote_name
    for relation in model._meta.get_fields(include_hidden=True):
        field: Any = getattr(relation, "field", None)
        is_key = isinstance(field, models.ForeignKey) and not relation.concrete
        if not is_key or getattr(field.remote_field, "parent_link", False):
            continue
        name = table_name(field.model, source)
        if field not in field.model._meta.local_concrete_fields or name not in tables:
            continue
        table = quote(name)
        column = quote(field.column)
        if rows_of(source, f"SELECT 1 FROM {table} WHERE {column} IS NOT NULL LIMIT 1"):
            return True
    return False


def dangling_generic_keys(model: Model, tables: Tables) -> Iterator[Finding]:
    """FP204: generic foreign keys whose object or model no longer exists."""
    for private in model._meta.private_fields:
        if not (hasattr(private, "ct_field") and hasattr(private, "fk_field")):
            continue
        type_field = model._meta.get_field(private.ct_field)
        id_field = model._meta.get_field(private.fk_field)
        if type_field.model is not model or id_field.model is not model:
            continue
        rows = collected(_GenericKeys(model, type_field, id_field, tables).dangling())
        if rows:
            yield RULES["FP204"].finding(model._meta.label_lower, private.name, len(rows), rows)


class _GenericKeys:
    """One generic foreign key of a model, and the models that its rows name."""

    def __init__(self, model: Model, type_field: Any, id_field: Any, tables: Tables) -> None:
        source = tables.connection
        quote = source.ops.quote_name
        self._source = source
        self._tables = tables
        self._table = quote(table_name(model, source))
        self._type = quote(type_field.column)
        self._id = quote(id_field.column)
        self._id_field = id_field
        self._types = quote(table_name(type_field.remote_field.model, source))
        self._key = ", ".join(f"a.{quote(part.column)}" for part in key_fields(model))
        self._width = len(key_fields(model))

    def dangling(self) -> Iterator[Example]:
        """The rows whose object does not exist."""
        named = (
            f"SELECT id, app_label, model FROM {self._types}"
            f" WHERE id IN (SELECT DISTINCT {self._type} FROM {self._table})"
        )
        for type_id, app, name in rows_of(self._source, named):
            statement = (
                f"SELECT {self._key}, a.{self._id} FROM {self._table} a"
                f" WHERE a.{self._type} = %s AND a.{self._id} IS NOT NULL{self._absent(app, name)}"
            )
            for row in each_row(self._source, statement, (type_id,)):
                value = f"{app}.{name} {shown(row[-1])}"
                yield Example(shown_row(row[: self._width]), value)

    def _absent(self, app: str, name: str) -> str:
        """The condition that the object does not exist; empty if its model or table is gone."""
        try:
            remote = apps.get_model(app, name)
        except LookupError:
            return ""
        if table_name(remote, self._source) not in self._tables:
            return ""
        quote = self._source.ops.quote_name
        (key,) = key_fields(remote)[:1]
        there = quote(table_name(remote, self._source))
        return (
            f" AND NOT EXISTS (SELECT 1 FROM {there} b"
            f" WHERE {self._same(f'b.{quote(key.column)}', f'a.{self._id}', key)})"
        )

    def _same(self, column: str, object_id: str, key: Field) -> str:
        """The condition that a key equals the object id, whose type is often text."""
        kind = root_field(key).get_internal_type()
        if kind == "UUIDField" and not self._source.features.has_native_uuid_field:
            return f"{column} = REPLACE({object_id}, '-', '')"
        # PostgreSQL compares no number with a text.
        if self._source.vendor == "postgresql" and self._id_field.get_internal_type() != kind:
            return f"{column}::text = {object_id}::text"
        return f"{column} = {object_id}"
