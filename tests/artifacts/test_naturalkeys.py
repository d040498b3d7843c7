"""Natural keys read out of objects, without a database."""

import pytest

from fixturepipe.artifacts.manifest import ModelSchema, Reference
from fixturepipe.artifacts.naturalkeys import NaturalKeys

SCHEMAS = {
    "shop.country": ModelSchema("shop.country", "country", "id", ("code",), natural_key=("code",)),
    "shop.city": ModelSchema(
        "shop.city",
        "city",
        "id",
        ("name", "country"),
        (Reference("country", "shop.country", "pk"),),
        natural_key=("name", "country__code"),
    ),
    # Its name is a field of the parent.
    "shop.capital": ModelSchema(
        "shop.capital",
        "capital",
        "city_ptr",
        ("since",),
        (Reference("pk", "shop.city", "pk", parent=True),),
        natural_key=("name",),
    ),
    "shop.mayor": ModelSchema(
        "shop.mayor",
        "mayor",
        "city",
        (),
        (Reference("pk", "shop.city", "pk"),),
        natural_key=("city_id",),
    ),
}
OTHERS = {
    ("shop.country", 1): (1, {"code": "fr"}),
    ("shop.city", 7): (7, {"name": "Paris", "country": 1}),
}


@pytest.mark.parametrize(
    ("label", "pk", "fields", "key"),
    [
        ("shop.country", 1, {"code": "fr"}, ["fr"]),
        ("shop.country", 1, {}, None),
        ("shop.city", 7, {"name": "Paris", "country": ["fr"]}, ["Paris", "fr"]),
        ("shop.city", 7, {"name": "Paris", "country": ["fr", "x"]}, None),
        ("shop.city", 7, {"name": "Paris", "country": None}, None),
        ("shop.mayor", 7, {}, [7]),
        ("shop.mayor", None, {}, None),
    ],
)
def test_a_natural_key_is_read_off_the_fields(label, pk, fields, key):
    assert NaturalKeys(SCHEMAS.__getitem__).of(label, pk, fields) == key


@pytest.mark.parametrize(
    ("label", "pk", "fields", "key"),
    [
        ("shop.city", 7, {"name": "Paris", "country": 1}, ["Paris", "fr"]),
        ("shop.city", 7, {"name": "Paris", "country": 2}, None),
        ("shop.capital", 7, {"since": 987}, ["Paris"]),
    ],
)
def test_a_part_in_another_object_is_found_if_that_object_is_known(label, pk, fields, key):
    keys = NaturalKeys(SCHEMAS.__getitem__)
    assert keys.of(label, pk, fields) is None
    assert keys.of(label, pk, fields, lambda other, to: OTHERS.get((other, to))) == key
