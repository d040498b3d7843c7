"""LOAD DATA LOCAL INFILE of a SQLite file's rows into migrated tables: the limit of any loader.

    python -m bench.infile move SOURCE DIRECTORY     each table is written to a file and loaded
    python -m bench.infile write SOURCE DIRECTORY    only written
    python -m bench.infile load SOURCE DIRECTORY     only loaded
    python -m bench.infile checked SOURCE DIRECTORY  only loaded, with the server's checks on

The target's URL is in BOOKSHOP_TARGET. The program checks nothing and cannot resume; values that
the server cuts and rows that it skips with a warning are lost. Foreign keys are off, so the order
of the tables does not matter. "checked" has them on, loads the tables in the order of their
foreign keys (tables in a cycle stay unchecked), and stops at a warning.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from bench.servers import from_url, open_connection

_LEFT_OUT = ("django_migrations", "sqlite_sequence")
_SPECIAL = re.compile(r"[\\\t\n\0]")
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\0": "\\0"}
_BATCH = 5000


def main(what: str, source: str, directory: str) -> None:
    place = Path(directory)
    with closing(sqlite3.connect(source)) as connection:
        tables = {name: _columns(connection, name) for name in _tables(connection)}
        if what == "write":
            for table, columns in tables.items():
                _write(connection, table, columns, place / f"{table}.tsv")
            return
        url = os.environ["BOOKSHOP_TARGET"]
        server = from_url(url)
        database = url.partition("?")[0].rpartition("/")[2]
        with open_connection(server, database, local_infile=True) as target:
            cursor = target.cursor()
            cursor.execute("SET foreign_key_checks = 0, unique_checks = 0")
            cursor.execute("SET sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')")
            for table in tables:
                cursor.execute(f"DELETE FROM `{table}`")
            if what == "checked":
                _load_checked(cursor, tables, place)
                return
            for table, columns in tables.items():
                path = place / f"{table}.tsv"
                if what == "move":
                    _write(connection, table, columns, path)
                _load(cursor, table, columns, path)


def _load_checked(cursor: Any, tables: dict[str, list[str]], place: Path) -> None:
    cursor.execute(
        "SELECT table_name, referenced_table_name FROM information_schema.key_column_usage"
        " WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL"
    )
    needs: dict[str, set[str]] = {table: set() for table in tables}
    for table, needed in cursor.fetchall():
        needs.setdefault(table, set()).add(needed)
    order, cyclic = _ordered(needs)
    for table in order:
        if table in tables:
            on = int(table not in cyclic)
            cursor.execute(f"SET foreign_key_checks = {on}, unique_checks = {on}")
            _load(cursor, table, tables[table], place / f"{table}.tsv")
            if cursor.connection.warning_count():
                cursor.execute("SHOW WARNINGS")
                sys.exit(f"{table}: {cursor.fetchone()}")


def _ordered(needs: dict[str, set[str]]) -> tuple[list[str], set[str]]:
    """The tables, each after those that it refers to, and the tables in cycles."""
    cyclic = {table for table, needed in needs.items() if table in needed}
    while True:
        kept = {t: set() if t in cyclic else needed for t, needed in needs.items()}
        try:
            return [*TopologicalSorter(kept).static_order()], cyclic
        except CycleError as error:
            cyclic.update(error.args[1])


def _tables(connection: sqlite3.Connection) -> Iterator[str]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    yield from (name for (name,) in names.fetchall() if name not in _LEFT_OUT)


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]


def _write(connection: sqlite3.Connection, table: str, columns: Sequence[str], path: Path) -> None:
    names = ", ".join(f'"{column}"' for column in columns)
    rows = connection.execute(f'SELECT {names} FROM "{table}"')
    with path.open("w", encoding="utf-8", newline="") as file:
        while batch := rows.fetchmany(_BATCH):
            file.writelines("\t".join(map(_text, row)) + "\n" for row in batch)


def _text(value: Any) -> str:
    """A value as LOAD DATA reads it; bytes as hexadecimal digits, which _load turns back."""
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return _SPECIAL.sub(lambda found: _ESCAPES[found.group()], value)
    return repr(value)


def _load(cursor: Any, table: str, columns: Sequence[str], path: Path) -> None:
    cursor.execute(f"SHOW COLUMNS FROM `{table}`")
    kinds = {row[0]: str(row[1]) for row in cursor.fetchall()}
    fields, values = [], []
    for column in columns:
        bytes_ = re.match(r"(tiny|medium|long)?blob|(var)?binary", kinds[column])
        fields.append(f"@`{column}`" if bytes_ else f"`{column}`")
        if bytes_:
            values.append(f"`{column}` = UNHEX(@`{column}`)")
    cursor.execute(
        f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE `{table}` CHARACTER SET utf8mb4 "
        f"({', '.join(fields)}) " + (f"SET {', '.join(values)}" if values else "")
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
