"""check names migrations that the target refuses before any of them runs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.projects import Project, write_project

MODELS = """
class Item(models.Model):
    name = models.CharField(max_length=20)
"""
BEGIN = """
ID = ("id", models.BigAutoField(primary_key=True))
LARGE = models.DecimalField(max_digits=100, decimal_places=2)
LONG = models.CharField(max_length=500)

def fill(apps, schema_editor):
    # CREATE TRIGGER filled AFTER INSERT ON shop_item is for another server
    apps.get_model("shop", "Item").objects.create(name="first")

def trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "mysql":
        schema_editor.execute(
            "CREATE TRIGGER counted AFTER INSERT ON shop_item FOR EACH ROW SET @n = NEW.id"
        )

def rewrites(apps, editor):
    editor.execute("UPDATE shop_item SET name = 1")

def indexes(apps, editor):
    editor.execute("CREATE INDEX names ON shop_item (name)")

class OnSQLite(migrations.RunSQL):
    def database_forwards(self, app_label, schema_editor, *states):
        if schema_editor.connection.vendor == "sqlite":
            super().database_forwards(app_label, schema_editor, *states)
"""
FINE = """
class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Item", [ID, ("name", models.TextField())]),
        migrations.RunSQL("UPDATE shop_item SET name = '100%'; -- a comment\\n"),
        migrations.RunSQL([("UPDATE shop_item SET name = %s", ["b"])]),
        migrations.RunSQL(migrations.RunSQL.noop),
        OnSQLite('CREATE INDEX "i" ON "shop_item" ("name")'),
        migrations.RunSQL('UPDATE "shop_item" SET "name" = 1'),
        migrations.RunPython(fill),
        migrations.RunPython(rewrites),
        migrations.AlterField("Item", "name", models.CharField(max_length=20)),
    ]
"""
REFUSED = """
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.CreateModel("Old", [ID, ("amount", LARGE), ("a", LONG), ("b", LONG)]),
        migrations.AddIndex("Old", models.Index(fields=["a", "-b"], name="a_b")),
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(
                'UPDATE "shop_item" SET "name" = 1; CREATE INDEX "i" ON "shop_item" ("id")'
            )]
        ),
        migrations.DeleteModel("Old"),
        migrations.CreateModel("Keyed", [("code", models.UUIDField(primary_key=True))]),
        migrations.AddField("Keyed", "id", models.BigAutoField(primary_key=True, default=0), False),
        migrations.AlterField("Keyed", "code", models.UUIDField(unique=True)),
        migrations.DeleteModel("Keyed"),
        migrations.RunPython(trigger),
        migrations.RunPython(indexes),
    ]
"""


def made(path: Path, url: str, **migrations: str) -> Project:
    named = {f"000{n}_{name}": BEGIN + text for n, (name, text) in enumerate(migrations.items(), 1)}
    project = write_project(path, url, MODELS, named)
    project.django("migrate", "-v0")
    return project


def found(project: Project, *arguments: str) -> list[tuple[str, str]]:
    checked = project.run("check", "--json", *arguments)
    return [
        (f["id"], f["consequence"])
        for f in json.loads(checked.stdout)["findings"]
        if f["id"] in ("FP329", "FP332")
    ]


def test_migrations_that_the_target_takes_are_no_findings(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, initial=FINE)
    assert found(project) == []
    assert "nothing differs" in project.done("run")


def test_refused_migrations_are_named_with_the_way_round_them(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, initial=FINE, odd=REFUSED)
    *refused, trigger = found(project)
    assert {id_ for id_, _ in refused} == {"FP329"}
    statement, column, index, key, code = [text for _, text in refused]
    assert "shop.0002_odd fails on the target (Raw SQL operation: SQL, UPDATE" in statement
    assert "numeric(100, 2)" in column
    assert "the index on a, b, varchar(500), varchar(500)" in index
    assert "Add field id to Keyed: a second primary key" in key
    assert "the schema editor in a transaction" in code
    assert trigger[0] == "FP332"
    assert "creates the trigger counted on the target, which fires AFTER INSERT" in trigger[1]
    assert project.run("run").returncode == 1
    assert project.execute("SHOW TABLES") == ()
    assert found(project, "--schema", "models") == []
    assert "nothing differs" in project.done("run", "--schema", "models")


WIDER = """
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AlterField("Item", "name", models.CharField(max_length=30))]
"""


IN_PYTHON = """
def make_index(editor):
    if editor.connection.vendor == "postgresql":
        sql = "CREATE INDEX CONCURRENTLY named ON shop_item (name)"
    else:
        sql = 'CREATE INDEX IF NOT EXISTS "named" ON "shop_item" ("name")'
    with editor.connection.cursor() as cursor:
        cursor.execute(sql)

def forwards(apps, editor):
    make_index(editor)

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(forwards)]
"""


def test_sql_of_python_code_is_asked_too(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, initial=FINE, in_python=IN_PYTHON)
    ((number, consequence),) = found(project)
    assert number == "FP329"
    assert (
        "shop.0002_in_python fails on the target (Raw Python operation: SQL, CREATE" in consequence
    )
    assert "nothing differs" in project.done("run", "--schema", "models")


def test_migrations_that_a_complete_source_lacks_are_named_with_the_way_round_them(
    url: str, tmp_path: Path
) -> None:
    project = made(tmp_path, url, initial=FINE, wider=WIDER)
    project.fill("DELETE FROM django_migrations WHERE name = '0002_wider'")
    findings = json.loads(project.run("check", "--json").stdout)["findings"]
    (finding,) = (each for each in findings if each["level"] == "error")
    assert finding["id"] == "FP333"
    assert [each["pk"] for each in finding["rows"]] == ["shop.0002_wider"]
    assert project.run("run").returncode == 1
    assert project.execute("SHOW TABLES") == ()
    assert "nothing differs" in project.done("run", "--schema", "models")
    recorded = project.execute("SELECT name FROM django_migrations WHERE app = 'shop'")
    assert recorded == (("0001_initial",),)


def test_a_source_that_lacks_a_column_of_a_migration_is_refused(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, initial=FINE, wider=WIDER)
    project.fill(
        "DELETE FROM django_migrations WHERE name = '0002_wider';"
        "ALTER TABLE shop_item RENAME COLUMN name TO title"
    )
    refused = project.run("check")
    assert refused.returncode == 2
    assert "is behind the project's code" in refused.stderr
