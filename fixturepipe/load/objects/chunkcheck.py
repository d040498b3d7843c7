"""The references of a chunk whose rows went in while foreign keys were off.

Only the chunk's own rows are looked at, so that the check costs the same however full the
tables are. A row that points at nothing is deleted, and the check repeated: what referred to
that row dangles now.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.catalog import Catalog, Constraint
from fixturepipe.databases.packets import in_batches, results
from fixturepipe.databases.plainquery import every_row
from fixturepipe.load.objects.modelplan import ModelPlan
from fixturepipe.load.objects.rows import RowProblem
from fixturepipe.load.objects.saver import ChunkSaver

_BATCH = 1_000


# A constraint by which those of a plan's rows dangle that meet a condition (SQL).
_Question = tuple[ModelPlan, Constraint, str]


def check_references(connection: BaseDatabaseWrapper, saver: ChunkSaver, catalog: Catalog) -> None:
    """Check the chunk's references, and take back the objects with dangling ones."""
    again = True
    while again:
        questions = [*_questions(connection, saver, catalog)]
        asked = [
            f"SELECT EXISTS (SELECT 1 FROM {plan.table} WHERE {condition})"
            for plan, _, condition in questions
        ]
        answers = zip(questions, results(connection, asked), strict=True)
        dangling = [question for question, ((there_are,),) in answers if there_are]
        for question in dangling:
            _take_back(connection, saver, *question)
        again = bool(dangling)


def _questions(
    connection: BaseDatabaseWrapper, saver: ChunkSaver, catalog: Catalog
) -> Iterator[_Question]:
    for plan, rows in saver.saved.items():
        for constraint in catalog.foreign_keys.get(plan.model._meta.db_table.lower(), ()):
            points_at_nothing = _points_at_nothing(connection, plan, constraint)
            for keys in in_batches(connection, rows, _BATCH):
                yield plan, constraint, f"{plan.key_condition(keys)} AND {points_at_nothing}"


def _points_at_nothing(
    connection: BaseDatabaseWrapper, plan: ModelPlan, constraint: Constraint
) -> str:
    quote = connection.ops.quote_name
    column = f"{plan.table}.{quote(constraint.column)}"
    return (
        f"{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {quote(constraint.remote)} parent"
        f" WHERE parent.{quote(constraint.to)} = {column})"
    )


def _take_back(
    connection: BaseDatabaseWrapper,
    saver: ChunkSaver,
    plan: ModelPlan,
    constraint: Constraint,
    condition: str,
) -> None:
    # Names and literals only, all quoted; `extra` reads the keys back as the fields' types.
    condition = condition.replace("%", "%%")
    keys = plan.keys_of(every_row(plan.model, connection.alias).extra(where=[condition]))  # noqa: S610
    with connection.cursor() as cursor:
        for batch in in_batches(connection, keys, _BATCH):
            cursor.execute(f"DELETE FROM {plan.table} WHERE {plan.key_condition(batch)}")
    column = next(c for c in plan.columns if c.name == constraint.column)
    problems = []
    for key in keys:
        each = saver.saved[plan].pop(key)
        name = column.field.name
        value = each.get("pk") if column.field is plan.pk else each["fields"].get(name)
        text = f"it refers to a row that is not in {constraint.remote}"
        hint = "The object it refers to is not in the target."
        problems.append(RowProblem(each, text, name, value, hint))
    saver.take_back(plan, problems)
