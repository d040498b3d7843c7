"""The dirty app's source: rows past all constraints, and the same hazard for each finding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connections

from fixturepipe.databases.endpoints import SOURCE
from tests.apps.dirty.models import Values

# A row of Values for each finding: its key, the finding, the column, SQL of the value.
DIRT: dict[int, tuple[str, str, str]] = {
    11: ("FP101", "char", "'sixsix'"),
    12: ("FP102", "small", "40000"),
    13: ("FP103", "positive", "-5"),
    14: ("FP104", "decimal", "123456.78"),
    15: ("FP105", "date", "'2020-02-31'"),
    16: ("FP106", "timestamp", "'0900-01-01 00:00:00'"),
    17: ("FP107", "integer", "'text'"),
    18: ("FP108", "boolean", "7"),
    19: ("FP109", "json", "'{'"),
    20: ("FP110", "float", "9e999"),
    21: ("FP111", "text", "CAST(x'c328' AS TEXT)"),
    22: ("FP113", "text", "'a' || char(0)"),
    23: ("FP116", "decimal", "0.129"),
    24: ("FP118", "json", f"'{'[' * 120}{']' * 120}'"),
}


def unprotected() -> None:
    """The source's connection takes whatever it is given."""
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("PRAGMA foreign_keys = OFF")
        cursor.execute("PRAGMA ignore_check_constraints = ON")


def plant(statement: str, *parameters: Any) -> None:
    """Run one statement in the source."""
    with connections[SOURCE].cursor() as cursor:
        cursor.execute(statement, parameters)


def values(pk: int, **columns: Any) -> None:
    """A row of Values with clean values; `columns` are set to SQL expressions, past Django."""
    Values.objects.using(SOURCE).create(pk=pk)
    for column, expression in columns.items():
        plant(f"UPDATE dirty_values SET {column} = {expression} WHERE id = {pk}")


# What `plant_all` plants in rows of Values that depend on the target, by key.
DEPENDING = {29: ("FP114", "binary"), 30: ("FP120", "float")}


def round_floats(execute: Callable[[str], Any]) -> None:
    """Make the target's column of floats one of single precision."""
    execute("ALTER TABLE dirty_values MODIFY `float` FLOAT NOT NULL")


def plant_all(packet: int) -> None:
    """A row for every hazard of values, references and uniqueness.

    `packet` is the target's max_allowed_packet; see `round_floats`.
    """
    for pk, (_, column, value) in DIRT.items():
        values(pk, **{column: value})
    values(25, uuid="'1dd9b7c500a78b9b0d889fff334917bb'", json="'[99999999999999999999]'")
    # A statement holds two digits for each byte.
    values(29, binary=f"zeroblob({packet // 2})")
    values(30, float="0.123456789")
    plant("INSERT INTO dirty_name (id, name) VALUES (0, 'Zed'), (2, 'zed'), (3, 'zod')")
    plant("INSERT INTO dirty_child (id, values_id, loose_id) VALUES (4, 99, 98)")
    plant("INSERT INTO dirty_child_names (id, child_id, name_id) VALUES (5, 4, 97)")
