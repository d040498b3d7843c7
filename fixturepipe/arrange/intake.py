"""Taking objects in: what is noted of each, and where it goes.

An object of an ordinary model goes straight into that model's chunk. One of a tangled component
waits with the others of its component. Either way its own keys are noted, and the keys it
refers to, so that what points at nothing can be told when all objects are in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fixturepipe.arrange.chunking import ModelStream
from fixturepipe.arrange.keys import NATURAL, PK, Key, Kind, NaturalKeys, key_of
from fixturepipe.arrange.keysets import KeySet, KeyStore
from fixturepipe.arrange.objects import ComponentObjects, Name, Use
from fixturepipe.artifacts.catalog import mark_of
from fixturepipe.artifacts.manifest import ModelSchema, Reference
from fixturepipe.artifacts.records import object_line
from fixturepipe.graph import ModelGraph


@dataclass
class Names:
    """One kind of key: the keys that objects bear, and those that references use.

    `open` where some object bears a key of this kind that its fields do not tell: then a
    reference that seems to lead nowhere may yet lead there. `followed` where objects are ordered
    by references of this kind, `keyless` where an object has it and no primary key.
    """

    kind: Kind
    number: int
    borne: KeySet
    used: KeySet
    open: bool = False
    followed: bool = False
    keyless: bool = False


@dataclass(frozen=True)
class Pointer:
    """A reference of a model, with the two kinds of key that its value can be."""

    slot: int
    reference: Reference
    by_value: Names
    by_natural_key: Names
    inside: bool  # leads to a model of the same tangled component

    def names(self, value: object) -> Names:
        return self.by_natural_key if isinstance(value, list) else self.by_value


# Slot, field (None: the primary key), constrained, inside, by value, by natural key.
_Look = tuple[int, str | None, bool, bool, Names, Names]


@dataclass
class Model:
    """What is done with the objects of one model."""

    schema: ModelSchema
    number: int
    keys: Names
    others: tuple[Names, ...]  # the other kinds by which something refers to it
    pointers: tuple[Pointer, ...]
    plain: frozenset[str]  # what the fields of an object in our form are among
    looks: tuple[_Look, ...]  # the pointers, laid out for a quick loop
    note: Callable[[Key], None]  # that an object bears a primary key
    stream: ModelStream | None = None
    waiting: ComponentObjects | None = None
    objects: int = 0


def _look(pointer: Pointer) -> _Look:
    reference = pointer.reference
    return (
        pointer.slot,
        None if reference.field == PK else reference.field,
        reference.constrained,
        pointer.inside,
        pointer.by_value,
        pointer.by_natural_key,
    )


class Models:
    """All models, and the kinds of key that tie them together."""

    def __init__(
        self, schemas: Mapping[str, ModelSchema], graph: ModelGraph, store: KeyStore
    ) -> None:
        self.natural_keys = NaturalKeys(schemas)
        self._store = store
        self._names: dict[Kind, Names] = {}
        pointers = {label: tuple(self._pointers(schemas[label], graph)) for label in graph.labels}
        self.by_label = {
            label: Model(
                schema=schemas[label],
                number=number,
                keys=self.names(Kind(label, PK)),
                others=self._others(schemas[label]),
                pointers=pointers[label],
                plain=frozenset(schemas[label].fields),
                looks=tuple(map(_look, pointers[label])),
                note=self.names(Kind(label, PK)).borne.note,
            )
            for number, label in enumerate(graph.labels)
        }
        self.by_number = list(self.by_label.values())

    def names(self, kind: Kind) -> Names:
        """The names of a kind, the same object whenever asked."""
        if kind not in self._names:
            number = len(self._names)
            self._names[kind] = Names(kind, number, self._store.new(), self._store.new())
        return self._names[kind]

    def all_names(self) -> list[Names]:
        return list(self._names.values())

    def _pointers(self, schema: ModelSchema, graph: ModelGraph) -> Iterator[Pointer]:
        component = graph.component_of[schema.label]
        for slot, reference in enumerate(schema.references):
            if reference.model in graph.component_of:
                by_value = self.names(Kind(reference.model, reference.to))
                by_natural_key = self.names(Kind(reference.model, NATURAL))
                inside = component.tangled and reference.model in component.labels
                for names in (by_value, by_natural_key):
                    names.followed = names.followed or inside
                yield Pointer(slot, reference, by_value, by_natural_key, inside)

    def _others(self, schema: ModelSchema) -> tuple[Names, ...]:
        """The kinds besides the primary key whose keys are read off each object."""
        if schema.natural_primary:
            self.names(Kind(schema.label, NATURAL))
        found = []
        for kind, names in self._names.items():
            if kind.label == schema.label and kind.to == NATURAL and not schema.natural_key:
                names.open = True  # the model computes it: nothing here can tell what it is
            elif kind.label == schema.label and kind.to != PK:
                found.append(names)
        return tuple(found)

    def keys_of(
        self, model: Model, pk: object, fields: Mapping[str, Any]
    ) -> list[tuple[Names, Key]]:
        """Every key that an object bears, of the kinds that something may refer to."""
        found: list[tuple[Names, Key]] = []
        if pk is not None:
            found.append((model.keys, key_of(pk)))
        for names in model.others:
            if names.kind.to == NATURAL:
                key = self.natural_keys.of(model.schema.label, pk, fields)
                if key is None:
                    names.open = True
                else:
                    found.append((names, key))
            elif fields.get(names.kind.to) is not None:
                found.append((names, key_of(fields[names.kind.to])))
        return found

    def take(
        self, model: Model, pk: object, fields: Mapping[str, Any], line: bytes | None = None
    ) -> None:
        """Take one object in, whose line is written as it is if it is given.

        Runs once for each object of a migration: written out where a call would show.
        """
        model.objects += 1
        if type(pk) is int and _LEAST <= pk <= _MOST:
            mark = pk
            model.note(pk)
        else:
            mark = mark_of(pk)
            if pk is not None:
                model.note(key_of(pk))
        uses = self._note_uses(model, pk, fields) if model.looks else []
        if line is None:
            line = object_line(model.schema.label, pk, fields)
        if model.stream is not None and not model.others:
            model.stream.add(mark, line)
        else:
            self._take_named(model, pk, fields, mark, line, uses)

    def _note_uses(self, model: Model, pk: object, fields: Mapping[str, Any]) -> list[Use]:
        """Note the keys that an object refers to; those within its own component are given."""
        uses: list[Use] = []
        for slot, name, constrained, inside, by_value, by_natural_key in model.looks:
            value = fields.get(name) if name is not None else pk
            if value is None and name is None:
                value = fields.get(model.schema.pk)
            if value is None:
                continue
            names = by_natural_key if type(value) is list else by_value
            if type(value) is not int or not _LEAST <= value <= _MOST:
                value = key_of(value)
            if constrained:
                names.used.note(value)
            if inside:
                uses.append((slot, names.number, value))
        return uses

    def _take_named(
        self,
        model: Model,
        pk: object,
        fields: Mapping[str, Any],
        mark: int,
        line: bytes,
        uses: list[Use],
    ) -> None:
        """The rest of taking in an object that something may refer to in several ways."""
        keys = self.keys_of(model, pk, fields)
        for names, key in keys:
            if names is not model.keys:
                names.borne.note(key)
                names.keyless = names.keyless or pk is None
        if model.waiting is not None:
            borne: list[Name] = [(names.number, key) for names, key in keys if names.followed]
            model.waiting.add(model.number, mark, line, borne, uses)
        elif model.stream is not None:
            model.stream.add(mark, line)

    def repeated(self) -> Iterator[tuple[Names, Key]]:
        """Keys that more than one object seems to go by.

        A natural key counts for objects without primary key only; where there are some, it may
        still be that others bear it.
        """
        for names in self._names.values():
            if names.kind.to == PK or names.keyless:
                for key in names.borne.repeated():
                    yield names, key


_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
