"""Content types and permissions by number, as a plain dumpdata has them."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fixturepipe.artifacts.manifest import ManyToMany
from fixturepipe.errors import FixtureError
from tests.arranging import a, arranged, schema, schemas, write

THROUGH = "auth.group_permissions"
TYPE, PERMISSION = "contenttypes.contenttype", "auth.permission"
MODELS = schemas(
    schema("admin.logentry", "text", content_type=f"{TYPE}?"),
    msgspec.structs.replace(
        schema("auth.group", "name"),
        many_to_many=(
            ManyToMany(
                "permissions", "auth.group_permissions", source="group", target="permission"
            ),
        ),
    ),
    schema(THROUGH, group="auth.group", permission=PERMISSION),
    msgspec.structs.replace(
        schema(PERMISSION, "name", "codename", content_type=TYPE),
        natural_key=("codename", "content_type__app_label", "content_type__model"),
        natural_primary=True,
    ),
    msgspec.structs.replace(
        schema(TYPE, "app_label", "model"),
        natural_key=("app_label", "model"),
        natural_primary=True,
    ),
)
ADD = ["add_item", "shop", "item"]
# In the order of INSTALLED_APPS, as dumpdata has them: what refers comes first.
PLAIN = [
    a("admin.logentry", 1, text="x", content_type=8),
    a("admin.logentry", 2, text="y", content_type=None),
    a(PERMISSION, 40, name="Can add", content_type=8, codename="add_item"),
    a("auth.group", 1, name="g", permissions=[40]),
    a(TYPE, 8, app_label="shop", model="item"),
]


def content_types(found):
    """Of the log entries, by their text."""
    entries = [x["fields"] for x in found.objects() if x["model"] == "admin.logentry"]
    return {entry["text"]: entry["content_type"] for entry in entries}


def test_numbers_become_natural_keys_wherever_they_are(tmp_path):
    found = arranged(tmp_path, MODELS, PLAIN)
    objects = {each["model"]: each for each in found.objects()}
    assert objects[TYPE] == a(TYPE, app_label="shop", model="item")
    assert objects[PERMISSION]["fields"]["content_type"] == ["shop", "item"]
    assert "pk" not in objects[PERMISSION]
    assert objects[THROUGH]["fields"] == {"group": 1, "permission": ADD}
    entries = [
        x["fields"] for content in found.contents() for x in content if "text" in x["fields"]
    ]
    assert {x["text"]: x["content_type"] for x in entries} == {"x": ["shop", "item"], "y": None}


def test_a_number_that_the_fixtures_do_not_explain_stays_one(tmp_path):
    objects = [*PLAIN, a("admin.logentry", 3, text="z", content_type=9)]
    found = arranged(
        tmp_path, MODELS, objects, in_target=lambda label, to, keys: keys, on_orphan="stop"
    )
    entries = [
        x["fields"] for content in found.contents() for x in content if "text" in x["fields"]
    ]
    assert {x["text"]: x["content_type"] for x in entries}["z"] == 9


def test_the_numbers_are_those_of_one_fixture_for_all(tmp_path):
    files = [write(tmp_path / "1.json", PLAIN[:2]), write(tmp_path / "2.json", PLAIN[2:])]
    found = arranged(tmp_path, MODELS, files)
    assert content_types(found)["x"] == ["shop", "item"]
    assert found.result.objects == 6


def test_the_same_content_type_twice_is_refused(tmp_path):
    objects = [*PLAIN, a(TYPE, 8, app_label="shop", model="item")]
    with pytest.raises(FixtureError, match=r"object 6: contenttypes.contenttype .* in object 5"):
        arranged(tmp_path, MODELS, objects)


def test_objects_without_numbers_are_left_as_they_are(tmp_path):
    objects = [
        a(TYPE, app_label="shop", model="item"),
        a("admin.logentry", 1, text="x", content_type=["shop", "item"]),
    ]
    found = arranged(tmp_path, MODELS, objects)
    assert found.objects() == objects


def renumber(database: Path) -> None:
    """Give the source's content types and permissions other numbers than any target gives."""
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        for table in tables:
            for row in connection.execute(f"PRAGMA foreign_key_list('{table}')").fetchall():
                if row[2] in ("django_content_type", "auth_permission"):
                    connection.execute(f'UPDATE "{table}" SET "{row[3]}" = 5000 - "{row[3]}"')
        connection.execute("UPDATE django_content_type SET id = 5000 - id")
        connection.execute("UPDATE auth_permission SET id = 5000 - id")
        connection.execute("INSERT INTO auth_group VALUES (77, 'all of them')")
        connection.execute(
            "INSERT INTO auth_group_permissions (group_id, permission_id)"
            " SELECT 77, id FROM auth_permission"
        )


def test_a_plain_dumpdata_is_loaded_with_the_right_permissions(shop_target, tmp_path):
    database = Path(shutil.copy(shop_target.database, tmp_path / "renumbered.sqlite3"))
    renumber(database)
    shop = replace(shop_target, database=database)
    written = shop.manage("dumpdata", "contenttypes", "auth.group", "auth.permission")
    assert written.returncode == 0, written.stderr
    (tmp_path / "all.json").write_text(written.stdout, encoding="utf-8")
    shop.done("arrange", tmp_path / "all.json")
    shop.done("load")
    query = (
        "SELECT c.app_label, c.model, p.codename FROM auth_group_permissions g"
        " JOIN auth_permission p ON p.id = g.permission_id"
        " JOIN django_content_type c ON c.id = p.content_type_id WHERE g.group_id = 77"
    )
    with closing(sqlite3.connect(database)) as connection:
        wanted = connection.execute(query).fetchall()
    assert wanted
    assert sorted(shop.execute(query)) == sorted(wanted)
    # The target was empty, so that it keeps the numbers, too.
    assert shop.execute("SELECT MIN(id) > 4000 FROM auth_permission") == ((1,),)
