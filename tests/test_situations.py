"""Situations of whole projects, as a user meets them: `check`, then `run`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.projects import Project, write_project

PROXIES = """
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

class Right(Permission):
    class Meta:
        proxy = True

class Kind(ContentType):
    class Meta:
        proxy = True

class Team(Group):
    rights = models.ManyToManyField(Right, related_name="+")

class Entry(models.Model):
    kind = models.ForeignKey(Kind, models.CASCADE)

class Measure(models.Model):
    value = models.FloatField()
    class Meta:
        managed = False
        db_table = "measures"
"""
PROXY_ROWS = """
UPDATE auth_permission SET id = id + 1000;
INSERT INTO auth_group VALUES (1, 'editors');
INSERT INTO shop_team VALUES (1);
INSERT INTO shop_team_rights VALUES (1, 1, 1003), (2, 1, 1001);
INSERT INTO shop_entry VALUES (1, 3);
CREATE TABLE measures (id INTEGER PRIMARY KEY, value);
INSERT INTO measures VALUES (1, 5), (2, 0.1);
"""
OTHER_CASE = """
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType

class Customer(models.Model):
    class Meta:
        db_table = "customers"

class Order(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE)

class Nowhere(models.Model):
    class Meta:
        managed = False
        db_table = "nowhere"

class Tag(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.IntegerField()
    thing = GenericForeignKey()
"""
OTHER_CASE_ROWS = """
ALTER TABLE customers RENAME TO old;
ALTER TABLE old RENAME TO "Customers";
INSERT INTO "Customers" VALUES (1);
INSERT INTO shop_order VALUES (1, 1), (2, 99);
INSERT INTO shop_tag SELECT 1, 7, id FROM django_content_type WHERE model = 'nowhere';
CREATE TABLE "odd ""name" (a);
INSERT INTO "odd ""name" VALUES (1);
"""


@pytest.fixture
def url(server: servers.Server) -> Iterator[str]:
    with server.database() as endpoint:
        yield server.url(str(endpoint.settings["NAME"]))


def made(path: Path, url: str, models: str, rows: str) -> Project:
    project = write_project(path, url, models, {})
    project.django("makemigrations", "shop", "-v0")
    project.django("migrate", "-v0")
    project.fill(rows)
    return project


def test_proxies_of_permissions_and_untyped_columns(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, PROXIES, PROXY_ROWS)
    assert "nothing differs" in project.done("run")
    assert project.execute("SELECT MIN(id) FROM auth_permission") == ((1001,),)


def test_orphans_and_tables_are_found_however_names_are_written(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, OTHER_CASE, OTHER_CASE_ROWS)
    checked = project.run("check", "--json")
    found = {f["id"]: f["field"] for f in json.loads(checked.stdout)["findings"]}
    assert (found["FP201"], found["FP204"]) == ("customer", "thing")
    assert found["FP304"] == 'odd "name'
    assert "nothing differs" in project.done("run", "--fix", "FP201=drop")
