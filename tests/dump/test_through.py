"""What the dump writes of each hazard goes through all later stages and is verified there."""

from collections.abc import Iterable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import connections

from fixturepipe.arrange.stage import arrange
from fixturepipe.artifacts.manifest import read_manifest
from fixturepipe.events import ignore
from fixturepipe.load.stage import LoadOptions, load
from fixturepipe.verify.stage import VerifyOptions, verify
from tests.apps.customs.models import Custom, Hopeless, Money, Pointing, Stubborn
from tests.apps.customs.models import Keyed as KeyedByCode
from tests.apps.everyfield.models import ContentTypeNote, Everything
from tests.apps.hidden.models import Ghost, House, Poltergeist, Stay
from tests.apps.naturals.models import (
    Computed,
    Keyed,
    LookedUpFolded,
    Nested,
    Optional,
    Pointer,
    Repeated,
    SoftlyDeleted,
    Unique,
)
from tests.dumping import Dumped


def natural_keys():
    red, blue = (Unique.objects.create(slug=slug) for slug in ("red", "blue"))
    Pointer.objects.create(
        unique=blue,
        by_slug=red,
        loose_id=404,
        proxied_id=blue.pk,
        repeated=[Repeated.objects.create(slug="same") for _ in range(2)][1],
        optional=Optional.objects.create(slug=None),
        deleted=SoftlyDeleted.objects.create(slug="gone", deleted=True),
        folded=LookedUpFolded.objects.create(slug="Red"),
        computed=Computed.objects.create(slug="red", kind=blue),
        nested=Nested.objects.create(kind=blue, number=3),
        keyed=Keyed.objects.create(owner=red),
    ).many.add(red, blue)


def hidden_rows():
    house = House.objects.create(number=21, secret="cellar")
    ghost = Ghost.everything.create(name="Boo", hidden=True)
    Poltergeist.everything.create(name="Bang", noise=9, hidden=True)
    House.ghosts.through.objects.create(house=house, ghost=ghost)
    Stay.objects.create(house=house, note="wet")


def custom_fields():
    Custom.objects.create(words=["a", "b c"], money=Money(-1))


def altered_by_stock_loaddata():
    """Values that the fields' own code does not bring back: they travel as they are stored."""
    Custom.objects.create(rotated="secret")
    Hopeless.objects.create(hashed="abc", picky="good")
    Stubborn.objects.create(name="x")
    Pointing.objects.create(to=KeyedByCode.objects.create(key="a"))
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE customs_stubborn SET other = NULL, file = NULL")
        cursor.execute("UPDATE customs_hopeless SET picky = 'spoilt'")


def nulls_and_lent_keys():
    Everything.objects.bulk_create([Everything(json={"a": [1]}), Everything()])
    Everything.objects.filter(pk=2).update(json=None)
    ContentTypeNote.objects.create(
        content_type=ContentType.objects.get_for_model(Group), text="groups"
    )


@pytest.mark.parametrize("natural_keys_option", ["auto", "none"])
@pytest.mark.parametrize("loader", ["fast", "stock"])
def test_every_hazard_arrives_and_is_verified(endpoints, tmp_path, loader, natural_keys_option):
    for make in (natural_keys, hidden_rows, custom_fields, nulls_and_lent_keys):
        make()
    if loader == "fast":
        altered_by_stock_loaddata()
    dumped = Dumped(tmp_path / "run", endpoints.source)
    result = dumped(natural_keys=natural_keys_option)

    schemas = dumped.manifest.schemas()

    def none_found(label: str, keys: Iterable[Any]) -> set[Any]:
        return set()

    arranged = arrange(dumped.directory, schemas, in_target=none_found)
    loaded = load(dumped.directory, endpoints, LoadOptions(loader=loader, workers=1), ignore)
    manifest = read_manifest(dumped.directory)
    verified = verify(endpoints, VerifyOptions(workers=1), ignore, manifest)

    assert arranged.objects == result.objects
    assert sum(loaded.models.values()) == result.objects
    differences = [d for model in verified.models for d in model.differences]
    assert differences == []
    assert verified.findings == ()
    assert verified.ok
