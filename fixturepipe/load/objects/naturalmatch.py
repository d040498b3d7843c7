"""Which rows of the target the objects without a primary key are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.serializers.python import Deserializer

from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.packets import in_batches
from fixturepipe.databases.plainquery import every_row
from fixturepipe.load.objects.columns import MISSING, Column
from fixturepipe.load.objects.modelplan import ModelPlan
from fixturepipe.load.objects.ownkeys import key_paths
from fixturepipe.load.objects.references import any_of
from fixturepipe.load.objects.rows import FixtureObject

_LOOKUP_BATCH = 1_000


class NaturalMatcher:
    """Finds the rows that objects without a primary key stand for, by their natural keys.

    The key's parts are columns of the object's own row where its references go by the whole
    natural key of what they refer to; such objects are matched with one query. Others are made
    into instances and asked, as loaddata does.
    """

    def __init__(self, alias: str, plan: ModelPlan) -> None:
        self._alias = alias
        self._plan = plan
        self._columns = _key_columns(plan)

    def match(
        self, rows: Sequence[int], group: Sequence[FixtureObject], cells: Sequence[list[Any]]
    ) -> list[Any]:
        """The primary key for each of these rows, None where the target has no such row."""
        plan = self._plan
        if self._columns:
            return self._by_columns(rows, cells)
        if not key_paths(plan.model) and not hasattr(plan.model, "natural_key"):
            return [MISSING if plan.pk.has_default() else None for _ in rows]
        return [self._by_instance(group[row]) for row in rows]

    def _by_columns(self, rows: Sequence[int], cells: Sequence[list[Any]]) -> list[Any]:
        wanted = [tuple(c.python_value(cells[i][row]) for i, c in self._columns) for row in rows]
        names = [column.field.attname for _, column in self._columns]
        found: dict[tuple[Any, ...], Any] = {}
        table = every_row(self._plan.model, self._alias)
        for keys in in_batches(connection_to(self._alias), wanted, _LOOKUP_BATCH):
            condition = any_of(names, keys)
            for key, *parts in table.filter(condition).values_list("pk", *names):
                found[tuple(parts)] = key
        return [found.get(key, self._new_key()) for key in wanted]

    def _by_instance(self, each: FixtureObject) -> Any:
        (made,) = Deserializer([each], using=self._alias)
        return made.object.pk if made.object.pk is not None else self._new_key()

    def _new_key(self) -> Any:
        return MISSING if self._plan.pk.has_default() else None


def _key_columns(plan: ModelPlan) -> list[tuple[int, Column]]:
    paths = key_paths(plan.model)
    by_prefix: dict[str, list[str]] = {}
    for path in paths:
        prefix, _, rest = path.partition("__")
        by_prefix.setdefault(prefix, []).append(rest)
    found: list[tuple[int, Column]] = []
    for prefix, rests in by_prefix.items():
        for position, column in enumerate(plan.columns):
            if prefix not in (column.field.name, column.field.attname):
                continue
            if rests != [""] and (
                column.remote is None or tuple(rests) != key_paths(column.remote)
            ):
                return []
            found.append((position, column))
    return found if len(found) == len(by_prefix) else []
