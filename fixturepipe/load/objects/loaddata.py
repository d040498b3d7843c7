"""Django's own loaddata, which counts what it loads.

It checks the automatic many-to-many tables too, which Django forgets.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands import loaddata
from django.core.serializers.base import DeserializedObject


class StockCommand(loaddata.Command):
    """Django's own loaddata; `loaded` counts the saved objects by label."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, int] = {}

    def find_fixtures(self, fixture_label: str) -> list[tuple[str, str | None, str | None]]:
        """The fixture's files, as Django finds them, looked for each time.

        Django's command remembers each of its instances for good, through the cache on this
        method; with an instance a chunk, that would be all that was ever loaded.
        """
        found = getattr(loaddata.Command.find_fixtures, "__wrapped__", None)
        if found is None:
            found = loaddata.Command.find_fixtures
        return list(found(self, fixture_label))

    def save_obj(self, obj: DeserializedObject) -> bool:
        """Save as Django does, and count."""
        model = type(obj.object)
        lists = list(obj.m2m_data or ())
        saved = bool(super().save_obj(obj))
        if saved:
            label = model._meta.label_lower
            self.loaded[label] = self.loaded.get(label, 0) + 1
            relations: list[Any] = [model._meta.get_field(name) for name in lists]
            self.models.update(relation.remote_field.through for relation in relations)
        return saved
