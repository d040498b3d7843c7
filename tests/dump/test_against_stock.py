"""What stock `dumpdata --natural-foreign --all` does to each hazard, and what ours does.

Both are loaded by stock loaddata into a migrated server; "arrives" means that every row of the
tables in question is what Django read from the source. The table is in docs/comparison.md.
"""

import datetime
import decimal
import shutil
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections

from fixturepipe.databases.endpoints import TARGET
from tests.apps.customs.models import Custom, Money
from tests.apps.everyfield.models import Everything
from tests.apps.hidden.models import Ghost, House, Poltergeist, Stay
from tests.apps.naturals.models import Pointer, Repeated, SoftlyDeleted, Unique
from tests.conftest import migrated_pair
from tests.dumping import Dumped, rows

UTC = datetime.UTC
VALUES = {
    "date-time, to the microsecond": {
        "timestamp": datetime.datetime(2024, 2, 29, 1, 2, 3, 123456, UTC)
    },
    "time, to the microsecond": {"time": datetime.time(1, 2, 3, 123456)},
    "date": {"date": datetime.date(2024, 2, 29)},
    "duration": {"duration": datetime.timedelta(days=-2, microseconds=3)},
    "decimal": {"decimal": decimal.Decimal("12345678.9001")},
    "float": {"float": 0.1 + 0.2},
    "integer of 64 bits": {"big": -(2**63)},
    "boolean, or none": {"boolean": False},
    "text": {"text": 'quotes ", lines\n\r\t, \0, é and 😀'},
    "binary": {"binary": bytes(range(256))},
    "UUID": {"uuid": uuid.UUID("6f0f4a1e-3c1b-4a57-9c44-0d6c1d0a4b11")},
    "IP address": {"ip": "2001:db8::1"},
    "nested JSON": {"json": {"b": [1, 2.5, None, {"a": "é"}], "a": 2**53 + 1}},
    "file name": {"file": "a/b.pdf"},
}


def value(**fields):
    def make():
        Everything.objects.create(**fields)

    return make, [Everything]


def not_serialized():
    House.objects.create(secret="cellar")


def hidden_row():
    Ghost.everything.create(name="Boo", hidden=True)
    Ghost.everything.create(name="Casper")


def hidden_link():
    house = House.objects.create()
    for hidden in (False, True):
        ghost = Ghost.everything.create(name="Boo", hidden=hidden)
        House.ghosts.through.objects.create(house=house, ghost=ghost)


def link_keys():
    house, ghost = House.objects.create(), Ghost.everything.create(name="Casper")
    House.ghosts.through.objects.create(pk=99, house=house, ghost=ghost)


def one_way():
    first, second = House.objects.create(), House.objects.create()
    House.next_to.through.objects.create(from_house=first, to_house=second)


def child():
    Poltergeist.everything.create(name="Bang", noise=9)


def composite():
    Stay.objects.create(house=House.objects.create(), note="wet")


def custom():
    Custom.objects.create(words=["a", "b c"], money=Money(150))


def orphan():
    Pointer.objects.create(loose_id=404)


def repeated():
    Repeated.objects.create(slug="same")
    Pointer.objects.create(repeated=Repeated.objects.create(slug="same"))


def soft_delete():
    Pointer.objects.create(deleted=SoftlyDeleted.objects.create(slug="gone", deleted=True))


def natural():
    Pointer.objects.create(unique=Unique.objects.create(pk=7, slug="red"))


APPS = ("everyfield", "hidden", "customs", "naturals")
LINKS = [House.ghosts.through, House.next_to.through]
# What makes the rows, the models whose rows are compared, and what stock does to them.
HAZARDS = {
    **{name: (*value(**fields), "arrives") for name, fields in VALUES.items()},
    "date-time, to the microsecond": (*value(**VALUES["date-time, to the microsecond"]), "altered"),
    "time, to the microsecond": (*value(**VALUES["time, to the microsecond"]), "altered"),
    "field with serialize=False": (not_serialized, [House], "altered"),
    "row that the base manager hides": (hidden_row, [Ghost], "altered"),
    "link to a row that is hidden": (hidden_link, LINKS, "altered"),
    "key of a link": (link_keys, LINKS, "altered"),
    "symmetrical link in one direction": (one_way, LINKS, "altered"),
    "child of a multi-table parent": (child, [Ghost, Poltergeist], "arrives"),
    "composite primary key": (composite, [Stay], "arrives"),
    "custom field without value_to_string": (custom, [Custom], "altered"),
    "unconstrained dangling reference": (orphan, [Pointer], "aborts"),
    "natural key of two rows": (repeated, [Pointer, Repeated], "aborts"),
    "natural key of a row that is hidden": (soft_delete, [Pointer, SoftlyDeleted], "aborts"),
    "natural key": (natural, [Pointer, Unique], "arrives"),
}


def outcome(dump, endpoints, models):
    """Dump by a function that gives files, load these as Django does, compare."""
    try:
        files = dump()
        with endpoints.bound_to_target():
            call_command("loaddata", *files, verbosity=0)
    except Exception:  # noqa: BLE001  (whatever it is: it did not arrive)
        return "aborts"
    same = all(rows(model, TARGET) == rows(model, "default") for model in models)
    return "arrives" if same else "altered"


@pytest.fixture(scope="module")
def both(server, source_template, tmp_path_factory):
    """One source and one migrated target for all hazards: to migrate takes longer than they do."""
    path = tmp_path_factory.mktemp("stock") / "source.sqlite3"
    shutil.copyfile(source_template, path)
    # Stock aborts on a model without a table whatever is in the others: not what is looked at.
    with closing(sqlite3.connect(path)) as file:
        for table in ("hidden_legacy", "hidden_elsewhere"):
            file.execute(f"CREATE TABLE {table} (id integer PRIMARY KEY, name varchar(20))")
    with migrated_pair(server, path) as endpoints:
        yield endpoints


@pytest.fixture
def hazard(request, both):
    make, models, stock = HAZARDS[request.param]
    with both.bound_to_source():
        make()
        yield models, stock
        for alias in ("default", TARGET):
            empty(alias)


def empty(alias):
    """Remove the rows of every app that a hazard is in."""
    connection = connections[alias]
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.app_label in APPS and model._meta.managed and not model._meta.proxy:
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")


every_hazard = pytest.mark.parametrize("hazard", HAZARDS, indirect=True)


@every_hazard
def test_what_stock_dumpdata_does(hazard, both, tmp_path):
    models, stock = hazard

    def dump():
        path = tmp_path / "stock.json"
        call_command(
            "dumpdata",
            *{model._meta.app_label for model in models},
            use_natural_foreign_keys=True,
            use_base_manager=True,
            output=str(path),
            verbosity=0,
        )
        return [str(path)]

    assert outcome(dump, both, models) == stock


@every_hazard
def test_ours_arrives(hazard, both, tmp_path):
    models, _ = hazard

    def dump():
        dumped = Dumped(tmp_path / "run", both.source)
        labels = sorted({model._meta.app_label for model in models})
        dumped(*labels)
        return [str(dumped.directory.dumps / f"{label}.json") for label in labels]

    assert outcome(dump, both, models) == "arrives"


def test_the_documentation_says_the_same():
    page = (Path(__file__).parents[2] / "docs" / "comparison.md").read_text()
    expected = [f"| {name} | {stock} | arrives |" for name, (_, _, stock) in HAZARDS.items()]
    assert "\n".join(expected) in page
