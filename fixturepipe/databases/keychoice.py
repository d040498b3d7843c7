"""Which references are written by natural key, and the proof that they may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.encoders import Values
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.naturalkeys import has_natural_key, natural_key_paths

Model: TypeAlias = type[models.Model]
ForeignKey: TypeAlias = "models.ForeignKey[Any, Any]"
LookUp: TypeAlias = Callable[[Values], dict[Any, str]]


@dataclass(frozen=True)
class KeyChoice:
    """The models that are referred to by natural key: those whose key is made of fields, with
    these as look-up paths, and those that compute it."""

    joined: dict[Model, tuple[str, ...]]
    computed: dict[Model, LookUp] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def labels(self) -> set[str]:
        """The models, as labels."""
        return {model._meta.label_lower for model in (*self.joined, *self.computed)}

    def covers(self, key: ForeignKey) -> bool:
        """Whether the foreign key is written as a natural key."""
        remote = key.remote_field.model
        return loads_by_natural_key(key) and (remote in self.joined or remote in self.computed)

    def paths(self, key: ForeignKey) -> tuple[str, ...]:
        """The fields of the natural key that a foreign key is written as."""
        return self.joined[key.remote_field.model]

    def look_up(self, key: ForeignKey) -> LookUp | None:
        """Gives the natural keys, as JSON text, of many references at once; None if joined."""
        return self.computed.get(key.remote_field.model)

    @staticmethod
    def must_exist(key: ForeignKey) -> bool:
        """Whether a reference to nothing cannot be written: its key may be another's there."""
        return key.remote_field.model._meta.label_lower in NATURAL_PRIMARY and is_constrained(key)


def is_constrained(key: ForeignKey) -> bool:
    """False for `db_constraint=False`: the key may point at nothing on purpose."""
    return bool(getattr(key, "db_constraint", True))


def loads_by_natural_key(key: ForeignKey) -> bool:
    """Whether loaddata resolves a natural key to the value that this foreign key holds.

    It takes the object's `to_field`, and the `pk` of that where the object's own key is a
    relation (django/core/serializers/base.py, deserialize_fk_value): right for a reference to
    the primary key, and for one to a plain field of an object with a plain key.
    """
    remote, to = key.remote_field.model, key.target_field
    pk = remote._meta.pk
    if not has_natural_key(remote) or key.primary_key:
        return False
    if not isinstance(pk, models.ForeignKey):
        return to.remote_field is None
    return bool(to is pk and pk.target_field.primary_key)


def choose_keys(dumped: Iterable[Model], connection: BaseDatabaseWrapper, wanted: str) -> KeyChoice:
    """The models to refer to by natural key."""
    joined: dict[Model, tuple[str, ...]] = {}
    for model in dumped:
        for key in model._meta.local_concrete_fields:
            if isinstance(key, models.ForeignKey) and loads_by_natural_key(key):
                remote = key.remote_field.model
                paths = natural_key_paths(remote)
                if paths and (wanted != "none" or remote._meta.label_lower in NATURAL_PRIMARY):
                    joined[remote] = paths
    return KeyChoice(joined)
