"""Code of migrations that fails on the empty target: passed over if it is about rows alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixturepipe.databases.migrations import changes_only_rows
from tests.projects import Project, write_project

MODELS = """
from django.db import connections
from django.db.models.signals import post_migrate

def needs_rows(sender, using, **named):
    if connections[using].vendor == "mysql":
        Item.objects.using(using).get(name="lamp")

post_migrate.connect(needs_rows)

class Item(models.Model):
    name = models.CharField(max_length=20)
    size = models.IntegerField(null=True)
"""
INITIAL = """
class Migration(migrations.Migration):
    operations = [migrations.CreateModel("Item", [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=20)),
    ])]
"""
# On SQLite they find the rows that the site had when they came; on the target each of them fails.
FAILING = """
import sys

def first(apps, schema_editor):
    items = apps.get_model("shop", "Item").objects
    if schema_editor.connection.vendor == "mysql":
        items.create(name="half done")
        items.get(name="lamp")

def reads_a_later_column(apps, schema_editor):
    from shop.models import Item
    if schema_editor.connection.vendor == "mysql":
        list(Item.objects.all())

def loads_a_fixture(apps, schema_editor):
    if schema_editor.connection.vendor == "mysql":
        with schema_editor.connection.constraint_checks_disabled():
            sys.exit("no such fixture")

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.RunPython(first),
        migrations.RunPython(reads_a_later_column),
        migrations.RunPython(loads_a_fixture),
        migrations.RunSQL('PRAGMA foreign_keys = 1; UPDATE "shop_item" SET "name" = "name" || 1'),
        migrations.AddField("Item", "size", models.IntegerField(null=True)),
    ]
"""
TABLE = """
def adds_a_table(apps, schema_editor):
    if schema_editor.connection.vendor == "mysql":
        schema_editor.execute("CREATE TABLE more (id INTEGER)")
        apps.get_model("shop", "Item").objects.get(name="lamp")

class Migration(migrations.Migration):
    dependencies = [("shop", "0002_failing")]
    operations = [migrations.RunPython(adds_a_table)]
"""
SCHEMA = """
from django.db import connection

def widens(apps, schema_editor):
    apps.get_model("shop", "Item").objects.create(name="first")
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE shop_item MODIFY size BIGINT")
    apps.get_model("shop", "Item").objects.create(name="second")

class Migration(migrations.Migration):
    dependencies = [("shop", "0002_failing")]
    operations = [migrations.RunPython(widens)]
"""
REASONS = ("DoesNotExist", "error 1054", "no such fixture", "error 1064")
ROWS = "INSERT INTO shop_item (id, name, size) VALUES (7, 'lamp', 4)"


def made(path: Path, url: str, **steps: str) -> Project:
    named = {f"000{n}_{name}": text for n, (name, text) in enumerate(steps.items(), 1)}
    project = write_project(path, url, MODELS, named)
    project.django("migrate", "-v0")
    project.fill(ROWS)
    return project


def test_data_migrations_that_fail_are_passed_over_and_named(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, initial=INITIAL, failing=FAILING)
    project.done("check")
    ran = project.run("run")
    assert "nothing differs" in ran.stdout
    named = [line for line in ran.stderr.splitlines() if "shop.0002_failing" in line]
    for line, reason in zip(named, REASONS, strict=True):
        assert reason in line
    assert "the receiver shop.models.needs_rows: DoesNotExist(" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert project.execute("SELECT id, name, size FROM shop_item") == ((7, "lamp", 4),)


def test_one_that_changes_the_schema_stops_the_run(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, initial=INITIAL, failing=FAILING, table=TABLE)
    stopped = project.run("run")
    assert stopped.returncode == 2
    assert "migration: shop.0003_table" in stopped.stderr
    assert "run --schema models" in stopped.stderr


def test_one_that_changes_the_schema_and_ends_well_is_kept(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, initial=INITIAL, failing=FAILING, schema=SCHEMA)
    assert "nothing differs" in project.done("run")
    ((kind,),) = project.execute(
        "SELECT data_type FROM information_schema.columns WHERE table_schema = DATABASE()"
        " AND table_name = 'shop_item' AND column_name = 'size'"
    )
    assert kind == "bigint"


@pytest.mark.parametrize(
    ("statement", "of_rows"),
    [
        ("UPDATE t SET a = 1", True),
        ("-- why\n/* and how */ (select 1)", True),
        ("", True),
        ("/*!50001 CREATE VIEW v AS SELECT 1 */", False),
        ("CREATE INDEX i ON t (a)", False),
        ("updates", False),
    ],
)
def test_the_first_word_tells_whether_a_statement_changes_the_schema(
    statement: str, of_rows: bool
) -> None:
    assert changes_only_rows(statement) == of_rows
