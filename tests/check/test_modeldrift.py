"""Models that are ahead of their migrations are named before the target is migrated."""

from __future__ import annotations

import json
from pathlib import Path

from tests.projects import write_project

MODELS = """
class Item(models.Model):
    name = models.CharField(max_length=50)
    count = models.IntegerField(null=True)
    stock = models.BigIntegerField(default=0)
    sold = models.BigIntegerField(default=0)
    short = models.CharField(max_length=10, default="")
    added = models.IntegerField(default=0)
    tags = models.ManyToManyField("Tag")

class Tag(models.Model):
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    class Meta:
        order_with_respect_to = "parent"

class Renamed(models.Model):
    class Meta:
        db_table = "renamed"
"""
MIGRATION = """
ID = ("id", models.BigAutoField(primary_key=True))

class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Item", [
            ID,
            ("name", models.CharField(max_length=20)),
            ("count", models.IntegerField()),
            ("stock", models.IntegerField()),
            ("sold", models.IntegerField()),
            ("short", models.TextField()),
            ("old", models.IntegerField()),
            ("older", models.IntegerField(null=True)),
        ]),
        migrations.CreateModel("Tag", [
            ID, ("parent", models.ForeignKey("shop.Tag", models.CASCADE, null=True)),
        ], options={"order_with_respect_to": "parent"}),
        migrations.CreateModel("Renamed", [ID]),
    ]
"""
# What the project's developers did by hand.
BY_HAND = """
ALTER TABLE shop_item DROP COLUMN old;
ALTER TABLE shop_item ADD COLUMN added integer NOT NULL DEFAULT 0;
CREATE TABLE shop_item_tags (id integer PRIMARY KEY, item_id integer, tag_id integer);
ALTER TABLE shop_renamed RENAME TO renamed;
INSERT INTO shop_item (id, name, count, stock, sold, short)
VALUES (1, 'x', 1, 3000000000, 3, 'y');
INSERT INTO shop_item_tags VALUES (1, 1, 1);
INSERT INTO shop_tag (id, _order) VALUES (1, 0);
INSERT INTO renamed VALUES (1);
"""
EXPECTED = {
    ("shop.item", "name", "is varchar(20), and the model's is varchar(50)"),
    ("shop.item", "count", "refuses NULL"),
    ("shop.item", "stock", "int"),
    ("shop.item", "added", "do not make the column added"),
    ("shop.item", "tags", "do not make the table shop_item_tags"),
    ("shop.item", "", "make the column old"),
    ("shop.renamed", "", "do not make the table renamed"),
}


def test_models_ahead_of_their_migrations_are_named(url: str, tmp_path: Path) -> None:
    project = write_project(tmp_path, url, MODELS, {"0001_initial": MIGRATION})
    project.django("migrate", "-v0")
    project.fill(BY_HAND)
    checked = project.run("check", "--json")
    ahead = [f for f in json.loads(checked.stdout)["findings"] if f["id"] == "FP334"]
    assert {(f["model"], f["field"]) for f in ahead} == {found[:2] for found in EXPECTED}
    for model, field, what in EXPECTED:
        (text,) = [f["consequence"] for f in ahead if (f["model"], f["field"]) == (model, field)]
        assert what in text
    assert project.run("run").returncode == 1
    assert project.execute("SHOW TABLES") == ()
    assert "nothing differs" in project.done("run", "--schema", "models")
