"""The compiled plans of the models of one load."""

from __future__ import annotations

from typing import Any

from django.apps import apps

from fixturepipe.databases.endpoints import connection_to
from fixturepipe.load.rows import Model, ModelPlan


class ModelPlans:
    """Plans over the connection `alias`, made when first asked for.

    `json_nulls`: for each model's label and JSON field, the keys whose null means JSON null.
    """

    def __init__(self, alias: str, json_nulls: dict[str, dict[str, Any]]) -> None:
        self._alias = alias
        self._json_nulls = json_nulls
        self._plans: dict[str, ModelPlan] = {}
        self._packet_size = 0

    def plan(self, label: str) -> ModelPlan:
        """The plan of the model that a fixture names. Raises LookupError if there is none."""
        found = self._plans.get(label)
        if found is None:
            named = apps.get_model(label)
            model: Model = named._meta.concrete_model or named
            nulls = self._json_nulls.get(model._meta.label_lower, {})
            found = ModelPlan(model, connection_to(self._alias), nulls)
            self._plans[label] = found
        return found

    @property
    def packet_size(self) -> int:
        """The bytes that a statement may have."""
        if not self._packet_size:
            with connection_to(self._alias).cursor() as cursor:
                cursor.execute("SELECT @@max_allowed_packet")
                (size,) = cursor.fetchone() or (0,)
            # The packet's header and the statement's own words count as well.
            self._packet_size = int(size) - 1024
        return self._packet_size
