"""Whether a row of the target is as the run or the last sync has left it, or somebody else's.

The chunks tell: they hold what was loaded. Databases write a value in different ways ("1.5" and
"1.50"), so values are equal too if the field reads them as equal ones. A chunk may name a row by
natural key, as it was at that time; the target's row has its key. Then the object with this
key is looked up among what was loaded by that time, and has to have that natural key.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from django.db import models

from fixturepipe.artifacts.records import key_text
from fixturepipe.artifacts.syncs import LoadedObject, LoadedObjects
from fixturepipe.databases.endpoints import TARGET, connection_to
from fixturepipe.databases.fields import Model, has_built_in_column, root_field
from fixturepipe.databases.introspection import NATURAL_KEYS
from fixturepipe.databases.naturalkeys import natural_key_paths
from fixturepipe.databases.values import same_as_stored
from fixturepipe.dump.keyedrows import KeyedRows
from fixturepipe.errors import ConfigurationError
from fixturepipe.sync.differences import DifferingRows
from fixturepipe.wording import counted, listed

Object = Mapping[str, Any]
Act = Literal["added", "changed", "deleted"]
_NAMED = 5
# A model's label, and up to which layer of what was loaded.
_Layer = tuple[str, int]


class Ownership:
    """Compares rows of the target with what was loaded."""

    def __init__(self, loaded: LoadedObjects) -> None:
        self._loaded = loaded
        self._known: dict[_Layer, dict[str, LoadedObject | None]] = {}
        self._open: dict[_Layer, dict[str, Any]] = {}

    def find(self, model: Model, keys: Sequence[Any]) -> dict[str, LoadedObject]:
        """What was loaded under these keys, by key as text."""
        return self._loaded.find(model._meta.label_lower, keys)

    def look_up(self, model: Model, pairs: Iterable[tuple[LoadedObject, Object]]) -> None:
        """Read at once what `is_own` has to know of the objects that these refer to.

        A natural key may go on through further objects: each round reads what the one before has
        asked for.
        """
        asking = list(pairs)
        self._known, self._open = {}, {}
        while True:
            for loaded, held in asking:
                for name in loaded.object["fields"].keys() & held["fields"].keys():
                    self._holds(model, name, loaded, held)
            if not self._open:
                return
            for (label, layer), keys in self._open.items():
                found = self._loaded.find(label, list(keys.values()), layer)
                known = self._known.setdefault((label, layer), {})
                known.update({text: found.get(text) for text in keys})
            self._open = {}

    def is_own(self, model: Model, loaded: LoadedObject, held: Object) -> bool:
        """Whether the target's row holds what was loaded, once it was looked up."""
        ours, theirs = loaded.object["fields"], held["fields"]
        return ours.keys() == theirs.keys() and all(
            self._holds(model, name, loaded, held) for name in ours
        )

    def _holds(self, model: Model, name: str, loaded: LoadedObject, held: Object) -> bool:
        ours, theirs = loaded.object["fields"][name], held["fields"][name]
        return same_value(model, name, ours, theirs) or self._means(
            model, name, ours, theirs, loaded.layer
        )

    def _means(self, model: Model, name: str, natural: Any, key: Any, layer: int) -> bool:
        """Whether a natural key was that of the row with this key when it was loaded."""
        field = _reference(model, name)
        if field is None or not isinstance(natural, list) or not _is_key(key):
            return False
        # A proxy's rows are objects of its concrete model.
        remote = field.remote_field.model._meta.concrete_model
        if field.target_field is not remote._meta.pk or not natural_key_paths(remote):
            # Only the project's own code could say it.
            return True
        label, follow = remote._meta.label_lower, partial(self._object, layer)
        found = follow(label, key)
        return found is not None and NATURAL_KEYS.of(label, *found, follow) == natural

    def _object(self, layer: int, label: str, key: Any) -> tuple[Any, Object] | None:
        """The primary key and the fields of an object that was loaded by this layer.

        None also if it has yet to be looked up.
        """
        text = key_text(key)
        known = self._known.get((label, layer), {})
        if text not in known:
            self._open.setdefault((label, layer), {})[text] = key
        found = known.get(text)
        return None if found is None else (found.object.get("pk"), found.object["fields"])


def different_fields(model: Model, one: Object, other: Object, among: Iterable[str]) -> list[str]:
    """The names of the fields in which two objects of one state differ."""
    ours, theirs = one["fields"], other["fields"]
    return [name for name in among if not same_value(model, name, ours[name], theirs[name])]


def same_value(model: Model, name: str, ours: Any, theirs: Any) -> bool:
    """Whether a field reads two values of a fixture as one."""
    if ours == theirs:
        return True
    if ours is None or theirs is None:
        return False
    field: Any = root_field(model._meta.get_field(name))  # type: ignore[arg-type]
    try:
        if isinstance(field, models.JSONField):
            return json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)
        if field.to_python(ours) == field.to_python(theirs):
            return True
    except Exception:  # noqa: BLE001, S110  (fields are the project's own code)
        pass
    return _is_same_as_stored(field, ours, theirs)


def _is_same_as_stored(field: Any, ours: Any, theirs: Any) -> bool:
    """Whether a column of a type of the project's own holds what another type of column held."""
    connection = connection_to(TARGET)
    if has_built_in_column(field, connection):
        return False
    column = (field.db_type(connection) or "").lower()
    if "char" in column or "text" in column:
        return False
    return any(same_as_stored(ours, each) for each in _readings(theirs))


def _readings(value: Any) -> Iterator[Any]:
    """What a database may have held that a fixture has this raw value for (see `dump/storedforms`):
    a fixture has bytes in base64, and decimals and datetimes as text."""
    yield value
    for read in (_base64, Decimal, _space_for_t):
        with suppress(ValueError, TypeError, ArithmeticError):
            yield read(value)


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _space_for_t(text: str) -> str:
    return str(datetime.fromisoformat(text))


def _reference(model: Model, name: str) -> Any:
    field = model._meta.get_field(name)
    return field if isinstance(field, models.ForeignKey) else None


def _is_key(value: Any) -> bool:
    return value is not None and not isinstance(value, list)


class ForeignRows:
    """What neither the run nor an earlier sync did to the target."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Act]] = Counter()
        self._keys: dict[tuple[str, Act], list[Any]] = {}

    def add(self, label: str, act: Act, key: Any) -> None:
        """Note one row, by its key in fixture form."""
        self.counts[label, act] += 1
        keys = self._keys.setdefault((label, act), [])
        if len(keys) < _NAMED:
            keys.append(key)

    def take_changed(self, label: str, found: DifferingRows, rows: KeyedRows) -> None:
        """Note the rows that are no longer as they were when `found` has seen them."""
        for key, is_gone in found.changed_since(label, rows):
            self.add(label, "deleted" if is_gone else "changed", key[0] if len(key) == 1 else key)

    def refusal(self, target: str) -> ConfigurationError:
        """The error that names them."""
        lines = [
            f"  {label}: {counted(count, 'row')} {act}: {self._listed(label, act)}"
            for (label, act), count in sorted(self.counts.items())
        ]
        return ConfigurationError(
            "\n".join(
                [
                    f"{target} looks live. It has rows that neither the run nor a sync wrote:",
                    *lines,
                ]
            ),
            hint="Nothing was changed. If the site runs on the target already, do not sync. To"
            " give up these rows, run `fixturepipe sync --existing update`, which writes the"
            " source's rows over them, or `fixturepipe sync --existing delete`, which also deletes"
            " the rows that the source lacks.",
        )

    def _listed(self, label: str, act: Act) -> str:
        keys = [ascii(key) for key in self._keys[label, act]]
        return listed(keys, _NAMED, self.counts[label, act])
