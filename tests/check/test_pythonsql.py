"""The SQL that Python code of migrations sends to a server is read off its text, where certain."""

from __future__ import annotations

from typing import Any

import pytest

from fixturepipe.check.pythonsql import schema_statements

INDEX = 'CREATE INDEX IF NOT EXISTS "i" ON "t" ("c")'


def make_index(editor: Any) -> None:
    connection = editor.connection
    if connection.vendor == "postgresql":
        sql = "CREATE INDEX CONCURRENTLY i ON t (c)"
    else:
        sql = 'CREATE INDEX IF NOT EXISTS "i" ON "t" ("c")'
    with connection.cursor() as cursor:
        cursor.execute(sql)


def in_the_background(apps: Any, editor: Any) -> None:
    apps.start(make_index, editor)


def elsewhere(apps: Any, editor: Any) -> None:
    """CREATE nothing."""
    vendor = editor.connection.vendor
    if vendor not in ("sqlite", "postgresql"):
        return
    editor.execute("ALTER TABLE t ADD c TEXT")


def uncertain(apps: Any, editor: Any) -> None:
    editor.execute("UPDATE t SET c = 1")
    for table in ("a", "b"):
        editor.execute(f"DROP TABLE {table}")
    editor.execute("DROP TABLE " + apps.name)
    editor.execute(f"DROP TABLE {apps.name}")
    if apps.is_mariadb:
        editor.execute("DROP TABLE a")


def other_words(apps: Any, editor: Any) -> None:
    apps.call_command("createcachetable")
    apps.say("Create default groups", "rename", "drop_first")
    editor.execute("create or replace view v as select 1")


@pytest.mark.parametrize(
    ("code", "vendor", "statements"),
    [
        (in_the_background, "mysql", [INDEX]),
        (in_the_background, "postgresql", ["CREATE INDEX CONCURRENTLY i ON t (c)"]),
        (elsewhere, "mysql", []),
        (elsewhere, "sqlite", ["ALTER TABLE t ADD c TEXT"]),
        (uncertain, "mysql", []),
        (other_words, "mysql", ["create or replace view v as select 1"]),
        (len, "mysql", []),
    ],
)
def test_what_is_certain_to_be_sent_is_found(code: Any, vendor: str, statements: Any) -> None:
    assert schema_statements(code, vendor) == statements
