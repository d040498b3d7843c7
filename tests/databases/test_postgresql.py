"""PostgreSQL as the source: the whole way to MariaDB and MySQL, and each of its types."""

import datetime
import decimal
import json
import subprocess
import sys

import pytest
from django.contrib.auth.models import Group
from django.db import connections
from django.db.models import JSONField, Value

from fixturepipe.arrange.stage import arrange
from fixturepipe.artifacts.manifest import read_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.check.stage import CheckOptions, check
from fixturepipe.databases.endpoints import TARGET, Endpoints
from fixturepipe.databases.sequences import next_keys
from fixturepipe.dump.fingerprint import what_moved
from fixturepipe.dump.stage import DumpOptions, dump
from fixturepipe.errors import SourceDataError
from fixturepipe.events import ignore
from fixturepipe.load.stage import LoadOptions, load
from fixturepipe.verify.stage import VerifyOptions, verify
from tests.apps.everyfield.models import ByText, ByUUID, Everything, Remark
from tests.apps.naturals.models import Pointer, Unique
from tests.dumping import Dumped, dumped_while_deleted
from tests.shop import BOOKSHOP, ROOT, Shop
from tests.verify.test_verify import VALUES

UTC = datetime.UTC


@pytest.fixture
def endpoints(postgresql_source, server, target_template, empty_target):
    server.copy(target_template, str(empty_target.settings["NAME"]))
    both = Endpoints("default", postgresql_source, empty_target)
    both.open()
    yield both
    connections.close_all()


def errors(findings):
    return [finding for finding in findings if finding.level == "error"]


def move(path, endpoints):
    """All stages in order; gives how many rows are equal, by model."""
    assert errors(check(endpoints, CheckOptions(workdir=path), ignore).findings) == []
    directory = RunDirectory(path)
    dump(directory, endpoints, DumpOptions())
    arrange(directory, read_manifest(directory).schemas())
    load(directory, endpoints, LoadOptions(workers=1), ignore)
    compared = verify(endpoints, VerifyOptions(workers=1), ignore, read_manifest(directory))
    assert compared.differences == ()
    assert errors(compared.findings) == []
    return {each.model: each.equal for each in compared.models}


HARD = [
    {},
    VALUES,
    {"big": -(2**63), "integer": 2**31 - 1, "small": -(2**15), "positive": 2**31 - 1},
    {"timestamp": datetime.datetime(1000, 1, 1, 0, 0, 0, 1, UTC), "time": datetime.time.max},
    {"timestamp": datetime.datetime.max.replace(tzinfo=UTC), "date": datetime.date.max},
    {"decimal": decimal.Decimal("-99999999.9999"), "float": 5e-324},
    {"duration": datetime.timedelta(-3, 5, 7), "float": 0.1 + 0.2},
    {"duration": datetime.timedelta(days=400, hours=30), "ip": "2001:db8::1"},
    {"ip": "::ffff:10.0.0.1", "binary": bytes(range(256)), "boolean": False},
    {"json": {"b": 1, "a": [2**62, 1e15, -0.0, "\u2028 😀"]}, "text": "'\"\\\n\t\x7f"},
    {"json": "null"},
    {"json": []},
    {"json": Value(None, JSONField())},
]


def test_values_of_every_type_arrive(endpoints, tmp_path):
    for values in HARD:
        Everything.objects.create(**values)
    parent = ByUUID.objects.create(value=1)
    ByUUID.objects.create(value=2, parent=parent)
    remark = Remark.objects.create(about=parent)
    remark.labels.set(
        [ByText.objects.create(name=name, value=n) for n, name in enumerate(["a", "b c", "ß"])]
    )
    Remark.objects.create(about=Group.objects.create(name="g"))
    red = Unique.objects.create(slug="red")
    Pointer.objects.create(unique=red, by_slug=red, loose_id=404)
    equal = move(tmp_path / "run", endpoints)
    assert equal["everyfield.everything"] == len(HARD)
    assert (equal["everyfield.remark_labels"], equal["naturals.pointer"]) == (3, 1)


def test_keys_go_on_where_the_sequences_were(endpoints, tmp_path):
    Group.objects.bulk_create([Group(name=str(n)) for n in range(9)])
    Group.objects.exclude(name="0").delete()
    move(tmp_path / "run", endpoints)
    assert read_manifest(RunDirectory(tmp_path / "run")).sequences["auth_group"] == 9
    assert next_keys(connections[TARGET])["auth_group"] == 10


@pytest.mark.parametrize(
    ("column", "value", "finding"),
    [
        ("date", "infinity", "FP105"),
        ("date", "0044-03-15 BC", "FP105"),
        ("date", "10000-01-01", "FP105"),
        ("timestamp", "-infinity", "FP105"),
        ("timestamp", "12024-01-01 00:00:00+00", "FP105"),
        ("time", "24:00:00", "FP105"),
        ("duration", "9999999 years", "FP107"),
        ("duration", "400000 years", "FP102"),
        ("decimal", "NaN", "FP110"),
        ("float", "-Infinity", "FP110"),
    ],
)
def test_values_that_the_target_cannot_have_are_named(endpoints, tmp_path, column, value, finding):
    row, other = Everything.objects.create(), Everything.objects.create()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            f'UPDATE everyfield_everything SET "{column}" = %s WHERE id = %s', [value, row.pk]
        )
    options = CheckOptions(workdir=tmp_path / "run")
    (found,) = errors(check(endpoints, options, ignore).findings)
    assert (found.id, found.model, found.field) == (finding, "everyfield.everything", column)
    assert [each.pk for each in found.examples] == [row.pk]
    dumped = Dumped(tmp_path / "run", endpoints.source)
    if finding != "FP102":  # a fixture can say it, the target's column cannot
        with pytest.raises(SourceDataError, match=f"pk={row.pk}, {column}: '"):
            dumped("everyfield")
        assert dumped("everyfield", on_error="reject").rejected == {"everyfield.everything": 1}
        assert list(dumped.fields("everyfield.everything")) == [other.pk]


def test_what_is_committed_while_it_is_dumped_is_not_dumped(postgresql_source, tmp_path):
    Unique.objects.create(slug="red")
    dumped = dumped_while_deleted(tmp_path / "run", postgresql_source, "naturals.unique")
    assert dumped == 1
    assert Unique.objects.count() == 0


def test_a_source_that_changed_is_dumped_again_and_another_reused(postgresql_source, tmp_path):
    ByText.objects.bulk_create([ByText(name=f"n{n}", value=n) for n in range(50)])
    dumped = Dumped(tmp_path / "run", postgresql_source)
    assert dumped("everyfield").skipped == ()
    assert dumped("everyfield").skipped == ("everyfield",)
    marks = dumped.manifest.source.fingerprint
    assert what_moved(marks, dumped.directory, Endpoints("default", postgresql_source)) == []
    ByText.objects.filter(name="n7").update(value=8)
    moved = what_moved(marks, dumped.directory, Endpoints("default", postgresql_source))
    assert moved == ["rows were changed in place"]
    assert dumped("everyfield").skipped == ()


SHELF = """
from django.contrib.postgres.fields import ArrayField, HStoreField
from django.db import models

class Box(models.Model):
    tags = ArrayField(models.CharField(max_length=20))
    more = HStoreField(null=True)
"""
SHELF_SETTINGS = """
import os
import dj_database_url
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.postgres", "shelf"]
DATABASES = {"default": dj_database_url.parse(os.environ["SHELF"])}
"""
FILL_SHELF = """
import django
django.setup()
from django.core.management import call_command
from shelf.models import Box
call_command("migrate", run_syncdb=True, verbosity=0)
Box.objects.create(tags=["a", "b c"], more={"k": "v", "n": None})
"""


def test_fields_that_only_postgresql_has_are_named_and_dumped(postgresql, tmp_path):
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "__init__.py").touch()
    (tmp_path / "shelf" / "models.py").write_text(SHELF)
    (tmp_path / "shelf_settings.py").write_text(SHELF_SETTINGS)
    shelf = Shop(tmp_path / "none", tmp_path / "run", "", "shelf_settings", tmp_path)
    with postgresql.database() as end:
        postgresql.execute("CREATE EXTENSION hstore", str(end.settings["NAME"]))
        where = {"SHELF": end.name}
        subprocess.run(
            [sys.executable, "-c", FILL_SHELF],
            check=True,
            cwd=tmp_path,
            env=shelf.environment | where | {"DJANGO_SETTINGS_MODULE": "shelf_settings"},
        )
        checked = shelf.run("check", "--json", **where)
        assert checked.returncode == 1, checked.stderr
        found = errors_of(json.loads(checked.stdout))
        assert found == [("FP315", "shelf.box", "tags"), ("FP315", "shelf.box", "more")]
        shelf.done("dump", **where)
    (box,) = json.loads((tmp_path / "run/1-dump/shelf.json").read_bytes())
    assert box["fields"]["tags"] == ["a", "b c"]
    assert box["fields"]["more"] == {"k": "v", "n": None}


def errors_of(checked):
    return [
        (each["id"], each["model"], each["field"])
        for each in checked["findings"]
        if each["level"] == "error"
    ]


@pytest.fixture(scope="session")
def postgresql_shop(postgresql, shop_database, tmp_path_factory):
    """The sample shop in PostgreSQL, by stock `migrate` and `loaddata` of our chunks."""
    path = tmp_path_factory.mktemp("postgresql_shop")
    shop = Shop(shop_database, path / "run")
    shop.done("dump")
    shop.done("arrange")
    with postgresql.database() as end:
        subprocess.run(
            [sys.executable, "-c", FILL_SHOP, str(path / "run" / "2-chunks")],
            check=True,
            cwd=BOOKSHOP,
            env=shop.environment
            | {
                "BOOKSHOP_TARGET": end.name,
                "DJANGO_SETTINGS_MODULE": "tests.bookshop_target",
                "PYTHONPATH": f"{ROOT}:{BOOKSHOP}",
            },
        )
        yield end.name


# What its migrations make is replaced, as `fixturepipe load` does.
FILL_SHOP = """
import sys
from pathlib import Path
import django
django.setup()
from django.apps import apps
from django.core.management import call_command
call_command("migrate", verbosity=0)
kept = {"contenttypes.ContentType", "auth.Permission"}
for model in apps.get_models(include_auto_created=True):
    if model._meta.managed and model._meta.label not in kept:
        model._base_manager.all()._raw_delete("default")
for path in sorted(Path(sys.argv[1]).glob("*.json")):
    call_command("loaddata", str(path), verbosity=0)
"""


def test_the_sample_shop_moves_from_postgresql(postgresql_shop, shop_target):
    shop_target.done("--source", postgresql_shop, "run")
    models = shop_target.json("status")["models"]
    for model in models:
        assert model["dumped"] == model["arranged"] == model["loaded"] == model["verified"], model
    assert sum(model["dumped"] for model in models) > 500
