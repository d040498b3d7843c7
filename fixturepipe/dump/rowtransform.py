"""What the project's transform would make of single rows of the source, for `check`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from fixturepipe.databases.coverage import coverage
from fixturepipe.databases.endpoints import SOURCE, connection_to
from fixturepipe.databases.fields import Field, Model, without_code
from fixturepipe.dump.alterations import keep_natural_keys
from fixturepipe.dump.keychoice import choose_keys
from fixturepipe.dump.rowplan import RowPlan
from fixturepipe.dump.rowquery import rows_with_keys
from fixturepipe.dump.serializer import refusal_of
from fixturepipe.dump.storedforms import StoredForms
from fixturepipe.dump.transform import Transform, Transformed
from fixturepipe.fixes.values import AfterFixes, NewValue, stored


@dataclass(frozen=True)
class RowTransform:
    """Gives the value that the transform makes of one; it may be sent to other processes.

    `alias` is the source's own. Raises ConfigurationError as `Transform` does.
    """

    name: str
    natural_keys: str
    alias: str

    def __call__(
        self, field: Field, key: Sequence[Any], after_fixes: AfterFixes
    ) -> NewValue | None:
        """The raw value of the row with this raw key; None if the transform leaves it alone.

        `after_fixes` gives what the declared fixes make of a raw value: as in the dump, the
        transform gets the row after them.
        """
        made = self._rows.transformed(field.model, tuple(key), after_fixes)
        if made is None or field.name in made.unchanged:
            return None
        if made.line is None:
            return NewValue(None, dropped=True)
        found = json.loads(made.line)
        value = found["fields"].get(field.name, found.get("pk"))
        return None if isinstance(value, list) else NewValue(_as_stored(field, value))

    @cached_property
    def _rows(self) -> _Rows:
        return _Rows(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_rows"}


def _as_stored(field: Field, value: Any) -> Any:
    """What the source would store for a fixture's value; the value itself if it is not one."""
    source = connection_to(SOURCE)
    plain = without_code(field, source)
    if value is None or plain is None:
        return value
    try:
        return stored(plain, plain.to_python(value), source)
    except Exception:  # noqa: BLE001  (check judges the value)
        return value


class _Rows:
    """Rows of the source, read and transformed as the dump does."""

    def __init__(self, options: RowTransform) -> None:
        self._transform = Transform(options.name)
        self._source = connection_to(SOURCE)
        self._forms = StoredForms(self._source)
        covered = coverage(self._source, options.alias).models
        self._choice = choose_keys(covered, self._source, options.natural_keys)
        keep_natural_keys(self._transform, self._choice)
        self._plans: dict[Model, RowPlan] = {}
        # One row may have several wrong values.
        self.transformed = lru_cache(maxsize=256)(self._transformed)

    def _transformed(
        self, model: Model, key: tuple[Any, ...], after_fixes: AfterFixes
    ) -> Transformed | None:
        """None if the row is gone."""
        if model not in self._plans:
            self._plans[model] = RowPlan(model, self._source, self._choice, self._forms)
        plan = self._plans[model]
        for row in rows_with_keys(plan, [key]):
            refused = refusal_of(plan, _fixed(plan, row, after_fixes))
            return self._transform(refused.line, refused.raws)
        return None


def _fixed(plan: RowPlan, row: Sequence[Any], after_fixes: AfterFixes) -> list[Any]:
    """A row with fixed values. References with a natural key are left as they are."""
    fields = {field.name: field for field in plan.model._meta.local_concrete_fields}
    fixed: list[Any] = []
    for part, columns in plan.shares(row):
        values = [value for (value,) in columns]
        field = fields.get(part.name)
        if field is not None and part.width == 1:
            values = [after_fixes(field, values[0])]
        fixed += values
    return fixed
