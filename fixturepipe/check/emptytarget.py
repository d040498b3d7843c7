"""What an empty target is asked before its tables are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from django.apps import apps
from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from fixturepipe.check import mysqllimits
from fixturepipe.check.modeldrift import models_ahead
from fixturepipe.check.plannedmigrations import PlannedMigrations
from fixturepipe.check.schema import postgresql_fields, unquotable
from fixturepipe.check.tabletrial import TableTrial
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.coverage import models_of_virtual_tables
from fixturepipe.databases.endpoints import EMBEDDED, SOURCE, Endpoints, connection_to
from fixturepipe.databases.fields import Model, names_of, root_field
from fixturepipe.databases.integrity import constrained_keys, unique_sets
from fixturepipe.databases.leftout import left_out
from fixturepipe.databases.migrations import pending_migrations
from fixturepipe.findings.finding import Example, Finding
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.fixes import Fixes


def questions(
    endpoints: Endpoints,
    covered: Sequence[Model],
    target: TargetServer,
    fixes: Fixes,
    *,
    migrates: bool,
) -> Iterator[Finding]:
    """FP317 to FP321, FP328: whether the target takes the tables that `run` would make; FP329,
    FP332 to FP334 for migrations, if it `migrates`.

    `covered` are the models of the source; tables of the project's other models are made too.
    """
    assert target.connection is not None
    # What SQLite keeps in a virtual table, migrations make in other ways.
    virtual = models_of_virtual_tables(connection_to(SOURCE))
    with endpoints.bound_to_target(apart=True) as alias:
        made = [m for m in _models_made(alias, target.connection, covered) if m not in virtual]
        yield from key_types(made, target.connection)
        if migrates:
            yield from _pending(connection_to(SOURCE))
            asked = [model for model in covered if model in made]
            yield from models_ahead(asked, target.connection, connection_to(SOURCE))
        is_rehearsal = endpoints.target is not None and endpoints.target.name == EMBEDDED
        if is_rehearsal:
            for model in made:
                yield from mysqllimits.refused_by_mysql(model, target.connection)
        if not target.may_make_temporary_tables:
            return
        tried = TableTrial(target.connection, fixes).findings(made)
        yield from _as_migrated(tried, made, target.connection) if migrates else tried
        if migrates:
            yield from PlannedMigrations(alias, target.connection).findings(covered)


def _pending(source: BaseDatabaseWrapper) -> Iterator[Finding]:
    """FP333: the target would get migrations that the source has not applied."""
    pending = [Example(f"{app}.{name}", "not applied") for app, name in pending_migrations(source)]
    if pending:
        yield RULES["FP333"].finding("", "", len(pending), pending)


def _as_migrated(
    found: Iterable[Finding], made: Sequence[Model], connection: BaseDatabaseWrapper
) -> Iterator[Finding]:
    """The findings, but for refusals of indexes that migrations leave out: these are FP312, FP326.

    An index of which a model no longer knows is none.
    """
    unique = {(m._meta.label_lower, names_of(fields)) for m in made for fields in unique_sets(m)}
    indexed = {
        (m._meta.label_lower, ", ".join(index.fields)) for m in made for index in m._meta.indexes
    }
    left = {
        (each.label, ", ".join(each.fields)): each
        for each in left_out(connection)
        if (each.label, ", ".join(each.fields)) in (unique if each.unique else indexed)
    }
    refused = {(label, frozenset(names.split(", "))) for label, names in left}
    for finding in found:
        fields = frozenset(finding.field.split(", "))
        if finding.id not in ("FP318", "FP319") or (finding.model, fields) not in refused:
            yield finding
    for (label, names), each in left.items():
        reason = f"the migration {each.migration} leaves it out on this kind of server"
        if each.unique:
            yield RULES["FP326"].finding(label, names, name=names, reason=reason)
        else:
            message = f"The target does not have the index of {names}: {reason}."
            hint = "Ignore this if no query needs it."
            yield RULES["FP312"].finding(label, names, message=message, hint=hint)


def _models_made(
    alias: str, connection: BaseDatabaseWrapper, covered: Sequence[Model]
) -> Iterator[Model]:
    """The models whose tables `run` makes: by migrations, without them, and unmanaged ones.

    FP315 names those that only PostgreSQL has columns for, FP323 those whose names end in a
    statement where they should not.
    """
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy or model._meta.swapped or postgresql_fields(model):
            continue
        columns = (field.column for field in model._meta.local_concrete_fields)
        if "`" in map(unquotable, (model._meta.db_table, *columns)):
            continue
        if router.allow_migrate_model(alias, model) and (
            model._meta.can_migrate(connection) or model in covered
        ):
            yield model


def key_types(made: Iterable[Model], connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """FP321: an app without migrations refers to a key whose migrations give it another type."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    unmigrated = [model for model in made if model._meta.app_label in loader.unmigrated_apps]
    if not unmigrated:
        return
    states = loader.project_state().models
    for model in unmigrated:
        for field in constrained_keys(model):
            root = root_field(field)
            state = states.get((root.model._meta.app_label, str(root.model._meta.model_name)))
            migrated = state.fields.get(root.name) if state is not None else None
            if migrated is None:
                continue
            actual, expected = (
                each.rel_db_type(connection) if hasattr(each, "rel_db_type") else None
                for each in (migrated, root)
            )
            if actual != expected:
                yield RULES["FP321"].finding(
                    model._meta.label_lower,
                    field.name,
                    remote=root.model._meta.label,
                    actual=actual,
                    expected=expected,
                    app=root.model._meta.app_label,
                )
