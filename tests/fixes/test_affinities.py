"""Every fix in a column of every affinity of SQLite: what `check` calls fixed is what arrives."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.projects import Project, write_project

# Each type that a column can be declared with; SQLite converts what it stores in all but BLOB.
TYPES = {
    "integer": "INTEGER",
    "real": "REAL",
    "text": "TEXT",
    "numeric": "NUMERIC",
    "blob": "BLOB",
    "strict": "TEXT",
}
UUID = "00000000-0000-4000-8000-000000000001"
# By column: the field, its fixes, the values of two rows, what arrives of them.
COLUMNS: dict[str, tuple[str, str, tuple[Any, Any], tuple[Any, Any]]] = {
    "whole": ("IntegerField()", "number", ("12 ", 1.0), (12, 1)),
    "big": ("BigIntegerField(unique=True)", "number", ("05", 4.0), (5, 4)),
    "part": ("FloatField()", "number", ("1.5", "2 "), ("1.5", 2)),
    "lasting": ("DurationField()", "number", ("3000000", "1"), (3000000, 1)),
    "price": (
        "DecimalField(max_digits=5, decimal_places=2)",
        "number FP116:truncate",
        ("2.50", "0.125"),
        ("2.50", "0.12"),
    ),
    "active": ("BooleanField()", "boolean", ("yes", 0.0), (1, 0)),
    "code": ("CharField(max_length=5)", "truncate", ("12345abc", "01234567x"), ("12345", "01234")),
    "note": ("TextField()", "replace", ("12\x00", "1e3\x00"), ("12", "1e3")),
    "at": ("DateTimeField()", "epoch", (1577836800, 1e12), ("2020-01-01", "2001-09-09 01:46:40")),
    "on": ("DateField()", "epoch", (1577836800, 0), ("2020-01-01", "1970-01-01")),
    "blob": ("BinaryField()", "bytes", ("1é", "x"), (b"1\xc3\xa9", b"x")),
    "zoned": (
        "DateTimeField()",
        "utc",
        ("2020-01-01 02:00:00+02:00", "2020-01-01 00:00:00"),
        ("2020-01-01", "2020-01-01"),
    ),
    "word": ("CharField(max_length=5)", "default:007", ("much too long", "abc"), ("007", "abc")),
    "count": ("IntegerField()", "default:7", ("abc", "abc"), (7, 7)),
    "uuid": ("UUIDField()", f"default:{UUID}", ("abc", "abc"), (UUID, UUID)),
    "name": ("CharField(max_length=9, unique=True)", "rename", ("1e", "1E"), ("1e", "1E-2")),
    "maybe": ("IntegerField(null=True)", "null", ("abc", "abc"), (None, None)),
    "touched": ("IntegerField()", "number", ("0", "0"), (0, 0)),
}
# A column of type TEXT holds no number.
NUMBERS_AS_DATES = {"at": "2020-01-01 00:00:00", "on": "2020-01-01"}


@pytest.fixture
def project(server: servers.Server, tmp_path: Path) -> Iterator[Project]:
    with server.database() as endpoint:
        models = "".join(map(model, TYPES))
        made = write_project(tmp_path, server.url(str(endpoint.settings["NAME"])), models, {})
        settings = made.pythonpath / "settings.py"
        settings.write_text(settings.read_text().replace("USE_TZ = True", "USE_TZ = False"))
        made.django("makemigrations", "shop", "-v0")
        made.django("migrate", "-v0")
        for kind in TYPES:
            fill(made, kind)
        yield made


def model(kind: str) -> str:
    fields = "".join(f"    {name} = models.{made[0]}\n" for name, made in COLUMNS.items())
    meta = f'    class Meta:\n        managed = False\n        db_table = "{kind}"\n'
    return f"\nclass {kind.title()}(models.Model):\n{fields}{meta}"


def fill(project: Project, kind: str) -> None:
    columns = ", ".join(f'"{name}" {TYPES[kind]} NOT NULL' for name in COLUMNS)
    more = f"double {TYPES[kind]} AS (whole * 2), UNIQUE (big), CHECK (length(code) > 0)"
    table = f'CREATE TABLE "{kind}" (id INTEGER PRIMARY KEY, {columns}, {more})'
    trigger = f'CREATE TRIGGER on_{kind} AFTER UPDATE ON "{kind}" BEGIN'
    trigger += f' UPDATE "{kind}" SET touched = touched + 1 WHERE id = NEW.id; END'
    view = f'CREATE VIEW of_{kind} AS SELECT code, gone FROM "{kind}"'
    connection = sqlite3.connect(project.database)
    connection.execute(table + (" STRICT" if kind == "strict" else ""))
    connection.execute(f'CREATE INDEX few_{kind} ON "{kind}" (lower(code)) WHERE whole > 0')
    with suppress(sqlite3.OperationalError):  # not every SQLite takes the name for text
        connection.execute(f'CREATE INDEX odd_{kind} ON "{kind}" ("gone")')
    connection.execute(trigger)
    connection.execute(view)
    for row in (0, 1):
        values = [given(kind, name, made[2][row]) for name, made in COLUMNS.items()]
        marks = ", ".join("?" * (len(values) + 1))
        connection.execute(f'INSERT INTO "{kind}" VALUES ({marks})', (row + 1, *values))
    connection.commit()
    connection.close()


def given(kind: str, name: str, value: Any) -> Any:
    return NUMBERS_AS_DATES.get(name, value) if TYPES[kind] == "TEXT" else value


def fixes() -> Iterator[str]:
    for kind in TYPES:
        for name, made in COLUMNS.items():
            for fix in made[1].split():
                finding, colon, rest = fix.partition(":")
                is_for_one = colon and finding.startswith("FP")
                target = f"shop.{kind.title()}.{name}"
                yield "--fix"
                yield f"{finding}:{target}={rest}" if is_for_one else f"{target}={fix}"


def arrived(project: Project, kind: str) -> list[dict[str, str]]:
    columns = ", ".join(f"`{name}`" for name in COLUMNS)
    rows = project.execute(f"SELECT {columns} FROM `{kind}` ORDER BY id")
    return [dict(zip(COLUMNS, map(plain, row), strict=True)) for row in rows]


def plain(value: Any) -> str:
    """Text that is the same whatever class a server's driver has for a value."""
    text = str(value).replace("-", "") if str(value).startswith("0000") else str(value)
    return text.removesuffix(" 00:00:00").removesuffix(".0")


def expected(kind: str, row: int) -> dict[str, str]:
    values = {name: made[3][row] for name, made in COLUMNS.items()}
    if TYPES[kind] == "TEXT":
        values |= NUMBERS_AS_DATES
    return {name: plain(value) for name, value in values.items()}


def test_what_check_calls_fixed_is_what_arrives(project: Project) -> None:
    checked = project.run("check", "--json", *fixes())
    findings = json.loads(checked.stdout)["findings"]
    unfixed = [f for f in findings if f["level"] == "error" and not f.get("fixed_by")]
    assert (checked.returncode, unfixed) == (0, [])
    assert "nothing differs" in project.done("run", *fixes())
    for kind in TYPES:
        assert arrived(project, kind) == [expected(kind, 0), expected(kind, 1)], kind
    assert "sync: 0 rows changed" in project.done("sync")
    project.fill("DROP TRIGGER on_text; UPDATE text SET big = '5.0' WHERE id = 2")
    refused = project.run("sync")
    assert "shop.text 2, big: number makes it 5, which the source refuses: UNIQUE" in refused.stderr
    assert "Drop one of the rows" in refused.stderr
