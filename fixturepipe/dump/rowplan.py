"""Rows of a model as lines of a fixture: how they are read, and how each column is written.

A `RowPlan` is made once a model. It selects the table's own columns, in primary key order,
hiding nothing: no manager, no parent's columns, no instance. For a foreign key that is written as
a natural key, the key's fields are joined, so that no object needs a look-up of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import sql
from django.db.models.constants import LOOKUP_SEP

from fixturepipe.artifacts.records import object_text
from fixturepipe.databases.fields import Field, Model, dumped_fields, key_fields, stored_fields
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.jsontext import UnserializableError, Values
from fixturepipe.databases.plainquery import PlainQuery
from fixturepipe.dump.computedkeys import ComputedKeys
from fixturepipe.dump.keychoice import KeyChoice, is_lent_key
from fixturepipe.dump.storedforms import Encoder, Stored, StoredForms

Columns: TypeAlias = Sequence[Values]
PartEncoder: TypeAlias = Callable[[Columns], list[str]]

MOST_TABLES = 60
# What a natural key may join: as many references as `natural_key_paths` follows, and their own.
MOST_JOINED = 8


@dataclass(frozen=True)
class Part:
    """A value of an object: its name ("pk" or a field's), how many of the selected columns are
    its own, and how these become JSON text."""

    name: str
    width: int
    encode: PartEncoder


class JSONNulls:
    """The nulls of a JSON field: SQL's counted, JSON's by their objects' keys."""

    def __init__(self) -> None:
        self._sql = 0
        self._pks: list[Any] = []

    def add(self, raws: Values, texts: Sequence[str], pks: Sequence[str]) -> None:
        """Take in a batch: raw values, their JSON text, and the JSON text of the keys."""
        unset = raws.count(None)
        self._sql += unset
        if texts.count("null") == unset:
            return
        values = zip(raws, texts, pks, strict=True)
        self._pks += [
            json.loads(pk) for raw, text, pk in values if raw is not None and text == "null"
        ]

    @property
    def summary(self) -> Any:
        """For the manifest: "all", the keys, or None if no value is JSON null."""
        if not self._pks:
            return None
        return self._pks if self._sql else "all"


class RowPlan:
    """How the rows of one model are read from a connection and written.

    `parts` are the primary key and then the fields, as they stand in an object.
    """

    def __init__(
        self, model: Model, connection: BaseDatabaseWrapper, choice: KeyChoice, forms: StoredForms
    ) -> None:
        self.model = model
        self.label = model._meta.label_lower
        self.connection = connection
        self._forms = forms
        self._query = PlainQuery(model, connection)
        fields = dumped_fields(model)
        key = model._meta.pk
        # Content types and permissions, which each database numbers for itself, carry no key.
        keyless = self.label in NATURAL_PRIMARY or is_lent_key(key)
        if is_lent_key(key):
            fields = [key, *fields]
        self.parts = [self._key_part(), *(self._part(field, choice) for field in fields)]
        self._template = _template(self.label, [field.name for field in fields], keyless)
        self.json_nulls = {
            field.name: JSONNulls() for field in fields if field.get_internal_type() == "JSONField"
        }
        # Stock loaddata stores '' for a file field's NULL (FieldFile.__str__).
        self._files = {field.name for field in fields if isinstance(field, models.FileField)}
        self._null_files: set[str] = set()

    def lines(self, columns: Columns) -> list[bytes]:
        """The objects of a batch. Raises UnserializableError, or what a field's own code does."""
        shares = list(self._shares(columns))
        texts = [part.encode(share) for part, share in zip(self.parts, shares, strict=True)]
        template = self._template
        lines = [(template % row).encode() for row in zip(*texts, strict=True)]
        if self.json_nulls or self._files:
            self._note_nulls(shares, texts)
        return lines

    def _note_nulls(self, shares: Sequence[Columns], texts: Sequence[Sequence[str]]) -> None:
        for part, share, text in zip(self.parts, shares, texts, strict=True):
            if part.name in self.json_nulls:
                self.json_nulls[part.name].add(share[0], text, texts[0])
            elif part.name in self._files and None in share[0]:
                self._null_files.add(part.name)

    @property
    def stored(self) -> dict[str, Stored]:
        """The fields whose values are in the stored form (see `storedforms`), after the dump.

        "altered" are those that stock loaddata would change or refuse: a file field with NULL too.
        """
        found: dict[str, Stored] = {}
        for field in stored_fields(self.model):
            form = self._forms.form(field)
            if form == "same" or form == "altered":
                found[field.name] = form
        return found | dict.fromkeys(self._null_files, "altered")

    def shares(self, row: Sequence[Any]) -> Iterator[tuple[Part, Columns]]:
        """Each part of one row with its raw values, as columns of length one."""
        return zip(self.parts, self._shares([(value,) for value in row]), strict=True)

    def line(self, texts: Sequence[str]) -> bytes:
        """One object from the JSON text of each part, whatever that holds."""
        return (self._template % tuple(texts)).encode()

    def _shares(self, columns: Columns) -> Iterator[Columns]:
        start = 0
        for part in self.parts:
            yield columns[start : start + part.width]
            start += part.width

    @property
    def query(self) -> sql.Query:
        """Selects what `lines` takes, in the order of the primary key."""
        return self._query.by_key

    def _key_part(self) -> Part:
        fields = key_fields(self.model)
        for field in fields:
            self._query.select(self._query.own(field))
        encoders = [self._forms.encoder(field) for field in fields]
        return Part("pk", len(fields), _alone(*encoders) if len(fields) == 1 else _listed(encoders))

    def _part(self, field: Field, choice: KeyChoice) -> Part:
        query = self._query
        query.select(query.own(field))
        encode = self._forms.encoder(field)
        if not isinstance(field, models.ForeignKey) or not choice.covers(field):
            return Part(field.name, 1, _alone(encode))
        must_exist = choice.must_exist(field)
        # SQLite joins 64 tables at most, MySQL 61.
        if not choice.paths(field) or query.tables + MOST_JOINED > MOST_TABLES:
            remote, to = field.remote_field.model, field.target_field.attname
            look_up = ComputedKeys(remote, to, self.connection)
            return Part(field.name, 1, _looked_up(look_up, encode, must_exist))
        query.select(query.join(field.name, whole=True))
        key = [
            query.select(query.join(f"{field.name}{LOOKUP_SEP}{path}"))
            for path in choice.paths(field)
        ]
        encode_key = _listed([self._forms.encoder(col.target) for col in key])
        return Part(field.name, 2 + len(key), _joined(encode, encode_key, must_exist))


def _template(label: str, names: Sequence[str], keyless: bool) -> str:
    """The line of an object, with %s for each part; `%.0s` takes a key and writes nothing."""
    fields = dict.fromkeys(names, "%s")
    if keyless:
        return "%.0s" + object_text(label, None, fields)
    return object_text(label, "%s", fields)


def _alone(encode: Encoder) -> PartEncoder:
    return lambda columns: encode(columns[0])


def _listed(encoders: Sequence[Encoder]) -> PartEncoder:
    """Several columns as a JSON list."""
    form = f"[{', '.join(['%s'] * len(encoders))}]"

    def encode(columns: Columns) -> list[str]:
        texts = [encode(column) for encode, column in zip(encoders, columns, strict=True)]
        return list(map(form.__mod__, zip(*texts, strict=True)))

    return encode


def _joined(encode_raw: Encoder, encode_key: PartEncoder, must_exist: bool) -> PartEncoder:
    """A natural key from its joined fields: raw reference, the value it is to, then the key.

    A dangling reference has no natural key and stays as it is.
    """

    def whole(key: Columns) -> list[str]:
        if must_exist and any(None in column for column in key):
            raise UnserializableError("the row that it refers to has a dangling reference")
        return encode_key(key)

    def encode(columns: Columns) -> list[str]:
        raws, found, *key = columns
        if None not in found:
            return whole(key)
        there = [i for i, value in enumerate(found) if value is not None]
        if must_exist and len(there) + raws.count(None) < len(raws):
            raise UnserializableError("it is a dangling reference")
        keys = whole([[column[i] for i in there] for column in key])
        known = dict(zip(there, keys, strict=True))
        return [known.get(i) or encode_raw([raw])[0] for i, raw in enumerate(raws)]

    return encode


def _looked_up(look_up: ComputedKeys, encode_raw: Encoder, must_exist: bool) -> PartEncoder:
    """A natural key that only an instance can compute, from a look-up of the batch."""

    def encode(columns: Columns) -> list[str]:
        (raws,) = columns
        known = look_up(raws)
        if must_exist and not known.keys() >= set(raws) - {None}:
            raise UnserializableError("it is a dangling reference")
        return [known.get(raw) or encode_raw([raw])[0] for raw in raws]

    return encode
