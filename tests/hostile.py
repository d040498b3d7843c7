"""Rows of the app `hostile`, written by SQL, since its own code raises."""

from __future__ import annotations

from typing import Any

from django.db import connections

# Stored values of `Child`, as SQLite holds them, and the fixture's form of each.
VALUES: dict[str, tuple[Any, Any]] = {
    "char": ("a", "a"),
    "text": ("é" * 40, "é" * 40),
    "integer": (-5, -5),
    "boolean": (1, True),
    "decimal": (12.5, "12.50"),
    "timestamp": ("2024-02-29 01:02:03.123456", "2024-02-29T01:02:03.123456Z"),
    "duration": (90_000_001, "00:01:30.000001"),
    "uuid": ("6ba7b8109dad41d180b400c04fd430c8", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"),
    "binary": (b"\x00\xff", "AP8="),
    "json": ('{"a": [1, null]}', {"a": [1, None]}),
    "address": ("::1", "::1"),
    "file": ("a/b.txt", "a/b.txt"),
    "kind": ("own", "own"),
}


def fill(alias: str = "default") -> None:
    """A parent, a child with all values and one with none, and a link between them."""
    columns = ", ".join(VALUES)
    marks = ", ".join(["%s"] * len(VALUES))
    with connections[alias].cursor() as cursor:
        cursor.execute("INSERT INTO hostile_parent VALUES ('p')")
        cursor.execute(
            f"INSERT INTO hostile_child (id, parent_id, {columns}) VALUES (1, 'p', {marks})",
            [raw for raw, _ in VALUES.values()],
        )
        cursor.execute("INSERT INTO hostile_child (id) VALUES (2)")
        cursor.execute("INSERT INTO hostile_child_friends VALUES (1, 1, 2)")
