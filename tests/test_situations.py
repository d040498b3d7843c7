"""Situations of whole projects, as a user meets them: `check`, then `run`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.django_versions import needs_generated_fields
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

class Quoted(models.Model):
    orders = models.ManyToManyField(Order)
    class Meta:
        db_table = '"quoted"'

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
INSERT INTO quoted VALUES (7), (8);
DELETE FROM quoted WHERE id = 8;
INSERT INTO quoted_orders VALUES (1, 7, 1);
INSERT INTO shop_tag SELECT 1, 7, id FROM django_content_type WHERE model = 'nowhere';
CREATE TABLE "odd ""name" (a);
INSERT INTO "odd ""name" VALUES (1);
"""

OLD_SITE = """
from django.contrib.auth.models import Permission
from django.db.models.fields.files import ImageFileDescriptor

class Thumbnails(ImageFileDescriptor):
    pass

class ThumbnailField(models.ImageField):
    descriptor_class = Thumbnails
    def _check_image_library_installed(self):
        return []

class Photo(models.Model):
    image = ThumbnailField(width_field="width", height_field="height")
    width = models.IntegerField(null=True)
    height = models.IntegerField(null=True)

class Duty(Permission):
    description = models.TextField()

class Shift(models.Model):
    duty = models.ForeignKey(Duty, models.CASCADE)
    others = models.ManyToManyField(Duty, related_name="+")
"""
USER = """
from django.contrib.auth.models import AbstractUser

class User(AbstractUser):
    pass
"""
USER_ROWS = """
INSERT INTO shop_user VALUES (5, '', NULL, 0, 'ann', '', '', '', 0, 1, '2026-01-02');
INSERT INTO django_admin_log (id, action_time, object_repr, action_flag, change_message, user_id)
VALUES (1, '2026-01-03', 'x', 1, '', 5);
"""
PEOPLE = """
class Person(models.Model):
    class Meta:
        db_table = "people"
"""
# Its app comes before shop, whose migration makes the table.
ADDRESSES = """
from django.db import models

class Person(models.Model):
    class Meta:
        db_table = "people"
        managed = False

class Address(models.Model):
    person = models.ForeignKey(Person, models.CASCADE)
"""
LEAF = """
from django.db import models

class Leaf(models.Model):
    photo = models.ForeignKey("shop.Photo", models.CASCADE)
"""
ENGINE = """
from django.db.backends.sqlite3 import base

class DatabaseWrapper(base.DatabaseWrapper):
    def _start_transaction_under_autocommit(self):
        self.cursor().execute("BEGIN IMMEDIATE")
"""
OLD_SITE_ROWS = """
UPDATE django_content_type SET id = id + 500;
UPDATE auth_permission SET id = id + 1000, content_type_id = content_type_id + 500;
INSERT INTO auth_permission (id, content_type_id, codename, name)
SELECT 3000, id, 'lock', 'Locks the door' FROM django_content_type WHERE model = 'shift';
INSERT INTO shop_duty (permission_ptr_id, description) VALUES (3000, 'late');
INSERT INTO shop_shift (id, duty_id) VALUES (1, 3000);
INSERT INTO shop_shift_others (shift_id, duty_id) VALUES (1, 3000);
INSERT INTO shop_photo (id, image, width, height)
VALUES (1, 'gone.jpg', NULL, NULL), (2, 'gone.jpg', NULL, 10), (3, '', NULL, NULL);
INSERT INTO leaf_leaf (photo_id) VALUES (2);
INSERT INTO django_migrations (app, name, applied)
VALUES ('shop', '0007_before_the_reset', '2020-01-01');
"""

SWITCHES = """
from django.contrib.auth.models import AbstractUser

class User(AbstractUser):
    pass

class Staff(User):
    class Meta:
        proxy = True

class Shouted(models.CharField):
    def select_format(self, compiler, sql, params):
        return f"LOWER({sql})", params
    def get_placeholder(self, value, compiler, connection):
        return "UPPER(%s)"
    get_placeholder_sql = get_placeholder

class Bits(models.Field):
    def db_type(self, connection):
        return "integer" if connection.vendor == "sqlite" else "bit(8)"

class Switch(models.Model):
    on = models.BooleanField(primary_key=True)
    label = Shouted(max_length=9)
    bits = Bits()

class Key(models.ForeignKey):
    def get_db_prep_save(self, value, connection):
        raise RuntimeError("the project's own code")

class Team(models.Model):
    staff = models.ManyToManyField(Staff)
    switch = Key(Switch, models.CASCADE)
"""
SWITCH_ROWS = """
INSERT INTO shop_user (id, password, is_superuser, username, first_name, last_name, email,
is_staff, is_active, date_joined)
VALUES (1, '', 0, 'anna', '', '', '', 0, 1, '2024-01-01 00:00:00'),
(2, '', 0, 'ben', '', '', '', 0, 1, '2024-01-01 00:00:00');
INSERT INTO shop_switch VALUES (0, 'oFf', 5), (1, 'oN', 0);
INSERT INTO shop_team VALUES (1, 1);
INSERT INTO shop_team_staff (team_id, staff_id) VALUES (1, 1);
"""
LATER_SWITCH_ROWS = """
UPDATE shop_switch SET label = label || '!';
UPDATE shop_team_staff SET staff_id = 2;
UPDATE shop_team SET switch_id = 0;
"""

LARGE = """
class Token(models.Model):
    units = models.DecimalField(max_digits=30, decimal_places=0, primary_key=True)

class Balance(models.Model):
    token = models.ForeignKey(Token, models.CASCADE)
    amount = models.DecimalField(max_digits=20, decimal_places=5)
    address = models.GenericIPAddressField(null=True, unpack_ipv4=True)
"""
LARGE_ROWS = """
INSERT INTO shop_token VALUES (12345678901234567), ('9223372036854775807');
INSERT INTO shop_balance (id, token_id, amount, address)
VALUES (1, 12345678901234567, '123456789012345.12', '2001:DB8:0::1'),
(2, 9223372036854775807, 0.1 + 0.2, '::ffff:1.2.3.4'), (3, 12345678901234567, -3, '');
"""
LARGE_BALANCES = (
    ("12345678901234567", "123456789012345.12000", "2001:DB8:0::1"),
    ("9223372036854775807", "0.30000", "::ffff:1.2.3.4"),
    ("12345678901234567", "-3.00000", ""),
)


OWN_RULES = """
from django import VERSION
from django.db.models.functions import Cast, Substr

CONDITION = "condition" if VERSION >= (5, 1) else "check"

class Price(models.Model):
    name = models.CharField(max_length=9)
    money = models.CharField(max_length=20, null=True)
    amount = models.GeneratedField(
        expression=Cast(Substr("money", 4), models.DecimalField(max_digits=9, decimal_places=2)),
        output_field=models.DecimalField(max_digits=9, decimal_places=2),
        db_persist=True,
    )
    class Meta:
        constraints = [
            models.CheckConstraint(**{CONDITION: ~models.Q(name="admin")}, name="not_admin")
        ]
"""
OWN_RULES_ROWS = """
INSERT INTO shop_price (id, name, money)
VALUES (1, 'a', 'EUR12.50'), (2, 'b', 'EUR'), (3, 'Admin', 'EUR1'), (4, '', NULL), (5, 'c', '');
"""
DEVICES = """
class Device(models.Model):
    token = models.TextField(unique=True)
    kind = models.CharField(max_length=9)
    class Meta:
        indexes = [models.Index(fields=["token", "kind"], name="token_kind")]
"""
# As packages do that know what MySQL refuses.
DEVICES_MIGRATION = """
VENDOR = "mysql"

class Elsewhere:
    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor != VENDOR:
            super().database_forwards(app_label, schema_editor, from_state, to_state)

class AlterFieldElsewhere(Elsewhere, migrations.AlterField):
    pass

class AddIndexElsewhere(Elsewhere, migrations.AddIndex):
    pass

class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Device", [
            ("id", models.BigAutoField(primary_key=True)),
            ("token", models.TextField()),
            ("kind", models.CharField(max_length=9)),
        ]),
        AlterFieldElsewhere("device", "token", models.TextField(unique=True)),
        AddIndexElsewhere("device", models.Index(fields=["token", "kind"], name="token_kind")),
    ]
"""
# An engine that keeps connections open, as those of pools do.
POOL = """
import os
from django.db.backends.mysql import base

idle = {}

class DatabaseWrapper(base.DatabaseWrapper):
    def _pool(self):
        return idle.setdefault((os.getpid(), self.settings_dict["NAME"]), [])
    def get_new_connection(self, conn_params):
        pool = self._pool()
        return pool.pop() if pool else super().get_new_connection(conn_params)
    def _close(self):
        if self.connection is not None:
            self._pool().append(self.connection)
"""
LAB = """
class ByName(models.Manager):
    def get_by_natural_key(self, name):
        return self.get(name=name)

class Tool(models.Model):
    name = models.CharField(max_length=9, unique=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    others = models.ManyToManyField("self")
    objects = ByName()
    def natural_key(self):
        return (self.name,)

class Use(models.Model):
    tool = models.ForeignKey(Tool, models.CASCADE)
    def natural_key(self):
        return self.tool.natural_key()
    natural_key.dependencies = ["Lab.Tool"]
"""
LAB_APP = """
from django.apps import AppConfig

class Lab(AppConfig):
    name, label = "shop", "Lab"
"""
LAB_ROWS = """
INSERT INTO Lab_tool (id, name, parent_id) VALUES (1, 'a', NULL), (2, 'b', 1), (3, 'c', 4),
(4, 'd', 3);
INSERT INTO Lab_tool_others (from_tool_id, to_tool_id) VALUES (1, 2);
INSERT INTO Lab_use (tool_id) VALUES (2);
"""
WRITING_PACKAGE = """
from contextlib import suppress
from shop.models import Flag

with suppress(Exception):
    if not Flag.objects.exists():
        Flag.objects.create(name="first")
"""
CHATTY = """
class Flag(models.Model):
    name = models.CharField(max_length=9)
"""
# It reads the database at the start, and prints there and in a migration.
CHATTY_APP = """
from django.apps import AppConfig

class Shop(AppConfig):
    name = "shop"
    def ready(self):
        if not {"makemigrations", "migrate"}.intersection(__import__("sys").argv):
            print("flags:", *self.get_model("Flag").objects.all())
"""
CHATTY_MIGRATION = """
def say(apps, schema_editor):
    print("{}")

class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(say)]
"""


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


def test_a_sync_knows_the_rows_of_a_run_whatever_their_types(url: str, tmp_path: Path) -> None:
    project = write_project(tmp_path, url, SWITCHES, {})
    with (project.pythonpath / "settings.py").open("a") as settings:
        settings.write('AUTH_USER_MODEL = "shop.User"\n')
    project.django("makemigrations", "shop", "-v0")
    project.django("migrate", "-v0")
    project.fill(SWITCH_ROWS)
    project.done("run")
    project.fill(LATER_SWITCH_ROWS)
    project.done("sync")
    switches = project.execute("SELECT label, bits + 0 FROM shop_switch ORDER BY `on`")
    assert switches == (("oFf!", 5), ("oN!", 0))
    assert project.execute("SELECT staff_id FROM shop_team_staff") == ((2,),)


def test_large_decimals_and_addresses_arrive_as_they_are_stored(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, LARGE, LARGE_ROWS)
    project.done("run")
    columns = "CAST(token_id AS CHAR), CAST(amount AS CHAR), address"
    balances = project.execute(f"SELECT {columns} FROM shop_balance ORDER BY id")
    assert balances == LARGE_BALANCES
    project.fill("UPDATE shop_balance SET address = '0::1' WHERE id = 3")
    project.done("sync")
    changed = project.execute("SELECT address FROM shop_balance WHERE id = 3")
    assert changed == (("0::1",),)


def test_orphans_and_tables_are_found_however_names_are_written(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, OTHER_CASE, OTHER_CASE_ROWS)
    checked = project.run("check", "--json")
    found = {f["id"]: f["field"] for f in json.loads(checked.stdout)["findings"]}
    assert (found["FP201"], found["FP204"]) == ("customer", "thing")
    assert found["FP304"] == 'odd "name'
    assert "nothing differs" in project.done("run", "--fix", "FP201=drop")
    assert project.execute('SELECT * FROM `"quoted"`') == ((7,),)


def test_an_app_may_refer_to_a_table_that_a_later_app_makes(url: str, tmp_path: Path) -> None:
    project = write_project(tmp_path, url, PEOPLE, {})
    code = project.pythonpath
    (code / "addresses").mkdir()
    (code / "addresses" / "__init__.py").touch()
    (code / "addresses" / "models.py").write_text(ADDRESSES)
    settings = (code / "settings.py").read_text().replace('"shop"]', '"addresses", "shop"]')
    (code / "settings.py").write_text(f"{settings}SILENCED_SYSTEM_CHECKS = ['models.E028']\n")
    project.django("makemigrations", "addresses", "shop", "-v0")
    project.django("migrate", "-v0")
    project.fill("INSERT INTO people VALUES (3); INSERT INTO addresses_address VALUES (1, 3);")
    project.done("check")
    assert "nothing differs" in project.done("run")
    assert project.execute("SELECT id, person_id FROM addresses_address") == ((1, 3),)


def test_migrations_may_refer_to_a_user_model_without_any(url: str, tmp_path: Path) -> None:
    project = write_project(tmp_path, url, USER)
    code = project.pythonpath
    settings = (code / "settings.py").read_text().replace('"shop"]', '"shop", *MORE]')
    more = "MORE = ['django.contrib.admin', 'django.contrib.messages']"
    (code / "settings.py").write_text(f"{more}\n{settings}AUTH_USER_MODEL = 'shop.User'\n")
    project.django("migrate", "--run-syncdb", "-v0", "--skip-checks")
    project.fill(USER_ROWS)
    assert "nothing differs" in project.done("run")
    assert project.execute("SELECT user_id FROM django_admin_log") == ((5,),)


@needs_generated_fields
def test_rows_that_the_targets_own_rules_refuse_are_named(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, OWN_RULES, OWN_RULES_ROWS)
    checked = project.run("check", "--json")
    assert checked.returncode == 1
    found = {
        (f["id"], f["field"]): [row["pk"] for row in f["rows"]]
        for f in json.loads(checked.stdout)["findings"]
        if f["level"] == "error"
    }
    assert found == {("FP335", "amount"): [2, 5], ("FP209", "name"): [3]}
    ignored = ("--ignore", "FP335", "--ignore", "FP209")
    moved = project.run("run", *ignored, "--on-error", "reject")
    assert moved.returncode == 1, moved.stderr
    assert "3 objects rejected: correct them in rejects/" in moved.stdout
    assert project.execute("SELECT id FROM shop_price ORDER BY id") == ((1,), (4,))


def test_an_index_that_migrations_leave_out_there_stops_nothing(url: str, tmp_path: Path) -> None:
    project = write_project(tmp_path, url, DEVICES, {"0001_initial": DEVICES_MIGRATION})
    project.django("migrate", "-v0")
    project.fill("INSERT INTO shop_device VALUES (1, 'abc', 'phone');")
    found = {
        (each["id"], each["field"])
        for each in project.json("check")["findings"]
        if each["model"] == "shop.device"
    }
    assert found == {("FP326", "token"), ("FP312", "token, kind")}
    assert "nothing differs" in project.done("run")


def test_a_target_may_have_an_engine_with_a_pool(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, CHATTY, "INSERT INTO shop_flag VALUES (1, 'on');")
    code = project.pythonpath
    (code / "pooled").mkdir()
    (code / "pooled" / "__init__.py").touch()
    (code / "pooled" / "base.py").write_text(POOL)
    with (code / "settings.py").open("a") as settings:
        settings.write("if 'target' in DATABASES:\n    DATABASES['target']['ENGINE'] = 'pooled'\n")
    assert "nothing differs" in project.done("run", "--target", "target", TARGET_URL=url)


def test_the_label_of_an_app_may_have_capitals(url: str, tmp_path: Path) -> None:
    project = write_project(tmp_path, url, LAB, {})
    (project.pythonpath / "shop" / "apps.py").write_text(LAB_APP)
    project.django("makemigrations", "Lab", "-v0")
    project.django("migrate", "-v0")
    project.fill(LAB_ROWS)
    assert "nothing differs" in project.done("run", "--natural-keys", "Lab.Tool")
    assert "equal" in project.done("verify", "--row", "Lab.Tool:2")
    assert '"b"' in project.done("inspect", "--model", "Lab.Tool", "--pk", "2")
    assert project.execute("SELECT parent_id FROM Lab_tool ORDER BY id") == (
        (None,),
        (1,),
        (4,),
        (3,),
    )
    project.fill("UPDATE Lab_use SET tool_id = 99;")
    assert "FP201 error: Lab.use.tool" in project.run("check").stdout
    for left_out in (["--exclude", "Lab.Use"], ["--exclude", "Lab"], ["--ignore", "FP201:Lab.Use"]):
        assert "FP201" not in project.done("check", *left_out)


def test_a_package_of_migrations_may_write_when_it_is_imported(url: str, tmp_path: Path) -> None:
    project = made(tmp_path, url, CHATTY, "INSERT INTO shop_flag VALUES (7, 'on');")
    (project.pythonpath / "shop" / "migrations" / "__init__.py").write_text(WRITING_PACKAGE)
    assert "nothing differs" in project.done("run")
    assert project.execute("SELECT id FROM shop_flag") == ((7,),)


def test_what_a_project_prints_does_not_spoil_a_result(url: str, tmp_path: Path) -> None:
    project = write_project(tmp_path, url, CHATTY, {})
    app = project.pythonpath / "shop"
    (app / "apps.py").write_text(CHATTY_APP)
    project.django("makemigrations", "shop", "-v0")
    migration = f"from django.db import migrations\n{CHATTY_MIGRATION}"
    (app / "migrations" / "0002_say.py").write_text(migration)
    project.django("migrate", "-v0")
    project.fill("INSERT INTO shop_flag VALUES (1, 'on');")
    project.done("check")
    moved = project.run("run", "--json")
    assert json.loads(moved.stdout)["command"] == "run"
    assert "flags: Flag object (1)\n" in moved.stderr
    assert "{}\n" in moved.stderr


def write_old_site(path: Path, url: str) -> Project:
    """Keys of AutoField in a migration, of BigAutoField in the settings; an engine of its own."""
    project = write_project(path, url, OLD_SITE, {})
    code = project.pythonpath
    for name, file, text in (("leaf", "models", LEAF), ("engine", "base", ENGINE)):
        (code / name).mkdir()
        (code / name / "__init__.py").touch()
        (code / name / f"{file}.py").write_text(text)
    settings = (code / "settings.py").read_text().replace('"shop"]', '"shop", "leaf"]')
    (code / "settings.py").write_text(settings.replace("django.db.backends.sqlite3", "engine"))
    project.django("makemigrations", "shop", "-v0")
    migration = code / "shop" / "migrations" / "0001_initial.py"
    migration.write_text(migration.read_text().replace("BigAutoField", "AutoField"))
    project.django("migrate", "--run-syncdb", "-v0")
    project.fill(OLD_SITE_ROWS)
    return project


def test_an_old_site_with_ways_of_its_own_is_moved(url: str, tmp_path: Path) -> None:
    project = write_old_site(tmp_path, url)
    project.done("check")
    assert "nothing differs" in project.done("run")
    photos = project.execute("SELECT id, image, width, height FROM shop_photo ORDER BY id")
    assert photos == ((1, "gone.jpg", None, None), (2, "gone.jpg", None, 10), (3, "", None, None))
    duties = "SELECT codename, description FROM auth_permission JOIN shop_duty"
    assert project.execute(f"{duties} ON permission_ptr_id = id") == (("lock", "late"),)
    assert project.execute("SELECT shift_id, duty_id FROM shop_shift_others") == ((1, 3000),)
    assert project.execute("SELECT photo_id FROM leaf_leaf") == ((2,),)


def test_an_absent_package_is_to_be_installed(url: str, tmp_path: Path) -> None:
    project = write_project(tmp_path, url, CHATTY)
    with (project.pythonpath / "settings.py").open("a") as settings:
        settings.write("import a_package_of_the_project\n")
    refused = project.run("check")
    assert refused.returncode == 2
    assert "next: Install the project's requirements" in refused.stderr
