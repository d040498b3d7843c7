"""Tables that nobody migrates: a project of its own, since a foreign key to such a table stops
`migrate` on any empty MySQL."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.shop import Shop

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes", "legacy"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "legacy.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MODELS = """
from django.db import models

class Ledger(models.Model):
    name = models.CharField(max_length=20)
    class Meta:
        managed = False
        db_table = "old_ledger"

class Entry(models.Model):
    ledger = models.ForeignKey(Ledger, models.CASCADE)

class Label(models.Model):
    kind = models.ForeignKey("contenttypes.ContentType", models.CASCADE)

class Nowhere(models.Model):
    class Meta:
        managed = False
"""


@pytest.fixture
def legacy(tmp_path: Path, shop_target: Shop) -> Shop:
    """A project whose managed model refers to an unmanaged one, with rows in both."""
    (tmp_path / "legacy").mkdir()
    (tmp_path / "legacy" / "__init__.py").touch()
    (tmp_path / "legacy" / "models.py").write_text(MODELS)
    (tmp_path / "legacy_settings.py").write_text(SETTINGS)
    connection = sqlite3.connect(tmp_path / "legacy.sqlite3")
    connection.executescript(
        """
        CREATE TABLE old_ledger (id integer PRIMARY KEY AUTOINCREMENT, name varchar(20) NOT NULL);
        CREATE VIEW names AS SELECT name FROM old_ledger;
        CREATE TABLE strange (x);
        INSERT INTO old_ledger (name) VALUES ('main'), ('side');
        """
    )
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--run-syncdb", "-v0"],
        cwd=tmp_path,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "legacy_settings", "PYTHONPATH": str(tmp_path)},
        check=True,
    )
    connection.executescript(
        """
        INSERT INTO legacy_entry (ledger_id) VALUES (2), (1);
        INSERT INTO legacy_label (kind_id) SELECT id FROM django_content_type;
        """
    )
    connection.close()
    return replace(shop_target, settings="legacy_settings", pythonpath=tmp_path)


def test_unmanaged_tables_are_made_and_moved(legacy: Shop) -> None:
    result = legacy.json("run")
    equal = {each["model"]: each["equal"] for each in result["verify"]["models"]}
    assert (equal["legacy.ledger"], equal["legacy.entry"]) == (2, 2)


def test_an_app_without_migrations_may_refer_to_one_with_them(legacy: Shop) -> None:
    result = legacy.json("run")
    equal = {each["model"]: each["equal"] for each in result["verify"]["models"]}
    assert equal["legacy.label"] == equal["contenttypes.contenttype"] > 0


def test_what_is_left_out_is_named(legacy: Shop) -> None:
    names = {each["name"] for each in legacy.json("dump")["not_covered"]}
    assert {"legacy.nowhere", "strange"} <= names


def test_a_model_that_the_target_cannot_have_may_be_excluded(legacy: Shop) -> None:
    models = legacy.pythonpath / "legacy" / "models.py"
    # MySQL has no index on a text of any length; SQLite has.
    models.write_text(
        f"{models.read_text()}\n"
        "class Free(models.Model):\n"
        "    text = models.TextField(primary_key=True)\n"
        "    class Meta:\n"
        "        required_db_features = ['supports_index_on_text_field']\n"
    )
    connection = sqlite3.connect(legacy.pythonpath / "legacy.sqlite3")
    connection.execute("CREATE TABLE legacy_free (text text PRIMARY KEY)")
    connection.close()
    refused = legacy.run("run")
    assert refused.returncode == 1
    assert "legacy.free" in refused.stdout
    for _ in range(2):
        legacy.done("run", "--exclude", "legacy.free")
