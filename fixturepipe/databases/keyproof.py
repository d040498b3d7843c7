"""The proof, on the rows of the source, that natural keys lead back to their rows.

loaddata finds a row with `default_manager.get_by_natural_key(*key)`. That returns the right
row if no two rows have the key, no part of it is NULL, the default manager hides no row, and
the method looks up the fields that the key consists of. A query each answers the first three.
The SQL that the method sends answers the last: it must be that of `get(field=part, …)`. If it is
not, or if the key is computed, each row is looked up, up to a number of rows; a larger table
remains unproven.

The collations of MySQL and MariaDB ignore case, accents and trailing spaces. A key that no
constraint keeps unique must be unique under these collations too.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.constants import LOOKUP_SEP

from fixturepipe.databases.fields import INTEGERS, Field, Model, field_at, is_custom
from fixturepipe.databases.jsontext import json_of_value
from fixturepipe.databases.plainquery import PlainQuery, every_row
from fixturepipe.databases.queries import rows_of

LOOKED_UP = 1_000

_TEXT = ("CharField", "SlugField", "TextField")
_EXACT = {*INTEGERS, *_TEXT, "BooleanField", "DateField", "DateTimeField", "DecimalField"}
_EXACT |= {"TimeField", "UUIDField", "FileField", "FilePathField"}


class UnprovenError(Exception):
    """The natural key is not reliable; the message gives the reason and the rows."""


def prove(model: Model, paths: Sequence[str], connection: BaseDatabaseWrapper) -> None:
    """Prove a natural key that consists of the fields at `paths`, or is computed if there are none.

    Raises UnprovenError, also for anything that the project's own code raises.
    """
    try:
        _prove(model, paths, connection)
    except UnprovenError:
        raise
    except Exception as error:
        raise UnprovenError(f"the project's code fails: {type(error).__name__} {error}") from error


def _prove(model: Model, paths: Sequence[str], connection: BaseDatabaseWrapper) -> None:
    if not paths:
        _look_each_up(model, connection, "the natural key is computed")
        return
    fields = [field_at(model, path) for path in paths]
    inexact = [
        field.name
        for field in fields
        if field.get_internal_type() not in _EXACT or is_custom(field, connection)
    ]
    if inexact:
        raise UnprovenError(f"{' and '.join(inexact)} cannot be looked up exactly")
    _no_part_is_null(model, paths, connection)
    _no_two_are_equal(model, paths, fields, connection)
    _default_manager_hides_none(model, connection)
    if not _looks_up_by(model, paths, connection):
        _look_each_up(model, connection, "get_by_natural_key is more than a look-up by its fields")


def _keys(
    model: Model, paths: Sequence[str], connection: BaseDatabaseWrapper
) -> tuple[str, tuple[Any, ...], list[str]]:
    """A subquery of primary keys (col1) and natural keys, and the names of the latter."""
    query = PlainQuery(model, connection)
    query.select(query.own(model._meta.pk))
    for path in paths:
        query.select(query.join(path))
    names = [connection.ops.quote_name(f"col{i + 2}") for i in range(len(paths))]
    return *query.as_subquery(), names


def _no_part_is_null(model: Model, paths: Sequence[str], connection: BaseDatabaseWrapper) -> None:
    keys, parameters, names = _keys(model, paths, connection)
    missing = " OR ".join(f"{name} IS NULL" for name in names)
    rows = rows_of(connection, f"SELECT col1 FROM {keys} k WHERE {missing} LIMIT 2", parameters)
    if rows:
        raise UnprovenError(f"{_named([row[0] for row in rows])}: part of the natural key is NULL")


def _no_two_are_equal(
    model: Model, paths: Sequence[str], fields: Sequence[Field], connection: BaseDatabaseWrapper
) -> None:
    keys, parameters, names = _keys(model, paths, connection)
    _refuse_equal(connection, keys, parameters, names, "have the same natural key")
    if connection.vendor != "sqlite" or _is_unique(model, paths):
        return
    connection.connection.create_function("fixturepipe_folded", 1, _folded, deterministic=True)
    folded = [
        f"fixturepipe_folded({name})" if field.get_internal_type() in _TEXT else name
        for name, field in zip(names, fields, strict=True)
    ]
    same = "have natural keys that MySQL and MariaDB may see as equal"
    _refuse_equal(connection, keys, parameters, folded, same)


def _refuse_equal(
    connection: BaseDatabaseWrapper,
    keys: str,
    parameters: Sequence[Any],
    parts: Sequence[str],
    reason: str,
) -> None:
    grouped = f"GROUP BY {', '.join(parts)} HAVING COUNT(*) > 1 LIMIT 1"
    rows = rows_of(connection, f"SELECT MIN(col1), MAX(col1) FROM {keys} k {grouped}", parameters)
    if rows:
        raise UnprovenError(f"{_named(rows[0])} {reason}")


def _is_unique(model: Model, paths: Sequence[str]) -> bool:
    """Whether a constraint that the target has too keeps the natural key unique."""
    meta = model._meta
    own = {path.partition(LOOKUP_SEP)[0] for path in paths}
    sets = [{field.name} for field in meta.concrete_fields if field.unique]
    sets += [set(names) for names in meta.unique_together]
    sets += [set(constraint.fields) for constraint in meta.total_unique_constraints]
    return any(names <= own for names in sets)


def _folded(text: str | None) -> str | None:
    """Text without the differences that the servers' default collations ignore, and a few more.

    utf8mb4_general_ci, utf8mb4_0900_ai_ci and utf8mb4_uca1400_ai_ci ignore case and accents. The
    first also sees all characters beyond U+FFFF as equal, and pads with spaces.
    """
    if text is None or text.isascii():
        return text and text.lower().rstrip(" ")
    plain = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c <= "\uffff" else "\ufffd" for c in plain).casefold().rstrip(" ")


def _default_manager_hides_none(model: Model, connection: BaseDatabaseWrapper) -> None:
    plain = every_row(model, connection.alias)
    try:
        shown = model._default_manager.db_manager(connection.alias).get_queryset()
        if str(shown.order_by().query) == str(plain.query):
            return
        listed = shown.order_by().values("pk")
        hidden = list(plain.exclude(pk__in=listed).values_list("pk", flat=True)[:2])
    except Exception as error:
        raise UnprovenError(f"its default manager fails: {error}") from error
    if hidden:
        raise UnprovenError(f"its default manager hides {_named(hidden)}")


def _looks_up_by(model: Model, paths: Sequence[str], connection: BaseDatabaseWrapper) -> bool:
    """Whether get_by_natural_key sends the query that looks up by these fields, and no other."""
    plain = every_row(model, connection.alias)
    row = plain.values_list("pk", *paths).first()
    if row is None:
        return True
    key = _as_loaded(row[1:])
    manager: Any = model._default_manager.db_manager(connection.alias)
    try:
        sent = _sent(connection, lambda: manager.get_by_natural_key(*key))
        expected = _sent(connection, lambda: manager.get(**dict(zip(paths, key, strict=True))))
    except Exception as error:
        raise UnprovenError(f"get_by_natural_key fails for {key}: {error}") from error
    return sent == expected


def _sent(connection: BaseDatabaseWrapper, ask: Callable[[], Any]) -> tuple[Any, list[Any]]:
    """What is found, as a primary key, and the queries that were sent for it."""
    queries: list[Any] = []

    def note(execute: Any, text: str, parameters: Any, many: bool, context: Any) -> Any:
        queries.append((text, parameters))
        return execute(text, parameters, many, context)

    with connection.execute_wrapper(note):
        return ask().pk, queries


def _look_each_up(model: Model, connection: BaseDatabaseWrapper, why: str) -> None:
    plain = every_row(model, connection.alias)
    if plain[LOOKED_UP : LOOKED_UP + 1].values_list("pk").exists():
        raise UnprovenError(
            f"{why}, and only tables of up to {LOOKED_UP:,} rows are looked up row by row"
        )
    manager: Any = model._default_manager.db_manager(connection.alias)
    seen: dict[str, Any] = {}
    for instance in without_image_sizes(plain):
        try:
            key = _as_loaded(instance.natural_key())
            found = manager.get_by_natural_key(*key).pk
        except Exception as error:
            raise UnprovenError(
                f"pk {instance.pk} is not found by its natural key: {error}"
            ) from error
        other = seen.setdefault(json.dumps(key), instance.pk)
        if other != instance.pk or found != instance.pk:
            pair = _named([found if other == instance.pk else other, instance.pk])
            raise UnprovenError(f"{pair} are found by the same natural key")


def without_image_sizes(rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """Instances whose image files are not opened: an ImageField measures its file when an
    instance is made, and the files may be on another machine."""
    images = [f.name for f in rows.model._meta.concrete_fields if isinstance(f, models.ImageField)]
    return rows.defer(*images) if images else rows


def _as_loaded(key: Sequence[Any]) -> list[Any]:
    """A natural key as loaddata reads it."""
    loaded: list[Any] = json.loads(json_of_value(list(key)))
    return loaded


def _named(pks: Sequence[Any]) -> str:
    """The rows by their primary keys: "rows 3 and 7"."""
    distinct = list(dict.fromkeys(map(str, pks)))
    return f"{'row' if len(distinct) == 1 else 'rows'} {' and '.join(distinct)}"
