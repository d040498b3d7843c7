"""Which fields a model's natural key is made of.

A natural key is whatever the project's `natural_key()` returns. Most return unchanged fields:
`(self.slug,)` or `(self.codename, *self.content_type.natural_key())`. Such keys can be read and
looked up in bulk. To learn the fields, the method is called once on an object with a different
marker in each field: a result that consists of markers alone names the fields; anything else
(a formatted string, a condition, a query) is a computed key.
"""

from __future__ import annotations

from typing import Any

from django.db.models.base import ModelState

from fixturepipe.artifacts.fixtures import model_label
from fixturepipe.databases.fields import Model


class _Marker:
    """Stands for a field's value; it can only be passed on."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def _refuse(self, *_: object) -> Any:
        raise _ComputedKeyError

    __bool__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __str__ = __repr__ = __format__ = __iter__ = __len__ = __getitem__ = _refuse
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        raise _ComputedKeyError


class _ComputedKeyError(Exception):
    pass


def has_natural_key(model: Model) -> bool:
    """Whether dumpdata and loaddata would use a natural key for references to the model."""
    return hasattr(model, "natural_key") and hasattr(
        model._meta.default_manager, "get_by_natural_key"
    )


def natural_key_paths(model: Model) -> tuple[str, ...]:
    """The natural key's fields as look-up paths, in order; empty if it has none or computes it."""
    if not has_natural_key(model):
        return ()
    try:
        key = _marked(model, "", 3).natural_key()
        return tuple(_path_of(part) for part in key)
    except Exception:  # noqa: BLE001  (it is the project's own code: any failure means "computed")
        return ()


def natural_key_dependencies(model: Model) -> tuple[str, ...]:
    """The labels that `natural_key.dependencies` names."""
    named = getattr(getattr(model, "natural_key", None), "dependencies", ())
    return tuple(model_label(str(label)) for label in named)


def _path_of(part: object) -> str:
    if type(part) is not _Marker:
        raise _ComputedKeyError
    return part.path


def _marked(model: Model, prefix: str, depth: int) -> Any:
    """An object of the model, made without its constructor, with a marker in each field."""
    marked = model.__new__(model)
    marked.__dict__["_state"] = state = ModelState()
    state.fields_cache = {}
    for field in model._meta.concrete_fields:
        marked.__dict__[field.attname] = _Marker(prefix + field.attname)
        remote = field.remote_field
        if remote is not None and depth and isinstance(remote.model, type):
            related = _marked(remote.model, f"{prefix}{field.name}__", depth - 1)
            state.fields_cache[field.name] = related
    return marked
