"""Natural keys that only a model's own `natural_key` can compute, many at once.

Instances are made for these, in batches, joined with the related objects that the key needs:
the first instance shows which relations these are by fetching them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import LOOKUP_SEP

from fixturepipe.databases.fields import Model
from fixturepipe.databases.jsontext import Values, json_of_value
from fixturepipe.databases.keyproof import without_image_sizes

REMEMBERED = 20_000
AT_ONCE = 500


class ComputedKeys:
    """The natural keys of a model's rows, by the column that references hold (`to`).

    Remembers a bounded number of them.
    """

    def __init__(self, model: Model, to: str, connection: BaseDatabaseWrapper) -> None:
        self._model = model
        self._to = to
        self._connection = connection
        self._known: dict[Any, str] = {}
        self._related: tuple[str, ...] | None = None

    def __call__(self, values: Values) -> dict[Any, str]:
        """The natural keys, as JSON text, of the rows that these raw references lead to.

        A dangling reference is not in it. Raises what `natural_key` raises.
        """
        if len(self._known) > REMEMBERED:
            self._known.clear()
        wanted = list(set(values) - self._known.keys() - {None})
        for start in range(0, len(wanted), AT_ONCE):
            self._learn(wanted[start : start + AT_ONCE])
        return self._known

    def _learn(self, raws: Sequence[Any]) -> None:
        rows = without_image_sizes(
            models.QuerySet(model=self._model, using=self._connection.alias)
        ).filter(**{f"{self._to}__in": raws})
        if self._related is None:
            first = rows.first()
            if first is None:
                return
            first.natural_key()
            self._related = tuple(_fetched_relations(first))
        for instance in rows.select_related(*self._related) if self._related else rows:
            self._known[self._raw(instance)] = json_of_value(list(instance.natural_key()))

    def _raw(self, instance: models.Model) -> Any:
        """The value of the referenced column as the database has it."""
        field: Any = self._model._meta.get_field(self._to)
        return field.get_db_prep_value(field.value_from_object(instance), self._connection)


def _fetched_relations(instance: models.Model, prefix: str = "") -> Iterator[str]:
    forward = {field.name for field in instance._meta.fields}
    for name, related in instance._state.fields_cache.items():
        if isinstance(related, models.Model) and name in forward:
            yield prefix + name
            yield from _fetched_relations(related, f"{prefix}{name}{LOOKUP_SEP}")
