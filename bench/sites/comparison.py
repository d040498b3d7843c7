"""Compares every table of an SQLite file with a database on a server, as stored, without Django.

The server's columns say what a value of SQLite has to look like there. Rows are matched by the
primary key of the server's table.
"""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import MySQLdb

# Each database has its own.
_OWN = re.compile(r"django_migrations|sqlite_.*|fixturepipe_.*")
_EXAMPLES = 5
Row = tuple[Any, ...]


@dataclass
class Comparison:
    """What was compared and what differs.

    `missing` and `extra` are rows that one side alone has; `unmatched` names tables and columns
    that the target lacks.
    """

    rows: int = 0
    cells: int = 0
    differing: int = 0
    missing: int = 0
    extra: int = 0
    unmatched: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether the target holds everything and nothing else."""
        return not (self.differing or self.missing or self.extra or self.unmatched)

    def note(self, text: str) -> None:
        """Keep one of the first differences."""
        if len(self.examples) < _EXAMPLES:
            self.examples.append(text[:200])


@dataclass(frozen=True)
class _Column:
    name: str
    kind: str
    in_key: bool


def compare(source: Path, target: MySQLdb.Connection) -> Comparison:
    """Compare each table of the file with the one of the connection's database."""
    found = Comparison()
    there = _columns(target)
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        for table, statement in _data_tables(connection):
            columns = there.get(table, there.get(_shortened(table)))
            if columns is not None:
                name = table if table in there else _shortened(table)
                _Tables(connection, table, statement, target, name, columns).compare(found)
            elif connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone():
                found.unmatched.append(table)
    return found


class _Tables:
    """A table of the file and its counterpart."""

    def __init__(
        self,
        source: sqlite3.Connection,
        table: str,
        statement: str,
        target: MySQLdb.Connection,
        name: str,
        columns: Sequence[_Column],
    ) -> None:
        own = [row[1] for row in source.execute(f'PRAGMA table_xinfo("{table}")')]
        self.table = table
        self.lacking = sorted(set(own) - {column.name for column in columns})
        self.columns = [column for column in columns if column.name in own]
        self.json = {c.name for c in self.columns if f'JSON_VALID("{c.name}")' in statement}
        listed = ", ".join(f'"{column.name}"' for column in self.columns)
        self.expected = self._by_key(source.execute(f'SELECT {listed} FROM "{table}"'), _expected)
        with target.cursor() as cursor:
            listed = ", ".join(f"`{column.name}`" for column in self.columns)
            cursor.execute(f"SELECT {listed} FROM `{name}`")
            self.actual = self._by_key(cursor.fetchall(), _actual)

    def _by_key(self, rows: Iterable[Row], read: Any) -> dict[Row, Row]:
        keys = [n for n, column in enumerate(self.columns) if column.in_key] or [0]
        found = {}
        for row in rows:
            values = tuple(
                None if value is None else read(value, column.kind, column.name in self.json)
                for value, column in zip(row, self.columns, strict=True)
            )
            found[tuple(str(values[n]) for n in keys)] = values
        return found

    def compare(self, found: Comparison) -> None:
        found.unmatched += [f"{self.table}.{name}" for name in self.lacking]
        found.rows += len(self.expected)
        found.cells += len(self.expected) * len(self.columns)
        missing, extra = (
            self.expected.keys() - self.actual.keys(),
            self.actual.keys() - self.expected.keys(),
        )
        found.missing += len(missing)
        found.extra += len(extra)
        for key in (*missing, *extra):
            found.note(f"{self.table} {key}: on one side only")
        for key in self.expected.keys() & self.actual.keys():
            pairs = zip(self.columns, self.expected[key], self.actual[key], strict=True)
            for column, old, new in pairs:
                if type(old) is not type(new) or _typed(old) != _typed(new):
                    found.differing += 1
                    found.note(f"{self.table}.{column.name} {key}: {old!r} -> {new!r}")


def _data_tables(source: sqlite3.Connection) -> list[tuple[str, str]]:
    """The tables whose rows are data, with their statements: search indexes are not."""
    found = source.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name"
    ).fetchall()
    virtual = tuple(name for name, sql in found if sql.startswith("CREATE VIRTUAL"))
    shadows = tuple(f"{name}_" for name in virtual)
    return [
        (name, sql)
        for name, sql in found
        if not (_OWN.fullmatch(name) or name in virtual or (shadows and name.startswith(shadows)))
    ]


def _columns(target: MySQLdb.Connection) -> Mapping[str, list[_Column]]:
    tables: dict[str, list[_Column]] = {}
    with target.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, CAST(column_type AS CHAR), column_key = 'PRI'"
            " FROM information_schema.columns WHERE table_schema = DATABASE()"
            " ORDER BY table_name, ordinal_position"
        )
        for table, *facts in cursor.fetchall():
            tables.setdefault(table, []).append(_Column(*facts))
    return tables


def _shortened(name: str) -> str:
    """The name as Django cuts it for MySQL."""
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:4]
    return name if len(name) <= 64 else f"{name[:60]}{digest}"


def _expected(value: Any, kind: str, is_json: bool) -> Any:
    """What a column of this type holds for a value of SQLite; a text if it cannot hold it."""
    try:
        if kind == "json" or is_json:
            return json.loads(value)
        if kind.startswith(("datetime", "date", "time")) and isinstance(value, str):
            return _time(value, kind)
        if kind.startswith("decimal"):
            places = int(kind.partition(",")[2].partition(")")[0] or 0)
            step = decimal.Decimal(1).scaleb(-places)
            return decimal.Decimal(str(value)).quantize(step, context=decimal.Context(70))
    except (ValueError, ArithmeticError) as error:
        return f"{value!r}: {error}"
    if kind == "double" and isinstance(value, int):
        return float(value)
    return value.replace("-", "") if kind == "uuid" else value


def _time(text: str, kind: str) -> Any:
    if kind.startswith("datetime"):
        found = datetime.datetime.fromisoformat(text)
        return found.astimezone(datetime.UTC).replace(tzinfo=None) if found.tzinfo else found
    if kind == "date":
        return datetime.date.fromisoformat(text[:10])
    hour = datetime.time.fromisoformat(text)
    midnight = datetime.datetime(1, 1, 1)  # noqa: DTZ001 (a time of day has no zone)
    return datetime.datetime.combine(midnight, hour) - midnight


def _actual(value: Any, kind: str, is_json: bool) -> Any:
    """A value of the server in the same form."""
    if kind == "json" or is_json:
        return json.loads(value)
    return str(value).replace("-", "") if kind == "uuid" else value


def _typed(value: Any) -> Any:
    """JSON in which booleans, whole numbers and floats are not equal to each other."""
    if isinstance(value, dict):
        return {key: _typed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_typed(each) for each in value]
    return type(value), value
