"""check asks the target about values of columns that only a field class of the project knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.projects import Project, write_project

MODELS = """
def of(base, kind):
    def db_type(self, connection):
        return kind if connection.vendor == "mysql" else base.db_type(self, connection)
    return type(base.__name__, (base,), {"db_type": db_type})

class BinaryUUID(models.UUIDField):
    def db_type(self, connection):
        return "binary(16)" if connection.vendor == "mysql" else super().db_type(connection)
    def from_db_value(self, value, expression, connection):
        raise NotImplementedError

class Thing(models.Model):
    size = of(models.CharField, "enum('s', 'm')")(max_length=9, null=True)
    flags = of(models.CharField, "set('a', 'b')")(max_length=9, null=True)
    latin = of(models.CharField, "varchar(9) character set latin1")(max_length=9, null=True)
    note = of(models.TextField, "tinytext")(null=True)
    second = of(models.DateTimeField, "datetime")(null=True)
    stamp = of(models.DateTimeField, "timestamp(6) null")(null=True)
    milli = of(models.TimeField, "time(3)")(null=True)
    price = of(models.DecimalField, "decimal(4, 1)")(max_digits=9, decimal_places=3, null=True)
    year = of(models.IntegerField, "year")(null=True)
    short = of(models.BinaryField, "varbinary(2)")(null=True)
    code = BinaryUUID(null=True)
"""
# Column: values that arrive, that the column would change, that it refuses.
VALUES = {
    "size": (["'s'"], ["'S'"], ["'xl'", "''"]),
    "flags": (["'a,b'"], ["'b,a'"], ["'z'"]),
    "latin": (["'\u00e9'"], [], ["'\U0001f600'"]),
    "note": (["'n'"], [], ["printf('%.*c', 256, 'x')"]),
    "second": (["'2020-01-01 10:00:00'"], ["'2020-01-01 10:00:00.7'"], []),
    "stamp": (["'2020-01-01 10:00:00.000001'"], [], ["'1960-01-01 00:00:00'"]),
    "milli": (["'10:00:00.123'"], ["'10:00:00.1234'"], []),
    "price": (["12.5"], ["12.34"], ["12345"]),
    "year": (["2020"], ["70"], ["1800"]),
    "short": (["x'0102'"], [], ["x'010203'"]),
    "code": (["'1dd9b7c500a78b9b0d889fff334917bb'"], [], []),
}


@pytest.fixture
def things(server: servers.Server, tmp_path: Path) -> Iterator[Project]:
    with server.database() as endpoint:
        url = server.url(str(endpoint.settings["NAME"]))
        project = write_project(tmp_path, url, MODELS)
        project.django("migrate", "--run-syncdb", "-v0")
        inserts = (
            f"INSERT INTO shop_thing ({column}) VALUES ({value});"
            for column, kinds in VALUES.items()
            for value in (value for values in kinds for value in values)
        )
        project.fill("\n".join(inserts))
        yield project


def test_the_target_is_asked_what_its_column_makes_of_each_value(things: Project) -> None:
    checked = things.run("check", "--json")
    assert checked.returncode == 1, checked.stderr
    found = {
        (f["id"], f["field"]): len(f["rows"])
        for f in json.loads(checked.stdout)["findings"]
        if f["id"] in ("FP112", "FP124", "FP125", "FP309")
    }
    expected = {
        (rule, column): len(kinds[position])
        for column, kinds in VALUES.items()
        for rule, position in (("FP125", 1), ("FP124", 2))
        if kinds[position]
    }
    assert found == expected
    output = things.done("run", "--fix", "FP124=drop", "--fix", "FP125=null")
    assert "nothing differs" in output
    rows = things.execute("SELECT size, flags, hex(code) FROM shop_thing WHERE id IN (1, 2, 6)")
    assert set(rows) >= {("s", None, None), (None, None, None)}
