"""Whether the target's tables are those of the models, and behave like the source's."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from django.apps import apps
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.manifest import NotCovered
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.catalog import ColumnFacts
from fixturepipe.databases.coverage import (
    LEDGER_PREFIX,
    NO_MODEL,
    Tables,
    missing_columns,
    unknown_columns,
)
from fixturepipe.databases.fields import Field, Model
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.migrations import applied_migrations, difference
from fixturepipe.databases.packets import outcomes
from fixturepipe.databases.queries import value_of
from fixturepipe.databases.tablenames import table_name
from fixturepipe.databases.tables import Table
from fixturepipe.databases.values import shown_row
from fixturepipe.findings.finding import EXAMPLES, Example, Finding
from fixturepipe.findings.rules import RULES

_TEMPORARY = "fixturepipe_types"


def left_out(not_covered: Iterable[NotCovered], source: BaseDatabaseWrapper) -> Iterator[Finding]:
    """FP303 for models of the source that are not moved, FP304 for its tables."""
    labels = {model._meta.label_lower for model in apps.get_models(include_auto_created=True)}
    tables = Tables(source)
    for each in not_covered:
        if each.name in labels:
            yield RULES["FP303"].finding(each.name, reason=each.reason)
        elif each.reason == NO_MODEL:
            rows = value_of(source, f"SELECT COUNT(*) FROM {tables.quoted(each.name)}")
            if rows:
                yield RULES["FP304"].finding("", each.name, rows)


def source_columns(chosen: Sequence[Model], source: BaseDatabaseWrapper) -> Iterator[Finding]:
    """FP324 for columns of the source that no field has, FP325 for fields without a column."""
    for column in unknown_columns(source, chosen):
        if column.rows:
            label = column.model._meta.label_lower
            number = f"{column.rows:,}"
            yield RULES["FP324"].finding(label, column.name, column.rows, number=number)
    for field in missing_columns(source, chosen):
        label = field.model._meta.label_lower
        yield RULES["FP325"].finding(label, field.name, column=field.column, label=label)


def existing_rows(covered: Iterable[Model], target: TargetServer) -> Iterator[Finding]:
    """FP336 for rows that no ledger accounts for.

    Content types and permissions are every target's own.
    """
    assert target.connection is not None
    tables = target.catalog.tables
    if any(name.startswith(LEDGER_PREFIX) for name in tables):
        return
    there = [
        Table(model, target.connection)
        for model in covered
        if table_name(model, target.connection).lower() in tables
        and model._meta.label_lower not in NATURAL_PRIMARY
    ]
    questions = [question for table in there for question in _count_and_first_keys(table)]
    answers = iter(outcomes(target.connection, questions))
    for table, counted, first in zip(there, answers, answers, strict=True):
        if isinstance(counted, DatabaseError) or isinstance(first, DatabaseError):
            continue  # FP305 names the column that is missing
        ((number,),) = counted
        if number:
            keys = [Example(shown_row(row)) for row in first]
            yield RULES["FP336"].finding(table.model._meta.label_lower, "", number, keys)


def _count_and_first_keys(table: Table) -> tuple[str, str]:
    """Two questions: how many rows there are, and the first keys."""
    columns = ", ".join(table.connection.ops.quote_name(field.column) for field in table.key)
    return (
        f"SELECT COUNT(*) FROM {table.quoted}",
        f"SELECT {columns} FROM {table.quoted} ORDER BY {columns} LIMIT {EXAMPLES}",
    )


def migrations(source: BaseDatabaseWrapper, target: TargetServer) -> Iterator[Finding]:
    """FP302 if the project has migrations that only one of the databases has applied."""
    found = difference(applied_migrations(source), target.facts.migrations)
    if found:
        examples = [Example(f"{app}.{name}", "source only") for app, name in found.source_only]
        examples += [Example(f"{app}.{name}", "target only") for app, name in found.target_only]
        yield RULES["FP302"].finding("", "", len(examples), examples)


def columns(covered: Sequence[Model], target: TargetServer) -> Iterator[Finding]:
    """FP305, FP306, FP307: tables and columns that are missing, unknown or of another type."""
    assert target.connection is not None
    tables = {model: table_name(model, target.connection) for model in covered}
    expected = server_types(
        [_present(model, target.catalog.columns.get(t.lower(), {})) for model, t in tables.items()],
        target.connection,
    )
    for model, table in tables.items():
        label = model._meta.label_lower
        there = target.catalog.columns.get(table.lower())
        if there is None:
            leave_out = f" If no migration creates it, leave the model out: --exclude {label}."
            yield RULES["FP305"].finding(label, what=f"the table {table}", otherwise=leave_out)
            continue
        fields = {field.column.lower(): field for field in model._meta.local_concrete_fields}
        for field in fields.values():
            if field.column.lower() not in there:
                what = f"the column {field.column}"
                yield RULES["FP305"].finding(label, field.name, what=what, otherwise="")
        for name, facts in there.items():
            if name not in fields and not facts.may_be_left_out:
                yield RULES["FP306"].finding(label, facts.name)
        for field in _present(model, there):
            yield from _type(label, field, there[field.column.lower()], expected.get(field, ""))


def _present(model: Model, there: Collection[str]) -> list[Field]:
    """The fields whose column is there."""
    return [f for f in model._meta.local_concrete_fields if f.column.lower() in there]


def postgresql_kinds(covered: Iterable[Model]) -> Iterator[Finding]:
    """FP315: fields of django.contrib.postgres, and of classes made from them."""
    for model in covered:
        for field in postgresql_fields(model):
            kind = type(field).__name__
            yield RULES["FP315"].finding(model._meta.label_lower, field.name, kind=kind)


def postgresql_fields(model: Model) -> list[Field]:
    """The fields for which only PostgreSQL has a column type."""
    return [
        field
        for field in model._meta.local_concrete_fields
        if any(
            kind.__module__.startswith("django.contrib.postgres.") for kind in type(field).__mro__
        )
    ]


def _type(label: str, field: Field, actual: ColumnFacts, expected: str) -> Iterator[Finding]:
    differs = expected and expected.lower() != actual.type.lower()
    if differs and not takes_more(actual.type, expected):
        rule = RULES["FP316" if both_integers(actual.type, expected) else "FP307"]
        yield rule.finding(label, field.name, actual=actual.type, expected=expected)
    elif not actual.null and field.null:
        yield RULES["FP307"].finding(label, field.name, actual="NOT NULL", expected="NULL")


def server_types(
    tables: Sequence[list[Field]], connection: BaseDatabaseWrapper
) -> dict[Field, str]:
    """The types of these columns as the server writes them, read from temporary tables."""
    statements: list[str] = []
    for fields in tables:
        kinds = [column_type(field, connection) for field in fields]
        columns = "".join(f", c{number} {kind}" for number, kind in enumerate(kinds) if kind)
        statements += (
            f"CREATE TEMPORARY TABLE {_TEMPORARY} (key__ INTEGER PRIMARY KEY{columns})",
            f"SHOW COLUMNS FROM {_TEMPORARY}",
            f"DROP TEMPORARY TABLE IF EXISTS {_TEMPORARY}",
        )
    found: dict[Field, str] = {}
    for fields, shown in zip(tables, outcomes(connection, statements)[1::3], strict=True):
        if isinstance(shown, list):
            types = {row[0]: str(row[1]) for row in shown}
            found.update((f, types.get(f"c{number}", "")) for number, f in enumerate(fields))
    return found


def column_type(field: Field, connection: BaseDatabaseWrapper) -> str | None:
    """The type without AUTO_INCREMENT, which is not part of it and needs a key."""
    if isinstance(field, models.AutoField):
        return str(field.rel_db_type(connection))  # type: ignore[attr-defined]
    return field.db_type(connection)


_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")


def both_integers(actual: str, expected: str) -> bool:
    """Whether two types, as the server writes them, are of whole numbers."""
    return all(re.split(r"\W", kind.lower())[0] in _INTEGERS for kind in (actual, expected))


def takes_more(actual: str, expected: str) -> bool:
    """Whether a column takes every value of another type: a larger integer, a longer text.

    Tables that Django made in several versions, or by several settings of DEFAULT_AUTO_FIELD,
    often have such columns.
    """
    have, want = (re.match(r"(\w+)(?:\((\d+)\))?(.*)", kind.lower()) for kind in (actual, expected))
    if have is None or want is None or have[3] != want[3]:
        return False
    for order in (_INTEGERS, _TEXTS):
        if have[1] in order and want[1] in order:
            higher = order.index(have[1]) - order.index(want[1])
            longer = int(have[2] or 0) >= int(want[2] or 0)
            return higher > 0 if order is _INTEGERS else higher >= 0 and (longer or not have[2])
    return False


def tables(covered: Sequence[Model], target: TargetServer) -> Iterator[Finding]:
    """FP308, FP309, FP311: engines, character sets and row formats of the target's tables."""
    assert target.connection is not None
    for model in covered:
        facts = target.catalog.tables.get(table_name(model, target.connection).lower())
        if facts is None:
            continue
        label, name = model._meta.label_lower, facts.name
        if not facts.transactional:
            yield RULES["FP308"].finding(label, engine=facts.engine, table=name)
        elif facts.row_format.lower() in ("compact", "redundant"):
            yield RULES["FP311"].finding(label, row_format=facts.row_format, table=name)
        # The values of columns of unusual types are tried one by one.
        fields = model._meta.local_concrete_fields
        apart = {field.column.lower() for field in fields if target.is_unusual(field)}
        for charset in sorted(target.charsets(name, apart) - {"utf8mb4", "ascii"}):
            yield RULES["FP309"].finding(label, charset=charset, table=name)


def collations(covered: Sequence[Model], target: TargetServer) -> Iterator[Finding]:
    """FP310 if text columns have several collations that the project did not ask for; FP314 for
    the collation of new ones, if it ignores case.
    """
    assert target.connection is not None
    used = {
        text.collation
        for model in covered
        for field in model._meta.local_concrete_fields
        if (text := target.text_column(field)) and not getattr(field, "db_collation", None)
    }
    if len(used) > 1:
        yield RULES["FP310"].finding(collations=", ".join(sorted(used)))
    if target.facts.ignores_case:
        yield RULES["FP314"].finding(collation=target.default_collation)


def unquotable_names(covered: Iterable[Model]) -> Iterator[Finding]:
    """FP323: Django does not escape these characters in a name where MySQL needs it."""
    for model in covered:
        if character := unquotable(model._meta.db_table):
            label = model._meta.label_lower
            yield RULES["FP323"].finding(label, what="table", character=character)
        for field in model._meta.local_concrete_fields:
            if character := unquotable(field.column):
                yield RULES["FP323"].finding(
                    model._meta.label_lower, field.name, what="column", character=character
                )


def unquotable(name: str) -> str:
    """The character in a name that Django's MySQL backend does not escape; "" if it has none."""
    return next((character for character in "%`" if character in name), "")


def other_copier(target: TargetServer) -> Iterator[Finding]:
    """FP327: a target that a general copier filled, whose datetimes are text."""
    applied = target.catalog.columns.get("django_migrations", {}).get("applied")
    if applied is not None and not applied.type.lower().startswith(("datetime", "timestamp")):
        yield RULES["FP327"].finding(actual=applied.type)


def time_zones(target: TargetServer) -> Iterator[Finding]:
    """FP313: Django makes the server convert datetimes to the project's time zone."""
    if not settings.USE_TZ or settings.TIME_ZONE == "UTC":
        return
    if not target.facts.has_time_zone:
        yield RULES["FP313"].finding(time_zone=settings.TIME_ZONE)
