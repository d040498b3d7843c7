"""A target that the user migrated, as messages advise, holds what migrations leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import Project, write_project
from tests.servers import Server

MODELS = """
class Setting(models.Model):
    name = models.CharField(max_length=20)
    made = models.DateTimeField(auto_now_add=True)
"""
INITIAL = """
def fill(apps, editor):
    setting = apps.get_model("shop", "Setting")
    setting.objects.using(editor.connection.alias).create(name="color")
class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Setting", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=20)),
            ("made", models.DateTimeField(auto_now_add=True)),
        ]),
        migrations.RunPython(fill),
    ]
"""


@pytest.fixture
def project(tmp_path: Path, server: Server) -> Iterator[Project]:
    """A project whose migrations leave a row; both its databases are migrated."""
    with server.database() as target:
        project = write_project(tmp_path, target.name, MODELS, {"0001_initial": INITIAL})
        project.django("migrate")
        project.django("migrate", "--database", "target")
        project.fill("UPDATE shop_setting SET name = 'renamed since'")
        yield project


def test_rows_of_migrations_are_replaced(project: Project) -> None:
    moved = project.run("run")
    assert moved.returncode == 0, moved.stderr
    assert "only rows that its migrations wrote" in moved.stderr
    assert project.execute("SELECT id, name FROM shop_setting") == ((1, "renamed since"),)


def test_any_other_row_is_refused_at_once(project: Project) -> None:
    project.execute("INSERT INTO shop_setting VALUES (7, 'written by the site', NOW())")
    refused = project.run("run")
    assert refused.returncode == 2
    assert "shop.Setting: 2" in refused.stderr
    assert "7" in refused.stderr
    assert not list(project.workdir.glob("1-dump/*.json"))
    assert project.execute("SELECT COUNT(*) FROM shop_setting") == ((2,),)


def test_a_model_without_a_table_may_refer_to_them(tmp_path: Path, server: Server) -> None:
    report = """
class Report(models.Model):
    setting = models.ForeignKey(Setting, models.CASCADE)
    class Meta:
        managed = False
"""
    with server.database() as target:
        project = write_project(tmp_path, target.name, MODELS + report, {"0001_initial": INITIAL})
        project.django("migrate")
        assert "nothing differs" in project.done("run")


def test_they_stay_where_rows_that_are_not_moved_refer_to_them(
    tmp_path: Path, server: Server
) -> None:
    use = """
class Use(models.Model):
    setting = models.ForeignKey(Setting, models.CASCADE)
"""
    second = """
def fill(apps, editor):
    alias = editor.connection.alias
    setting = apps.get_model("shop", "Setting").objects.using(alias).get()
    apps.get_model("shop", "Use").objects.using(alias).create(setting=setting)
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.CreateModel("Use", [
            ("id", models.BigAutoField(primary_key=True)),
            ("setting", models.ForeignKey("shop.Setting", models.CASCADE)),
        ]),
        migrations.RunPython(fill),
    ]
"""
    with server.database() as target:
        migrations = {"0001_initial": INITIAL, "0002_use": second}
        project = write_project(tmp_path, target.name, MODELS + use, migrations)
        project.django("migrate")
        project.fill("DELETE FROM shop_use; UPDATE shop_setting SET id = 7")
        refused = project.run("run", "--exclude", "shop.use")
        assert refused.returncode == 2
        assert "shop.Setting: 1 (key 1)" in refused.stderr
        assert project.execute("SELECT setting_id FROM shop_use") == ((1,),)
