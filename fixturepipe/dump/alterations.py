"""What changes objects on their way into a dump: declared fixes, then the project's transform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import LOOKUP_SEP

from fixturepipe.artifacts.changes import Change
from fixturepipe.artifacts.records import object_text
from fixturepipe.databases.fields import Field, Model, dumped_fields, key_fields
from fixturepipe.databases.jsontext import text_of_raw
from fixturepipe.dump.keychoice import KeyChoice
from fixturepipe.dump.snapshot import Snapshot
from fixturepipe.dump.storedforms import StoredForms
from fixturepipe.dump.transform import Transform
from fixturepipe.events import Listener, Notice
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.fixes import RowChange


class Repair(Protocol):
    """Applies the declared fixes to the copy of the source before it is read."""

    def __call__(self, copy: BaseDatabaseWrapper, chosen: Sequence[Model]) -> list[RowChange]:
        """Change rows of the copy and return the changes."""

    @property
    def unused(self) -> Sequence[Declaration]:
        """The declarations that have changed no row."""

    @property
    def fingerprint_parts(self) -> list[Any]:
        """Everything that decides which values are changed."""


class Alterations:
    """The fixes and the transform of one dump, and the changes that the fixes have made."""

    def __init__(self, transform: str | None, repair: Repair | None) -> None:
        self.transform = Transform(transform) if transform else None
        self._repair = repair
        self._changes: dict[str, list[Change]] = {}

    def repair(self, snapshot: Snapshot, chosen: Sequence[Model], listener: Listener) -> None:
        """Apply the fixes to the snapshot, and report the declarations that changed nothing."""
        if self._repair is None:
            return
        with snapshot.writable() as copy:
            for change in _fixture_changes(self._repair(copy, chosen), copy):
                self._changes.setdefault(change.model.partition(".")[0], []).append(change)
        for declaration in self._repair.unused:
            listener(Notice("info", f"The fix {declaration} changed no row."))

    def keep_natural_keys(self, choice: KeyChoice) -> None:
        """Forbid the transform to change the fields that references are written by."""
        if self.transform is not None:
            keep_natural_keys(self.transform, choice)

    def changes_of(self, app: str) -> list[Change]:
        """What the fixes have changed in an app's rows."""
        return list(self._changes.get(app, []))

    def all_changes(self) -> list[Change]:
        """What the fixes have changed in all apps."""
        return [change for changes in self._changes.values() for change in changes]

    @property
    def fingerprint_parts(self) -> list[Any]:
        """Everything that decides which values are changed; empty if nothing changes any."""
        transform = [self.transform.fingerprint] if self.transform is not None else []
        return transform + (self._repair.fingerprint_parts if self._repair is not None else [])


def keep_natural_keys(transform: Transform, choice: KeyChoice) -> None:
    """Forbid the transform to change the fields that references are written by."""
    transform.fixed = {
        model._meta.label_lower: [path.partition(LOOKUP_SEP)[0] for path in paths]
        for model, paths in choice.models.items()
    }


def _fixture_changes(
    changes: Iterable[RowChange], connection: BaseDatabaseWrapper
) -> Iterator[Change]:
    """Each change with its values as JSON text: as the fixture has them, where it can."""
    forms = StoredForms(connection)
    for change in changes:
        label = change.model._meta.label_lower
        parts = _texts(forms, key_fields(change.model), change.key)
        pk = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
        if change.field is None:
            fields = dumped_fields(change.model)
            texts = _texts(forms, fields, change.old)
            values = dict(zip((field.name for field in fields), texts, strict=True))
            yield Change(label, pk, None, object_text(label, pk, values), "null", change.rule)
        else:
            old, new = _texts(forms, [change.field] * 2, (change.old, change.new))
            yield Change(label, pk, change.field.name, old, new, change.rule)


def _texts(forms: StoredForms, fields: Sequence[Field], raws: Sequence[Any]) -> list[str]:
    return [_text(forms, field, raw) for field, raw in zip(fields, raws, strict=True)]


def _text(forms: StoredForms, field: Field, raw: Any) -> str:
    try:
        (text,) = forms.encoder(field)([raw])
        text.encode()
    except Exception:  # noqa: BLE001  (check has reported what is wrong with it)
        return text_of_raw(raw)
    return text
