"""The references of a chunk whose rows went in while foreign keys were off.

Only the chunk's own rows are looked at, so that the check costs the same however full the
tables are. A row that points at nothing is deleted, and the check repeated: what referred to
that row dangles now.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.packets import in_batches
from fixturepipe.databases.plainquery import every_row
from fixturepipe.load.objects.modelplan import ModelPlan
from fixturepipe.load.objects.rows import FixtureObject, RowProblem
from fixturepipe.load.objects.saver import ChunkSaver
from fixturepipe.load.server.constraints import Constraint, constraints_of

_BATCH = 1_000


def check_references(connection: BaseDatabaseWrapper, saver: ChunkSaver) -> None:
    """Check the chunk's references, and take back the objects with dangling ones."""
    every = constraints_of(connection)
    constraints = {plan: every.get(plan.model._meta.db_table.lower(), []) for plan in saver.saved}
    again = True
    while again:
        again = False
        for plan, rows in saver.saved.items():
            for constraint in constraints[plan]:
                dangling = _dangling(connection, plan, constraint, rows)
                if dangling:
                    again = True
                    _take_back(connection, saver, plan, constraint, dangling)


def _dangling(
    connection: BaseDatabaseWrapper,
    plan: ModelPlan,
    constraint: Constraint,
    rows: dict[str, FixtureObject],
) -> list[str]:
    """The keys (literals) among the rows' that point at nothing through the constraint."""
    quote = connection.ops.quote_name
    column = f"{plan.table}.{quote(constraint.column)}"
    points_at_nothing = (
        f"{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {quote(constraint.remote)} parent"
        f" WHERE parent.{quote(constraint.to)} = {column})"
    )
    found: list[str] = []
    for keys in in_batches(connection, rows, _BATCH):
        of_these = plan.key_condition(keys).replace("%", "%%")
        table = every_row(plan.model, connection.alias)
        # Names and literals only, all quoted; `extra` reads the keys back as the fields' types.
        found += plan.keys_of(table.extra(where=[of_these, points_at_nothing]))  # noqa: S610
    return found


def _take_back(
    connection: BaseDatabaseWrapper,
    saver: ChunkSaver,
    plan: ModelPlan,
    constraint: Constraint,
    keys: list[str],
) -> None:
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
