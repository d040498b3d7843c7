"""Models that are ahead of their migrations: `migrate` would make other tables than they need.

SQLite takes a text of any length and a number of any size in any column, and tables are easily
altered by hand, so a project may work for years without a migration that its models need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState

from fixturepipe.check.schema import both_integers, column_type, server_types, takes_more
from fixturepipe.databases.fields import Field, Model, has_db_default
from fixturepipe.databases.tables import Condition, Table
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rules import RULES


def models_ahead(
    covered: Iterable[Model], target: BaseDatabaseWrapper, source: BaseDatabaseWrapper
) -> Iterator[Finding]:
    """FP334 for tables and columns of these models that migrations make otherwise, or not at all.

    What FP305 to FP307 are once the tables are there. A smaller integer column is none, if the
    source's numbers fit.
    """
    loader = MigrationLoader(None, ignore_no_migrations=True)
    migrated = [m for m in covered if m._meta.app_label in loader.migrated_apps and m._meta.managed]
    states = loader.project_state().models
    pairs: list[tuple[Field, Field]] = []
    for model in migrated:
        if model._meta.auto_created:
            continue
        state = states.get((model._meta.app_label, str(model._meta.model_name)))
        if state is None or not _makes_its_table(state, model):
            yield _finding(model, "", f"they do not make the table {model._meta.db_table}")
            continue
        made = _fields(state)
        yield from _other_columns(model, made)
        yield from _other_links(model, state)
        pairs += [
            (field, made[field.column.lower()])
            for field in model._meta.local_concrete_fields
            if field.column.lower() in made
        ]
    yield from _other_types(pairs, target, source)


def _makes_its_table(state: ModelState, model: Model) -> bool:
    """Whether migrations make the model's table, under its name.

    Django may shorten a name that it makes up: such names are compared as they were before.
    """
    given = model._meta.original_attrs.get("db_table")
    default = f"{state.app_label}_{state.name_lower}"
    names = [str(name or default).lower() for name in (state.options.get("db_table"), given)]
    return bool(state.options.get("managed", True)) and names[0] == names[1]


def _fields(state: ModelState) -> Mapping[str, Field]:
    """The fields that migrations make columns for, by the column's folded name."""
    found: dict[str, Field] = {}
    fields = dict(state.fields)
    if state.options.get("order_with_respect_to"):
        fields["_order"] = models.OrderWrt()
    for name, field in fields.items():
        # The stubs do not have it; the migrations' state is made with it.
        bound: Field = field.clone()  # type: ignore[attr-defined]
        bound.set_attributes_from_name(name)
        if not field.many_to_many and getattr(bound, "concrete", True):
            found[bound.column.lower()] = bound
    return found


def _other_columns(model: Model, made: Mapping[str, Field]) -> Iterator[Finding]:
    fields = {field.column.lower(): field for field in model._meta.local_concrete_fields}
    for name, field in fields.items():
        if name not in made:
            yield _finding(model, field.name, f"they do not make the column {field.column}")
    for name, extra in made.items():
        if name not in fields and not extra.null and not has_db_default(extra):
            what = f"they make the column {extra.column}, which needs a value and has no field"
            yield _finding(model, "", what)


def _other_links(model: Model, state: ModelState) -> Iterator[Finding]:
    for field in model._meta.local_many_to_many:
        through = field.remote_field.through
        if through is not None and through._meta.auto_created and field.name not in state.fields:
            yield _finding(
                model, field.name, f"they do not make the table {through._meta.db_table}"
            )


def _other_types(
    pairs: Iterable[tuple[Field, Field]], target: BaseDatabaseWrapper, source: BaseDatabaseWrapper
) -> Iterator[Finding]:
    """The first field of each pair is the model's, the second one that of its migrations."""
    different = []
    for field, made in pairs:
        if made.null != field.null and field.null:
            yield _finding(field.model, field.name, "the column that they make refuses NULL")
        elif _kind(made, target) != _kind(field, target):
            different.append((field, made))
    types = server_types([[field, made] for field, made in different], target)
    for field, made in different:
        expected, actual = types.get(field, ""), types.get(made, "")
        if not expected or not actual or takes_more(actual, expected) or actual == expected:
            continue
        if not both_integers(actual, expected) or _overflows(field, made, target, source):
            what = f"the column that they make is {actual}, and the model's is {expected}"
            yield _finding(field.model, field.name, what)


def _kind(field: Field, target: BaseDatabaseWrapper) -> str | None:
    """The column's type; None for that of a reference, and where the field's own code fails."""
    with suppress(Exception):
        return column_type(field, target) if field.remote_field is None else None
    return None


def _overflows(
    field: Field, made: Field, target: BaseDatabaseWrapper, source: BaseDatabaseWrapper
) -> bool:
    """Whether the source has a number that the column of the migrations does not take."""
    lowest, highest = target.ops.integer_field_range(made.get_internal_type())
    table = Table(field.model, source)
    outside = f"{table.column(field)} NOT BETWEEN %s AND %s"
    return table.count(Condition(outside, (lowest, highest))) > 0


def _finding(model: Model, field: str, what: str) -> Finding:
    label, app = model._meta.label_lower, model._meta.app_label
    return RULES["FP334"].finding(label, field, what=what, app=app)
