"""What the target must guarantee: references, uniqueness, foreign keys, the next primary keys.

Comparing rows does not show whether it does; a running site would, later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.catalog import Catalog
from fixturepipe.databases.fields import Model, key_fields
from fixturepipe.databases.integrity import (
    UniqueIndexes,
    constrained_keys,
    duplicates,
    orphans,
    unique_sets,
)
from fixturepipe.databases.sequences import next_keys
from fixturepipe.databases.tablenames import folded, table_name
from fixturepipe.findings.finding import Example, Finding, Level
from fixturepipe.findings.rules import RULES


def dangling_references(
    covered: Iterable[Model], connection: BaseDatabaseWrapper
) -> Iterator[Finding]:
    """FP501 for each foreign key of the target that has dangling references."""
    keys = [(model, field) for model in covered for field in constrained_keys(model)]
    labels = {field: model._meta.label_lower for model, field in keys}
    for field, count, examples in orphans(list(labels), connection):
        remote = field.remote_field.model._meta.label
        yield RULES["FP501"].finding(labels[field], field.name, count, examples, remote=remote)


def missing_foreign_keys(
    covered: Iterable[Model], connection: BaseDatabaseWrapper
) -> Iterator[Finding]:
    """FP505 for each foreign key of the models that the target's tables lack."""
    if connection.vendor != "mysql":
        return
    catalog = Catalog(connection)
    for model in covered:
        found = catalog.foreign_keys.get(table_name(model, connection).lower(), ())
        there = {each.column.lower() for each in found}
        for field in constrained_keys(model):
            is_ours = model._meta.managed and field.remote_field.model._meta.managed
            if is_ours and field.column.lower() not in there:
                yield RULES["FP505"].finding(model._meta.label_lower, field.name)


def missing_uniqueness(
    model: Model,
    connection: BaseDatabaseWrapper,
    indexes: UniqueIndexes,
    unguarded: Callable[[], Collection[tuple[str, tuple[str, ...]]]],
) -> Iterator[Finding]:
    """FP502 for each unique constraint that the target lacks, and FP503 if rows break it.

    If the constraint exists, its index cannot hold a value twice. `unguarded` gives the models and
    fields whose constraint a declared fix or a migration leaves out: both are warnings then.
    """
    enforced = indexes.of(model)
    for fields in unique_sets(model):
        if frozenset(field.column for field in fields) in enforced:
            continue
        label, names = model._meta.label_lower, ", ".join(field.name for field in fields)
        expected = any(label == m and {f.name for f in fields} == set(n) for m, n in unguarded())
        level: Level = "warning" if expected else "error"
        yield RULES["FP502"].finding(label, names, level=level)
        count, examples = duplicates(fields, connection)
        if count:
            yield RULES["FP503"].finding(label, names, count, examples, level=level)


def reused_keys(
    covered: Iterable[Model],
    connection: BaseDatabaseWrapper,
    highest: Mapping[str, int],
    level: Level,
) -> Iterator[Finding]:
    """FP504 if the target would give a new row a key that the source allocated before.

    `highest` maps the source's tables to the highest key that each has allocated.
    """
    coming = next_keys(connection)
    for model in covered:
        table, mark = table_name(model, connection), highest.get(model._meta.db_table, 0)
        following = coming.get(folded(table, connection))
        is_counted = isinstance(model._meta.pk, models.AutoField | models.BigAutoField)
        if is_counted and following is not None and following <= mark:
            yield RULES["FP504"].finding(
                model._meta.label_lower,
                key_fields(model)[0].name,
                1,
                [Example(following, mark)],
                level,
                coming=following,
                mark=mark,
                table=connection.ops.quote_name(table),
                start=mark + 1,
            )
