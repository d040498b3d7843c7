"""Tables from the models as they are now, where the migrations cannot run on the target."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import connection, migrations

from fixturepipe.load.server.modeltables import beyond_models
from tests.projects import Project, write_project
from tests.servers import Server

MODELS = """
class Item(models.Model):
    name = models.CharField(max_length=20, unique=True)
    box = models.ForeignKey("Box", models.CASCADE, null=True)
class Box(models.Model):
    items = models.ManyToManyField(Item, related_name="+")
class Legacy(models.Model):
    class Meta:
        managed = False
        db_table = "legacy"
class Word(models.Model):
    item = models.OneToOneField(Item, models.CASCADE, primary_key=True, db_column="rowid")
"""
INITIAL = """
class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Box", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel("Item", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=20, unique=True)),
            ("box", models.ForeignKey("shop.Box", models.CASCADE, null=True)),
        ]),
        migrations.AddField("Box", "items", models.ManyToManyField("shop.Item", related_name="+")),
        migrations.CreateModel(
            "Legacy", [("id", models.BigAutoField(primary_key=True))],
            options={"managed": False, "db_table": "legacy"},
        ),
        migrations.CreateModel("Word", [
            ("item", models.OneToOneField(
                "shop.Item", models.CASCADE, primary_key=True, db_column="rowid"
            )),
        ]),
    ]
"""
# SQLite's own dialect, which MySQL and MariaDB refuse.
TRIGGER = """
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunSQL(
        "CREATE TRIGGER tidy AFTER INSERT ON shop_item WHEN new.name = '' BEGIN SELECT 1; END"
    )]
"""
ROWS = """
DROP TABLE shop_word;
CREATE VIRTUAL TABLE shop_word USING fts5(text);
INSERT INTO shop_word (rowid, text) VALUES (7, 'lamp');
CREATE TABLE legacy (id integer PRIMARY KEY);
INSERT INTO legacy VALUES (3);
INSERT INTO shop_box (id) VALUES (1);
INSERT INTO shop_item (id, name, box_id) VALUES (7, 'lamp', 1), (8, 'desk', NULL);
INSERT INTO shop_box_items (id, box_id, item_id) VALUES (5, 1, 8);
"""


@pytest.fixture
def stuck(tmp_path: Path, server: Server) -> Project:
    """A project that ran its migrations on SQLite and cannot run them on the target."""
    with server.database() as target:
        steps = {"0001_initial": INITIAL, "0002_trigger": TRIGGER}
        project = write_project(tmp_path, target.name, MODELS, steps)
        project.django("migrate")
        project.fill(ROWS)
        yield project


def test_a_failed_migration_is_named_and_the_models_are_the_way_through(stuck: Project) -> None:
    foreseen = stuck.run("run")
    assert foreseen.returncode == 1
    assert "shop.0002_trigger" in foreseen.stdout
    failed = stuck.run("run", "--ignore", "FP329", "--ignore", "FP332")
    assert failed.returncode == 2
    for part in (
        "migration: shop.0002_trigger",
        "operation: Raw SQL operation",
        "statement: CREATE TRIGGER tidy",
        "run --schema models",
    ):
        assert part in failed.stderr
    moved = stuck.run("run", "--schema", "models")
    assert re.search(r"^migrate +\d+ tables in", moved.stderr, flags=re.MULTILINE)
    assert moved.returncode == 0, moved.stderr
    assert "shop.0002_trigger: RunSQL (TRIGGER tidy)" in moved.stderr
    assert stuck.execute("SELECT id, name, box_id FROM shop_item ORDER BY id") == (
        (7, "lamp", 1),
        (8, "desk", None),
    )
    recorded = stuck.execute("SELECT name FROM django_migrations WHERE app = 'shop' ORDER BY name")
    assert recorded == (("0001_initial",), ("0002_trigger",))
    assert not stuck.execute("SHOW TABLES LIKE 'shop_word'")


@pytest.mark.parametrize(
    ("operation", "described"),
    [
        (migrations.RunSQL(["CREATE UNIQUE INDEX `x` ON t (a)"]), "RunSQL (INDEX x)"),
        (migrations.RunSQL([("create view v as select 1", None)]), "RunSQL (VIEW v)"),
        (migrations.RunSQL("UPDATE t SET a = 1"), "RunSQL"),
        (migrations.RunPython(lambda apps, editor: None), "RunPython"),
        (migrations.RunPython(migrations.RunPython.noop), ""),
        (migrations.RunSQL(migrations.RunSQL.noop), ""),
        (migrations.DeleteModel("Old"), ""),
    ],
)
def test_what_no_model_describes_is_named(operation, described):
    assert beyond_models(operation, connection) == described
