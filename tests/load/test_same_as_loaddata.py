"""The fast loader leaves the same rows as Django's loaddata, hazard by hazard."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixturepipe.databases.endpoints import Endpoint
from tests.django_versions import HAS_COMPOSITE_KEYS, HAS_DB_DEFAULTS
from tests.loading import Object, a, load_into, make_run, rows

PEOPLE = [
    a("person", 1, name="Ada", born="1815-12-10", deleted=False),
    a("person", 2, name="Ada", born="1990-01-01", deleted=False),
    a("person", 3, name="Bo", born="1815-12-10", deleted=False),
]

HAZARDS: dict[str, list[list[Object]]] = {
    "natural keys": [
        [a("shade", 1, slug="red"), a("shade", 2, slug="blue")],
        PEOPLE,
        [a("spot", 1, x=3, y=4), a("spot", 2, x=4, y=3)],
        [a("membership", 5, role="chair", person=["Ada", "1990-01-01"])],
        [
            a(
                "pointer",
                1,
                shade=["blue"],
                person=["Bo", "1815-12-10"],
                spot=["4:3"],
                membership=["chair", "Ada", "1990-01-01"],
                nowhere=77,
            ),
            a("pointer", 2, shade=1, person=None, spot=1, membership=5, nowhere=["red"]),
        ],
        [a("person_shades", 9, person=["Ada", "1815-12-10"], shade=["red"])],
    ],
    "lists of links": [
        [a("shade", 1, slug="red"), a("shade", 2, slug="blue")],
        [
            a("person", 1, name="Ada", born=None, deleted=False, shades=[["blue"], ["red"]]),
            a("person", 2, name="Bo", born=None, deleted=False, shades=[1]),
            a("person", 3, name="Cy", born=None, deleted=False, shades=[]),
        ],
    ],
    "multi-table inheritance": [
        [a("place", 1, name="p"), a("place", 2, name="r"), a("place", 3, name="z")],
        [a("restaurant", 2, stars=3), a("restaurant", 3, stars=1)],
        [a("pizzeria", 3, oven="stone")],
    ],
    "key 0": [[a("shade", 0, slug="zero"), a("shade", -5, slug="less")]],
    "automatic times": [
        [
            a(
                "stamped",
                1,
                made="2001-02-03T04:05:06.789012Z",
                changed="2001-02-03T04:05:06+02:00",
                day="2001-02-03",
            )
        ]
    ],
    "defaults": [
        [a("defaults", 1, name="a"), a("defaults", 2, name="b", python=1, database=2)],
        [a("defaults", 3, name="c", python=1, called="2001-01-01", database=3)],
    ],
    "composite keys": [
        [
            a("seat", ["A", 1], row="A", number=1, taken=True),
            a("seat", ["A", 2], row="A", number=2, taken=False),
        ]
    ],
    "references to another field": [
        [a("product", 1, number="x-1"), a("product", 2, number="X-2")],
        [a("stock", 1, product="x-1", count=3), a("stock", 2, product="X-2", count=4)],
    ],
    "references as keys": [PEOPLE, [a("passport", 2, number="P2"), a("passport", 3, number="P")]],
    "custom fields": [
        [a("custom", 1, words="one two", loud="HEAR"), a("custom", 2, words="", loud="Ä")]
    ],
    "odd names": [[a("odd", "it's 100% \\", share=5), a("odd", "🦉", share=-1)]],
    "JSON": [
        [
            a("document", 1, content={"a": [1, 2.5, None, "x"]}, required=[]),
            a("document", 2, content=None, required={"n": 123456789012345678901234567890}),
            a("document", 3, content="text", required=0),
            a("document", 4, content=False, required=1e-7),
        ]
    ],
    "an object that comes twice": [
        [a("shade", 1, slug="first"), a("shade", 2, slug="x"), a("shade", 1, slug="second")],
    ],
    "objects without a key": [
        [a("shade", None, slug="red"), a("shade", None, slug="blue")],
        [a("pointer", 1, shade=["blue"])],
        [a("product", None, number="n")],
    ],
    "content types and permissions": [
        [
            a("contenttypes.contenttype", None, app_label="loading", model="shade"),
            a("contenttypes.contenttype", None, app_label="gone", model="thing"),
        ],
        [
            a(
                "auth.permission",
                None,
                name="Renamed",
                content_type=["loading", "shade"],
                codename="add_shade",
            ),
            a(
                "auth.permission",
                None,
                name="Of its own",
                content_type=["gone", "thing"],
                codename="own",
            ),
        ],
    ],
    "cycles": [
        [a("hen", 1, egg=2), a("egg", 1, hen=1), a("egg", 2, hen=2), a("hen", 2, egg=1)],
    ],
    "references to later objects": [
        [
            a("node", 1, slug="leaf", parent=2),
            a("node", 2, slug="root", parent=None),
        ]
    ],
    "texts": [
        [
            a("shade", n, slug=text)
            for n, text in enumerate(
                ["", "'", "\\", "\\'", "%s", "\x1f", "a\x1fb", "\x00", "\n\r\x1a", "ß🦉", "NULL"]
            )
        ]
    ],
}
if not HAS_COMPOSITE_KEYS:
    del HAZARDS["composite keys"]
if not HAS_DB_DEFAULTS:
    del HAZARDS["defaults"]


@pytest.mark.parametrize("hazard", HAZARDS)
def test_fast_and_stock_leave_the_same_rows(
    hazard: str, tmp_path: Path, source: Endpoint, shared_target: Endpoint, second_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", *HAZARDS[hazard], cyclic=[1] * (hazard == "cycles"))
    load_into(shared_target, source, directory)
    load_into(second_target, source, directory, loader="stock")
    fast, stock = rows(shared_target), rows(second_target)
    for label in {**fast, **stock}:
        assert fast.get(label) == stock.get(label), label
    assert fast
