"""What the natural keys in a chunk stand for, found in bulk and compared exactly.

A foreign key written as a list is a natural key. Where the key is made of fields, the rows of
many keys are read with one query and compared in Python, value by value: a collation that takes
"Straße" for "strasse" must not bind an object to the wrong row. The query goes past the model's
managers, which may hide the row that the key means. A computed key is handed to the project's
`get_by_natural_key`, and believed if the object it gives has that key. Objects without a primary
key are found in the same way.
"""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from django.core.exceptions import (
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    ValidationError,
)
from django.core.serializers.json import DjangoJSONEncoder
from django.core.serializers.python import Deserializer
from django.db import models

from fixturepipe.databases.endpoints import connection_to
from fixturepipe.databases.fields import Model, field_at
from fixturepipe.databases.naturalkeys import has_natural_key
from fixturepipe.databases.packets import in_batches
from fixturepipe.databases.plainquery import every_row
from fixturepipe.databases.text import is_utf8
from fixturepipe.load.objects.columns import MISSING, Column
from fixturepipe.load.objects.groups import Group
from fixturepipe.load.objects.modelplan import ModelPlan
from fixturepipe.load.objects.ownkeys import Key, OwnKeys, key_paths
from fixturepipe.load.objects.rows import FixtureObject, RowProblem
from fixturepipe.load.server.converters import converter_for, is_quick

_BATCH = 1_000
# A fixture of computed keys that are all different must not fill the memory.
_REMEMBERED = 200_000


class AmbiguousKey:
    """Stands for what a key means that more than one row has."""


AMBIGUOUS: Final = AmbiguousKey()


class KeyResolver:
    """Finds what natural keys stand for, in the database `alias`; remembers what it found.

    `forget` whenever a transaction was rolled back: what was found in it may be gone.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._found: dict[tuple[Model, str], dict[Key, Any]] = {}

    def forget(self) -> None:
        """Drop what is remembered."""
        self._found.clear()

    def resolve(self, model: Model, to: str, keys: Collection[Key]) -> dict[Key, Any]:
        """The value of field `to` of the row that each key stands for.

        Unknown keys are absent; one that two rows have stands for AMBIGUOUS.
        """
        known = self._found.setdefault((model, to), {})
        wanted = [key for key in keys if key not in known]
        if len(known) > _REMEMBERED:
            known.clear()
            wanted = list(keys)
        paths = key_paths(model)
        for batch in in_batches(connection_to(self._alias), wanted, _BATCH):
            if paths:
                known.update(self._looked_up(model, to, paths, batch))
        self._computed(model, to, (key for key in wanted if key not in known), known)
        return known

    def _looked_up(
        self, model: Model, to: str, paths: Sequence[str], keys: Sequence[Key]
    ) -> dict[Key, Any]:
        """Keys by their fields. A key of the wrong length or type stands for nothing."""
        exact: dict[Key, Key] = {}
        fields = [field_at(model, path) for path in paths]
        for key in keys:
            converted = _converted(fields, key)
            if converted is not None:
                exact[converted] = key
        if not exact:
            return {}
        rows = self._candidates(model, paths, list(exact.values()))
        if rows is None:
            rows = every_row(model, self._alias).filter(any_of(paths, list(exact)))
        found: dict[Key, Any] = {}
        for value, *parts in rows.values_list(to, *paths):
            meant = exact.get(tuple(parts))
            if meant is None:
                continue
            found[meant] = AMBIGUOUS if meant in found else value
        return found

    def _candidates(
        self, model: Model, paths: Sequence[str], keys: Sequence[Key]
    ) -> models.QuerySet[Any] | None:
        """The rows of keys that are columns of the model's own table, few others among them.

        Written as literals, a column at a time: Django's parameters take as long as the server.
        """
        connection = connection_to(self._alias)
        fields: list[Any] = [model._meta.get_field(path) for path in paths if "__" not in path]
        parts = list(zip(*keys, strict=True))
        if len(fields) < len(paths) or not _tell_apart(parts):
            return None
        conditions = []
        for field, values in zip(fields, parts, strict=True):
            if field.model is not model or field.is_relation or not is_quick(field):
                return None
            try:
                literals = converter_for(field, connection)(list(set(values)))
            except (ValueError, TypeError, ArithmeticError, ValidationError):
                return None
            column = connection.ops.quote_name(field.column)
            conditions.append(f"{column} IN ({','.join(literals)})".replace("%", "%%"))
        return every_row(model, self._alias).extra(where=conditions)  # noqa: S610  (all quoted)

    def _computed(self, model: Model, to: str, keys: Iterable[Key], known: dict[Key, Any]) -> None:
        """Keys through the project's own look-up, one by one."""
        if not has_natural_key(model):
            return
        manager: Any = model._meta.default_manager
        for key in keys:
            try:
                found = manager.db_manager(self._alias).get_by_natural_key(*key)
            except (ObjectDoesNotExist, TypeError, ValueError, ValidationError):
                continue
            except MultipleObjectsReturned:
                known[key] = AMBIGUOUS
                continue
            if _as_json(found.natural_key()) == _as_json(key):
                known[key] = found.serializable_value(to)

    def put_in_place(
        self, group: Group, own: OwnKeys, ready: Callable[[], None]
    ) -> dict[int, RowProblem]:
        """Put what the natural keys of a group stand for in their place.

        Gives the rows whose keys mean nothing. `own` are the keys of the chunk's own objects.
        `ready` is called before the database is asked: rows may still be on their way there.
        """
        bad: dict[int, RowProblem] = {}
        for position, column in enumerate(group.plan.columns):
            values, remote = group.cells[position], column.remote
            if remote is None or not column.is_natural(values):
                continue
            keys = group.natural_keys(position)
            wanted = set(keys.values())
            # Own objects may be still to come.
            found = own.find(remote, column.to, wanted)
            if rest := wanted - found.keys():
                ready()
                known = self.resolve(remote, column.to, rest)
                found |= {key: known[key] for key in rest if key in known}
            for row, key in keys.items():
                values[row] = meaning = found.get(key, MISSING)
                if meaning is MISSING or meaning is AMBIGUOUS:
                    bad[row] = _without_meaning(group.objects[row], column, remote, key, meaning)
        return bad


def keys_of_rows(alias: str, group: Group, rows: Sequence[int]) -> list[Any]:
    """The primary keys that the target has for objects of a group without one, by natural key.

    A new row has MISSING or None in its place. The parts of a natural key are columns of the
    object's own row where its references go by the whole natural key of what they refer to; such
    objects are found with one query. Others are made into instances and asked, as loaddata does.
    """
    plan, new_key = group.plan, MISSING if group.plan.pk.has_default() else None
    if columns := _key_columns(plan):
        cells = [(column, group.cells[position]) for position, column in columns]
        wanted = [tuple(c.python_value(values[row]) for c, values in cells) for row in rows]
        names = [column.field.attname for _, column in columns]
        found = _keys_by_values(every_row(plan.model, alias), names, wanted)
        return [found.get(key, new_key) for key in wanted]
    if not key_paths(plan.model) and not hasattr(plan.model, "natural_key"):
        return [new_key for _ in rows]
    objects = ([group.objects[row]] for row in rows)
    made = (each.object.pk for one in objects for each in Deserializer(one, using=alias))
    return [new_key if key is None else key for key in made]


def _keys_by_values(
    table: models.QuerySet[Any], names: Sequence[str], wanted: Sequence[Key]
) -> dict[Key, Any]:
    found: dict[Key, Any] = {}
    for keys in in_batches(connection_to(table.db), wanted, _BATCH):
        for key, *parts in table.filter(any_of(names, keys)).values_list("pk", *names):
            found[tuple(parts)] = key
    return found


def _key_columns(plan: ModelPlan) -> list[tuple[int, Column]]:
    paths = key_paths(plan.model)
    by_prefix: dict[str, list[str]] = {}
    for path in paths:
        prefix, _, rest = path.partition("__")
        by_prefix.setdefault(prefix, []).append(rest)
    found: list[tuple[int, Column]] = []
    for prefix, rests in by_prefix.items():
        for position, column in enumerate(plan.columns):
            if prefix not in (column.field.name, column.field.attname):
                continue
            if rests != [""] and (
                column.remote is None or tuple(rests) != key_paths(column.remote)
            ):
                return []
            found.append((position, column))
    return found if len(found) == len(by_prefix) else []


def _without_meaning(
    each: FixtureObject, column: Column, remote: Model, key: Key, meaning: object
) -> RowProblem:
    label = remote._meta.label
    if meaning is AMBIGUOUS:
        text = f"more than one {label} has the natural key {list(key)}"
        hint = "Write the primary key of the one that you mean."
    else:
        text = f"no {label} has the natural key {list(key)}"
        hint = "The object it refers to is not in the target."
    return RowProblem(each, text, column.field.name, list(key), hint)


def _converted(fields: Sequence[models.Field[Any, Any]], key: Key) -> Key | None:
    if len(fields) != len(key) or not all(map(_is_plain, key)):
        return None
    try:
        converted = tuple(f.to_python(part) for f, part in zip(fields, key, strict=True))
        hash(converted)
    except (ValidationError, TypeError, ValueError):
        return None
    return converted


def _is_plain(part: Any) -> bool:
    """Whether a column could hold it: no list, and no text that is none."""
    return is_utf8(part) if isinstance(part, str) else not isinstance(part, tuple)


def any_of(paths: Sequence[str], keys: Sequence[Key]) -> models.Q:
    """A condition that holds for each key's row, and for few others.

    A list for each field is quicker than one condition a key.
    """
    parts = list(zip(*keys, strict=True))
    if _tell_apart(parts):
        return models.Q(
            **{f"{path}__in": set(values) for path, values in zip(paths, parts, strict=True)}
        )
    return functools.reduce(operator.or_, (models.Q(**_lookups(paths, key)) for key in keys))


def _tell_apart(parts: Sequence[Sequence[Any]]) -> bool:
    """Whether lists of the keys' parts, each for itself, mean few rows but the keys' own."""
    if any(None in values for values in parts):
        return False
    return 2 * max(len(set(values)) for values in parts) >= len(parts[0])


def _lookups(paths: Sequence[str], key: Key) -> dict[str, Any]:
    return {
        f"{path}__isnull" if part is None else path: True if part is None else part
        for path, part in zip(paths, key, strict=True)
    }


def _as_json(key: Any) -> Any:
    return json.loads(json.dumps(list(key), cls=DjangoJSONEncoder))
