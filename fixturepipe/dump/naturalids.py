"""The source's ids of objects whose fixture has none: content types and permissions.

A target that has its own is matched by natural key. One that has none yet gets these ids, so that
what holds them as plain numbers or text stays right: logs, JSON, generic references.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models

from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.naturalkeys import natural_key_paths
from fixturepipe.databases.plainquery import every_row


def natural_ids(
    chosen: Iterable[type[models.Model]], alias: str
) -> dict[str, list[tuple[list[Any], int]]]:
    """For each of these models' labels its rows' natural keys and ids, in the order of the ids."""
    found: dict[str, list[tuple[list[Any], int]]] = {}
    for model in chosen:
        if model._meta.label_lower in NATURAL_PRIMARY:
            rows = every_row(model, alias).order_by("pk")
            values = rows.values_list("pk", *natural_key_paths(model))
            found[model._meta.label_lower] = [(key, pk) for pk, *key in values]
    return found
