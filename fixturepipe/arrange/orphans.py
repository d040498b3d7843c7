"""Dangling references: finding them when all objects are in, and what is done about them.

While objects come in, only keys are noted: those defined and those referenced. When all are in, the
difference is what is missing; where nothing is, which is the rule, no object is looked at twice.
Otherwise the objects of the models that refer to missing keys are read again, in load order: each
reference is named, and the object goes on without it, is left out or stops the run. What is
left out is missing from then on for those that refer to it, who come later.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fixturepipe.arrange.intake import KeyIndex, Model, Models, Pointer
from fixturepipe.arrange.keys import NATURAL, Key
from fixturepipe.arrange.keysets import KeySet, KeyStore, batches
from fixturepipe.arrange.options import OnOrphan
from fixturepipe.artifacts.records import FixtureWriter, decode_object, encode_value, object_line
from fixturepipe.artifacts.rejects import SET_TO_NULL

Done = Literal["stopped", "rejected", "null"]

# Which of these keys the target holds: label, "pk" or a field or "natural key", keys. None where
# the target does not have the model's table yet.
InTarget = Callable[[str, str, Sequence[Any]], Collection[Any] | None]

NAMED = 1000  # so many are kept in memory; the file of reasons has all
_ASKED = 500


@dataclass(frozen=True)
class Orphan:
    """A dangling reference: the object and field that have it, and what was done."""

    model: str
    pk: Any
    field: str
    value: Any
    refers_to: str
    done: Done

    def __str__(self) -> str:
        end = {"stopped": "", "rejected": "; the object is left out", "null": SET_TO_NULL}
        name = self.model if self.pk is None else f"{self.model} {self.pk}"
        refers = f"{self.field} refers to {self.refers_to} {self.value!r}, which does not exist"
        return f"{name}: {refers}{end[self.done]}"


class MissingKeys:
    """The keys that are referred to and that no object has, by the number of their kind."""

    def __init__(self, models: Models, store: KeyStore, in_target: InTarget | None) -> None:
        self._store = store
        self._sets: dict[int, KeySet] = {}
        for index in models.key_indexes():
            if index.is_open or not index.referenced:
                continue
            made_by_target = models.by_label[index.kind.label].schema.natural_primary
            for key in _not_found(index, in_target or _nobody, made_by_target):
                self.add(index, key)

    def __bool__(self) -> bool:
        return bool(self._sets)

    def add(self, index: KeyIndex, key: Key) -> None:
        if index.number not in self._sets:
            self._sets[index.number] = self._store.new()
        self._sets[index.number].note(key)

    def touches(self, pointers: Sequence[Pointer]) -> bool:
        """Whether any of these references can lead to a missing key."""
        return any(
            index.number in self._sets
            for pointer in pointers
            for index in (pointer.by_value, pointer.by_natural_key)
        )

    def has(self, index: KeyIndex, value: object) -> bool:
        found = self._sets.get(index.number)
        return found is not None and index.key_of(value) in found


def _nobody(label: str, to: str, keys: Sequence[Any]) -> None:
    """There is no target to ask."""


def _not_found(index: KeyIndex, in_target: InTarget, made_by_target: bool) -> Iterator[Key]:
    """The keys that are referred to, and that neither an object nor a row of the target has.

    `made_by_target`: rows that the target will have as soon as it is migrated.
    """
    for batch in batches(index.referenced.without(index.defined), _ASKED):
        asked = [_as_asked(index, key) for key in batch]
        answer = in_target(index.kind.label, index.kind.to, asked)
        if answer is None and made_by_target:
            return
        found = {index.key_of(_listed(key)) for key in answer or ()}
        yield from (key for key in batch if key not in found)


def _as_asked(index: KeyIndex, key: Key) -> Any:
    return tuple(json.loads(str(key))) if index.kind.to == NATURAL else key


def _listed(key: Any) -> Any:
    if isinstance(key, tuple):
        return list(key)
    return key if isinstance(key, int | str) else str(key)


@dataclass
class Settlement:
    """Decides about each object of a model that refers to missing keys.

    `orphans` has the first of them, `total` counts all, `by_field` them apart; `rejected` counts
    objects left out, by label. All are written to `reasons`, the objects left out to `rejects`.
    """

    models: Models
    missing: MissingKeys
    policy: OnOrphan
    rejects: FixtureWriter
    reasons: FixtureWriter
    orphans: list[Orphan] = field(default_factory=list)
    total: int = 0
    by_field: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def only_names(self) -> bool:
        """Whether objects are named and otherwise left as they are."""
        return self.policy == "stop"

    def concerns(self, model: Model) -> bool:
        """Whether objects of the model have to be settled."""
        return self.missing.touches(model.pointers)

    def settle(self, model: Model, line: bytes) -> bytes | None:
        """The line as it goes on: unchanged, with keys null, or None if it is left out."""
        item = decode_object(line)
        pk, fields = item.get("pk"), item["fields"]
        wrong = list(self._wrong(model, pk, fields))
        if not wrong:
            return line
        left_out = self.policy == "reject" or (
            self.policy == "null" and not all(pointer.reference.null for pointer, _ in wrong)
        )
        done: Done = "stopped" if self.policy == "stop" else "rejected" if left_out else "null"
        for pointer, value in wrong:
            self._name(model, pk, pointer, value, done)
        if left_out:
            self._leave_out(model, pk, fields, line)
            return None
        if done == "stopped":
            return line
        for pointer, _ in wrong:
            fields[pointer.reference.field] = None
        return object_line(model.schema.label, pk, fields)

    def _wrong(
        self, model: Model, pk: Any, fields: Mapping[str, Any]
    ) -> Iterator[tuple[Pointer, Any]]:
        for pointer in model.pointers:
            own = fields.get(model.schema.pk, pk)
            value = own if pointer.field is None else fields.get(pointer.field)
            if value is None or not pointer.constrained:
                continue
            if self.missing.has(pointer.index_for(value), value):
                yield pointer, value

    def _name(self, model: Model, pk: Any, pointer: Pointer, value: Any, done: Done) -> None:
        reference = pointer.reference
        orphan = Orphan(model.schema.label, pk, reference.field, value, reference.model, done)
        self.total += 1
        self.by_field[f"{orphan.model}.{orphan.field} to {orphan.refers_to}"] += 1
        if len(self.orphans) < NAMED:
            self.orphans.append(orphan)
        reason = {
            "model": orphan.model,
            "pk": pk,
            "text": str(orphan),
            "field": orphan.field,
            "value": value if isinstance(value, str) else encode_value(value).decode(),
        }
        self.reasons.write([encode_value(reason)])

    def _leave_out(self, model: Model, pk: Any, fields: Mapping[str, Any], line: bytes) -> None:
        self.rejects.write([line])
        self.rejected[model.schema.label] += 1
        for index, key in self.models.keys_of(model, pk, fields):
            self.missing.add(index, key)
