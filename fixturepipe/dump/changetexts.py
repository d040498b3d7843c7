"""The changes that fixes made to raw rows, as `changes.jsonl` has them: values as in a fixture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.changes import Change
from fixturepipe.artifacts.records import object_text
from fixturepipe.databases.fields import Field, dumped_fields, key_fields
from fixturepipe.databases.jsontext import text_of_raw
from fixturepipe.dump.storedforms import StoredForms
from fixturepipe.fixes.rowchange import RowChange


def as_fixture_changes(
    changes: Iterable[RowChange], connection: BaseDatabaseWrapper
) -> Iterator[Change]:
    """Yield each change with its values as JSON text: as the fixture has them, where it can."""
    texts = _Texts(connection)
    for change in changes:
        label, pk = change.model._meta.label_lower, texts.listed(change)
        if change.field is None:
            old, new, name = texts.object(change, label, pk), "null", None
        else:
            name = change.field.name
            old, new = texts.of(change.field, change.old), texts.of(change.field, change.new)
        yield Change(label, pk, name, old, new, change.rule)


class _Texts:
    """Raw values as JSON text."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._forms = StoredForms(connection)

    def of(self, field: Field, raw: Any) -> str:
        """The JSON text of a value."""
        try:
            (text,) = self._forms.encoder(field)([raw])
            text.encode()
        except Exception:  # noqa: BLE001  (check has reported what is wrong with it)
            return text_of_raw(raw)
        return text

    def listed(self, change: RowChange) -> str:
        """The JSON text of a row's primary key."""
        fields = key_fields(change.model)
        texts = [self.of(field, part) for field, part in zip(fields, change.key, strict=True)]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"

    def object(self, change: RowChange, label: str, pk: str) -> str:
        """The JSON text of a row that was left out, as the object that it would have been."""
        values = {
            field.name: self.of(field, value)
            for field, value in zip(dumped_fields(change.model), change.old, strict=True)
        }
        return object_text(label, pk, values)
