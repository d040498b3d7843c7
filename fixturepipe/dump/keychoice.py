"""Which references are written as natural keys.

`auto` takes them wherever they are proven on this data (see `keyproof`); `all` wherever the
model has one; `none` nowhere; labels name the models. References to content types and
permissions are always natural keys, since each database allocates the primary keys of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.fixtures import model_label
from fixturepipe.databases.fields import Field, Model, has_composite_key, key_fields, root_field
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.keyproof import UnprovenError, prove
from fixturepipe.databases.naturalkeys import has_natural_key, natural_key_paths
from fixturepipe.databases.plainquery import every_row
from fixturepipe.errors import UsageError

ForeignKey: TypeAlias = "models.ForeignKey[Any, Any]"


@dataclass(frozen=True)
class KeyChoice:
    """The models that are referred to by natural key, each with the look-up paths of the
    fields that its key is made of; none where the key is computed."""

    models: dict[Model, tuple[str, ...]]
    warnings: tuple[str, ...] = ()

    @property
    def labels(self) -> set[str]:
        """The models, as labels."""
        return {model._meta.label_lower for model in self.models}

    def covers(self, key: ForeignKey) -> bool:
        """Whether the foreign key is written as a natural key."""
        return key.remote_field.model in self.models and loads_by_natural_key(key)

    def paths(self, key: ForeignKey) -> tuple[str, ...]:
        """The fields of the natural key that a foreign key is written as; none if computed."""
        return self.models[key.remote_field.model]

    @staticmethod
    def must_exist(key: ForeignKey) -> bool:
        """Whether a dangling reference cannot be written: its key may be another row's there."""
        # With `db_constraint=False` the key may dangle on purpose.
        is_constrained = bool(getattr(key, "db_constraint", True))
        return key.remote_field.model._meta.label_lower in NATURAL_PRIMARY and is_constrained


def is_lent_key(key: Field) -> bool:
    """Whether a primary key is the key of a content type or a permission, which the target
    allocates. Such an object is written without "pk", its key among the fields as a
    natural key: loaddata takes the primary key from there.
    """
    if not key.primary_key or not isinstance(key, models.ForeignKey):
        return False
    return key.remote_field.model._meta.label_lower in NATURAL_PRIMARY


def loads_by_natural_key(key: ForeignKey) -> bool:
    """Whether loaddata resolves a natural key to the value that this foreign key holds.

    It takes the object's `to_field`, and the `pk` of that where the object's own key is a
    relation (django/core/serializers/base.py, deserialize_fk_value): right for a reference to
    the primary key, and for one to a plain field of an object with a plain key.
    """
    remote, to = key.remote_field.model, key.target_field
    pk = remote._meta.pk
    if not has_natural_key(remote) or (key.primary_key and not is_lent_key(key)):
        return False
    if not isinstance(pk, models.ForeignKey):
        return to.remote_field is None
    return bool(to is pk and pk.target_field.primary_key)


def choose_keys(dumped: Iterable[Model], connection: BaseDatabaseWrapper, wanted: str) -> KeyChoice:
    """Choose the models that the dumped ones refer to by natural key.

    Raises UsageError for a label that names no model with a natural key.
    """
    insisted = None if wanted in ("auto", "all", "none") else _labelled(wanted)
    chosen: dict[Model, tuple[str, ...]] = {}
    warnings: list[str] = []
    references = list(_references(dumped))
    for remote in dict.fromkeys(key.remote_field.model for key in references):
        paths = natural_key_paths(remote)
        if _is_taken(remote, wanted, insisted):
            chosen[remote] = paths
        elif wanted == "auto":
            try:
                _same_as_concrete(remote, paths)
                prove(remote, paths, connection)
            except UnprovenError as unproven:
                label = remote._meta.label_lower
                warnings.append(
                    f"References to {label} use the primary key, not the natural key: {unproven}"
                )
            else:
                chosen[remote] = paths
    warnings += _renumbered(dumped)
    return KeyChoice(chosen, tuple(warnings))


def _references(dumped: Iterable[Model]) -> Iterator[ForeignKey]:
    for model in dumped:
        for field in model._meta.local_concrete_fields:
            if isinstance(field, models.ForeignKey) and loads_by_natural_key(field):
                yield field


def _is_taken(remote: Model, wanted: str, insisted: set[str] | None) -> bool:
    """Whether the model is referred to by natural key without a proof."""
    label = remote._meta.label_lower
    return label in NATURAL_PRIMARY or wanted == "all" or label in (insisted or ())


def _labelled(wanted: str) -> set[str]:
    labels = {model_label(label.strip()) for label in wanted.split(",") if label.strip()}
    for label in labels:
        try:
            model = apps.get_model(label)
        except (LookupError, ValueError) as error:
            raise UsageError(
                f"--natural-keys: {error}",
                hint="Give auto, all, none, or models such as shop.tag,accounts.user.",
            ) from None
        if not has_natural_key(model):
            raise UsageError(
                f"--natural-keys: {label} has no natural key",
                hint="It needs natural_key(), and get_by_natural_key() on its default manager.",
            )
    return labels


def _same_as_concrete(remote: Model, paths: tuple[str, ...]) -> None:
    concrete = remote._meta.concrete_model
    if concrete is not None and concrete is not remote and natural_key_paths(concrete) != paths:
        raise UnprovenError("it is a proxy with a natural key of its own")


def _renumbered(dumped: Iterable[Model]) -> Iterator[str]:
    """References that hold the number of a content type or a permission by way of another
    model, or in a composite key: a fixture has no form for these."""
    for model in dumped:
        for field in model._meta.local_concrete_fields:
            end = root_field(field)
            lender = end.model._meta.label_lower
            if end is field or lender not in NATURAL_PRIMARY or not end.primary_key:
                continue
            in_composite = has_composite_key(model) and field in key_fields(model)
            if in_composite or field.related_model is not end.model:
                yield (
                    f"{model._meta.label_lower}.{field.name} holds keys of {lender}, which may "
                    "differ in the target: check these rows there"
                )


def natural_ids(chosen: Iterable[Model], alias: str) -> dict[str, list[tuple[list[Any], int]]]:
    """For each label of content types and permissions its rows' natural keys and ids, by the id.

    A target that has none yet gets these ids, so that what holds them as plain numbers or text
    stays right: logs, JSON, generic references.
    """
    found: dict[str, list[tuple[list[Any], int]]] = {}
    for model in chosen:
        if model._meta.label_lower in NATURAL_PRIMARY:
            rows = every_row(model, alias).order_by("pk")
            values = rows.values_list("pk", *natural_key_paths(model))
            found[model._meta.label_lower] = [(key, pk) for pk, *key in values]
    return found
