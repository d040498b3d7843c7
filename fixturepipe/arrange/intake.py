"""Taking objects in: what is noted of each, and where it goes.

An object of an ordinary model goes straight into that model's chunk. One of a cyclic component
waits with the others of its component. Either way its own keys are noted, and the keys it
refers to, so that dangling references can be found when all objects are in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from fixturepipe.arrange.chunking import ModelStream
from fixturepipe.arrange.keys import NATURAL, PK, Key, KeyReaders, Kind, key_of, key_reader
from fixturepipe.arrange.keysets import KeySet, KeyStore
from fixturepipe.arrange.objects import ComponentObjects, FieldRef, KeyRef
from fixturepipe.artifacts.catalog import lookup_key_of
from fixturepipe.artifacts.manifest import ModelSchema, Reference
from fixturepipe.artifacts.naturalkeys import NaturalKeys
from fixturepipe.artifacts.records import encode_value, object_line
from fixturepipe.graph import ModelGraph
from fixturepipe.wording import cut


@dataclass
class KeyIndex:
    """One kind of key: the keys that objects define, and those that references use.

    `is_open` where an object has a key of this kind that cannot be read off its fields: then a
    reference that seems to lead nowhere may yet lead there. `followed` where objects are ordered
    by references of this kind, `keyless` where an object has it and no primary key.
    `takes_integers` where a whole number is its own one form.
    """

    kind: Kind
    number: int
    defined: KeySet
    referenced: KeySet
    read: Callable[[Any], Key]
    takes_integers: bool
    is_open: bool = False
    followed: bool = False
    keyless: bool = False

    def key_of(self, value: object) -> Key:
        """A key's one form; that of a value which the field cannot read is no object's."""
        try:
            return self.read(value)
        except ValueError:
            return key_of(value)


class KeyValueError(Exception):
    """A primary key that its field cannot read."""

    def __init__(self, label: str, pk: object, reason: str) -> None:

        pk_shown = cut(encode_value(pk).decode(), _SHOWN)
        super().__init__(f"{label} has pk {pk_shown}, which its field does not accept: {reason}")


class Pointer(NamedTuple):
    """A reference of a model, with the two kinds of key that its value can be.

    `field_index` is its index among the model's references, `field` None for the primary key;
    `inside` says that it leads to a model of the same cyclic component. A tuple, for quick loops.
    """

    field_index: int
    field: str | None
    constrained: bool
    inside: bool
    by_value: KeyIndex
    by_natural_key: KeyIndex
    reference: Reference

    def index_for(self, value: object) -> KeyIndex:
        return self.by_natural_key if isinstance(value, list) else self.by_value


@dataclass
class Model:
    """What is done with the objects of one model."""

    schema: ModelSchema
    number: int
    keys: KeyIndex
    others: tuple[KeyIndex, ...]  # the other kinds by which something refers to it
    pointers: tuple[Pointer, ...]
    plain: frozenset[str]  # what the fields of an object in our form are among
    note: Callable[[Key], None]  # that an object has a primary key
    stream: ModelStream | None = None
    waiting: ComponentObjects | None = None
    objects: int = 0


class Models:
    """All models, and the kinds of key that tie them together."""

    def __init__(
        self,
        schemas: Mapping[str, ModelSchema],
        graph: ModelGraph,
        store: KeyStore,
        readers: KeyReaders | None,
    ) -> None:
        """`readers` is None for dumps of our own, which spell each key in one way."""
        self.natural_keys = NaturalKeys(schemas.__getitem__)
        self._readers = readers
        self._store = store
        self._indexes: dict[Kind, KeyIndex] = {}
        pointers = {label: tuple(self._pointers(schemas[label], graph)) for label in graph.labels}
        self.by_label = {
            label: Model(
                schema=schemas[label],
                number=number,
                keys=self.key_index(Kind(label, PK)),
                others=self._others(schemas[label]),
                pointers=pointers[label],
                plain=frozenset(schemas[label].fields),
                note=self.key_index(Kind(label, PK)).defined.note,
            )
            for number, label in enumerate(graph.labels)
        }
        self.by_number = list(self.by_label.values())

    def key_index(self, kind: Kind) -> KeyIndex:
        """The index of a kind, the same object whenever asked."""
        if kind not in self._indexes:
            number = len(self._indexes)
            read = key_reader(self._readers(kind.label, kind.to) if self._readers else None)
            defined, referenced = self._store.new(), self._store.new()
            takes_integers = read is key_of or _takes_integers(read)
            self._indexes[kind] = KeyIndex(kind, number, defined, referenced, read, takes_integers)
        return self._indexes[kind]

    def key_in(self, label: str, field: str, value: object) -> Key:
        """The one form of a key that a reference of a model holds."""
        for pointer in self.by_label[label].pointers:
            if pointer.reference.field == field:
                return pointer.index_for(value).key_of(value)
        return key_of(value)

    def key_indexes(self) -> list[KeyIndex]:
        return list(self._indexes.values())

    def _pointers(self, schema: ModelSchema, graph: ModelGraph) -> Iterator[Pointer]:
        component = graph.component_of[schema.label]
        for field_index, reference in enumerate(schema.references):
            if reference.model in graph.component_of:
                by_value = self.key_index(Kind(reference.model, reference.to))
                by_natural_key = self.key_index(Kind(reference.model, NATURAL))
                inside = component.is_cyclic and reference.model in component.labels
                for index in (by_value, by_natural_key):
                    index.followed = index.followed or inside
                yield Pointer(
                    field_index,
                    None if reference.field == PK else reference.field,
                    reference.constrained,
                    inside,
                    by_value,
                    by_natural_key,
                    reference,
                )

    def _others(self, schema: ModelSchema) -> tuple[KeyIndex, ...]:
        """The kinds of key, other than the primary key, that are read off each object."""
        if schema.natural_primary:
            self.key_index(Kind(schema.label, NATURAL))
        found = []
        for kind, index in self._indexes.items():
            if kind.label == schema.label and kind.to == NATURAL and not schema.natural_key:
                index.is_open = True  # the model computes it: it cannot be known here
            elif kind.label == schema.label and kind.to != PK:
                found.append(index)
        return tuple(found)

    def keys_of(
        self, model: Model, pk: object, fields: Mapping[str, Any]
    ) -> list[tuple[KeyIndex, Key]]:
        """Every key that an object defines, of the kinds that something may refer to."""
        found: list[tuple[KeyIndex, Key]] = []
        if pk is not None:
            found.append((model.keys, model.keys.key_of(pk)))
        for index in model.others:
            if index.kind.to == NATURAL:
                parts = self.natural_keys.of(model.schema.label, pk, fields)
                if parts is None:
                    index.is_open = True
                else:
                    found.append((index, index.key_of(parts)))
            elif fields.get(index.kind.to) is not None:
                found.append((index, index.key_of(fields[index.kind.to])))
        return found

    def take(
        self, model: Model, pk: object, fields: Mapping[str, Any], line: bytes | None = None
    ) -> None:
        """Take one object in, whose line is written as it is if it is given.

        Runs once for each object of a migration: written out where a call would show.
        """
        model.objects += 1
        if type(pk) is int and _LEAST <= pk <= _MOST and model.keys.takes_integers:
            lookup_key = pk
            model.note(pk)
        else:
            lookup_key = lookup_key_of(pk)
            if pk is not None:
                model.note(self._primary_key(model, pk))
        uses = self._note_uses(model, pk, fields) if model.pointers else []
        if line is None:
            line = object_line(model.schema.label, pk, fields)
        if model.stream is not None and not model.others:
            model.stream.add(lookup_key, line)
        else:
            self._take_named(model, pk, fields, lookup_key, line, uses)

    def take_quickly(
        self, model: Model, items: Sequence[Mapping[str, Any]], lines: Sequence[bytes]
    ) -> bool:
        """Take objects of one model in all at once, if they are of the usual kind: in our form,
        each with a primary key and none looked up by another key. Whether they were.
        """
        if model.stream is None or model.others:
            return False
        pks: list[Any] = [item.get("pk") for item in items]
        fields: list[Mapping[str, Any]] = [item["fields"] for item in items]
        if None in pks or not model.plain.issuperset(chain.from_iterable(fields)):
            return False
        lookup_keys = keys = pks
        if not (_are_numbers(pks) and model.keys.takes_integers):
            lookup_keys = list(map(lookup_key_of, pks))
            try:
                keys = list(map(model.keys.read, pks))
            except ValueError:
                return False
        model.keys.defined.note_all(keys)
        for _, name, constrained, _, by_value, by_natural_key, _ in model.pointers:
            if constrained:
                column = pks if name is None else [each.get(name) for each in fields]
                _note_column(column, by_value, by_natural_key)
        model.objects += len(items)
        model.stream.extend(lookup_keys, lines)
        return True

    def _primary_key(self, model: Model, pk: object) -> Key:
        """A primary key's one form. Raises KeyValueError for what its field cannot read."""
        try:
            return model.keys.read(pk)
        except ValueError as error:
            raise KeyValueError(model.schema.label, pk, str(error)) from None

    def _note_uses(self, model: Model, pk: object, fields: Mapping[str, Any]) -> list[FieldRef]:
        """Note the keys that an object refers to; those within its own component are given."""
        uses: list[FieldRef] = []
        for at, name, constrained, inside, by_value, by_natural_key, _ in model.pointers:
            value = fields.get(name) if name is not None else pk
            if value is None and name is None:
                value = fields.get(model.schema.pk)
            if value is None:
                continue
            index = by_natural_key if type(value) is list else by_value
            if not (type(value) is int and _LEAST <= value <= _MOST and index.takes_integers):
                value = index.key_of(value)
            if constrained:
                index.referenced.note(value)
            if inside:
                uses.append((at, index.number, value))
        return uses

    def _take_named(
        self,
        model: Model,
        pk: object,
        fields: Mapping[str, Any],
        lookup_key: int,
        line: bytes,
        uses: list[FieldRef],
    ) -> None:
        """The rest of taking in an object that something may refer to in several ways."""
        keys = self.keys_of(model, pk, fields)
        for index, key in keys:
            if index is not model.keys:
                index.defined.note(key)
                index.keyless = index.keyless or pk is None
        if model.waiting is not None:
            defined: list[KeyRef] = [(index.number, key) for index, key in keys if index.followed]
            model.waiting.add(model.number, lookup_key, line, defined, uses)
        elif model.stream is not None:
            model.stream.add(lookup_key, line)

    def repeated(self) -> Iterator[tuple[KeyIndex, Key]]:
        """Keys that more than one object seems to have.

        A natural key counts for objects without primary key only; where there are some, it may
        still be that others have it.
        """
        for index in self._indexes.values():
            if index.kind.to == PK or index.keyless:
                for key in index.defined.repeated():
                    yield index, key


def _note_column(values: Iterable[Any], by_value: KeyIndex, by_natural_key: KeyIndex) -> None:
    """Note the keys that a reference of several objects holds."""
    values = [value for value in values if value is not None]
    if _are_numbers(values) and by_value.takes_integers:
        by_value.referenced.note_all(values)
        return
    for value in values:
        index = by_natural_key if type(value) is list else by_value
        index.referenced.note(index.key_of(value))


def _takes_integers(read: Callable[[Any], Key]) -> bool:
    """Whether whole numbers are what the field makes of them."""
    with suppress(ValueError):
        return all(read(number) == number for number in (0, 7))
    return False


def _are_numbers(values: Sequence[Any]) -> bool:
    """Whether all of these are whole numbers of 64 bits."""
    return set(map(type, values)) <= {int} and (
        not values or (min(values) >= _LEAST and max(values) <= _MOST)
    )


_SHOWN = 80
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
