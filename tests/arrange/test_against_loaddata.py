"""Every chunk loads alone, in number order, with Django's own loaddata on a real server."""

import datetime
import decimal
import json
import random
import uuid
from collections import defaultdict
from io import StringIO
from itertools import pairwise

import pytest
from django.apps import apps
from django.core import serializers
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixturepipe.arrange.stage import ArrangeOptions, arrange
from fixturepipe.databases.endpoints import Endpoints
from fixturepipe.databases.fields import has_composite_key
from fixturepipe.databases.introspection import project_schemas
from fixturepipe.databases.keyvalues import key_reader
from fixturepipe.errors import FixtureError
from fixturepipe.events import ignore
from fixturepipe.verify.stage import VerifyOptions, verify
from tests.apps.loading.models import Seat
from tests.apps.naturals.models import Pointer, Unique
from tests.apps.regress import models as r
from tests.apps.trees.models import Folder, Listed, Nested, Pathed
from tests.arranging import Arranged, a, arranged, counted, forward_references
from tests.dumping import Dumped

MODELS = {schema.label: schema for schema in project_schemas()}


@pytest.fixture
def on_target(source, target):
    """The ORM's "default" is the target in the test."""
    with Endpoints("default", source, target).bound_to_target():
        yield


def load(found):
    """Load each chunk with Django's loaddata, one call a chunk."""
    for chunk in found.chunks:
        call_command("loaddata", found.directory.path / chunk.file, verbosity=0)


def rows(label):
    """A model's rows in the target by primary key; foreign keys as the columns hold them."""
    model = apps.get_model(label)
    manager = model._base_manager
    return {row.pop(model._meta.pk.attname): row for row in manager.values()}


def empty(labels):
    """Take out all rows of these models."""
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for label in labels:
            cursor.execute(f"DELETE FROM {apps.get_model(label)._meta.db_table}")


KNOTS = [label for label in MODELS if label.startswith("knots.")]


class Knots:
    """Random rows for the knots, as objects of a fixture.

    References are written by natural key where that is drawn and the model has one.
    """

    def __init__(self, draw):
        self.draw = draw
        self.objects = []
        self.named = draw(st.booleans())

    def some(self, most=6):
        return range(1, self.draw(st.integers(0, most)) + 1)

    def one_of(self, keys):
        return self.draw(st.sampled_from(list(keys)))

    def maybe(self, keys):
        return self.draw(st.sampled_from([None, *keys]))

    def area(self, pk):
        return [f"area {pk}"] if self.named and pk is not None else pk

    def make(self):
        self.areas()
        self.farm()
        self.library()
        self.plates()
        return self.draw(st.permutations(self.objects))

    def areas(self):
        self.area_keys = keys = self.some()
        for pk in keys:
            parent, peer = self.area(self.maybe(keys)), self.area(self.maybe(keys))
            self.objects.append(a("knots.area", pk, name=f"area {pk}", parent=parent, peer=peer))

    def farm(self):
        if keys := self.some(4):
            for pk in keys:
                self.objects.append(a("knots.hen", pk, egg=self.one_of(keys)))
                self.objects.append(a("knots.egg", pk, hen=self.one_of(keys)))

    def library(self):
        authors = self.some(4)
        books = self.some() if authors else ()
        owners = {pk: self.one_of(authors) for pk in books}
        for pk in authors:
            best = self.maybe(books)
            if self.named and best is not None:
                best = [f"book {best}", f"author {owners[best]}"]
            home = self.area(self.maybe(self.area_keys))
            self.objects.append(a("knots.author", pk, name=f"author {pk}", best=best, home=home))
        novels = [pk for pk in books if self.draw(st.booleans())]
        links = 0
        for pk, owner in owners.items():
            author = [f"author {owner}"] if self.named else owner
            self.objects.append(a("knots.book", pk, title=f"book {pk}", author=author))
            if self.area_keys and self.draw(st.booleans()):
                links += 1
                area = self.area(self.one_of(self.area_keys))
                self.objects.append(a("knots.book_areas", links, book=pk, area=area))
        for pk in novels:
            self.objects.append(a("knots.novel", pk, sequel_to=self.maybe(novels)))

    def plates(self):
        keys = [f"00000000-0000-4000-8000-00000000000{n}" for n in self.some()]
        for key in keys:
            after = self.maybe(keys)
            after = after and f"number {after[-1]}"
            self.objects.append(a("knots.plate", key, number=f"number {key[-1]}", next=after))
        screws = [key for key in keys if self.draw(st.booleans())]
        for key in screws:
            self.objects.append(a("knots.screw", key, neighbor=self.maybe(screws)))


@st.composite
def knots(draw):
    return Knots(draw).make()


def plain(objects):
    """Objects with primary keys for natural ones, as the rows must be: label, pk, columns."""
    by_natural_key = {}
    for each in objects:
        fields = each["fields"]
        if each["model"] in ("knots.area", "knots.author"):
            by_natural_key[each["model"], fields["name"]] = each["pk"]
        elif each["model"] == "knots.book":
            by_natural_key[each["model"], fields["title"]] = each["pk"]
    found = defaultdict(dict)
    for each in objects:
        references = {r.field: r for r in MODELS[each["model"]].references}
        columns = {}
        for name, value in each["fields"].items():
            if isinstance(value, list):
                value = by_natural_key[references[name].model, value[0]]
            columns[f"{name}_id" if name in references else name] = value
        found[each["model"]][str(each["pk"])] = columns
    return dict(found)


def complete(found):
    """The objects of an arrangement, each once and whole."""
    whole = {}
    for chunk, content in zip(found.chunks, found.contents(), strict=True):
        for each in content:
            key = (each["model"], str(each["pk"]))
            assert (key in whole) == chunk.second_pass
            whole[key] = each
    return list(whole.values())


@given(objects=knots(), limit=st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_random_rows_come_out_whole_and_in_order(tmp_path_factory, objects, limit):
    tmp_path = tmp_path_factory.mktemp("knots")
    found = arranged(tmp_path / "one", MODELS, objects, chunk_objects=limit)
    again = arranged(tmp_path / "two", MODELS, objects, chunk_objects=limit)
    assert found.result.problems == []
    assert plain(complete(found)) == plain(objects)
    assert forward_references(MODELS, found.contents()) == []
    assert [c.sha256 for c in again.chunks] == [c.sha256 for c in found.chunks]
    for chunk in found.chunks:
        assert chunk.objects <= limit or chunk.cyclic
        assert all(last < chunk.number for _, last in chunk.after)


@given(objects=knots(), limit=st.integers(1, 8))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_rows_load_chunk_by_chunk(tmp_path_factory, on_target, objects, limit):
    empty(KNOTS)
    found = arranged(tmp_path_factory.mktemp("knots"), MODELS, objects, chunk_objects=limit)
    load(found)
    for label, expected in plain(objects).items():
        got = {str(pk): row for pk, row in rows(label).items()}
        assert got.keys() == expected.keys()
        for pk, columns in expected.items():
            assert {name: str(got[pk][name]) for name in columns} == {
                name: str(value) for name, value in columns.items()
            }


def dumped(queryset, **options):
    """What Django's own serializer makes of rows, in the worst order."""
    objects = json.loads(serializers.serialize("json", queryset, **options))
    objects.reverse()
    return objects


def test_the_many_to_many_lists_of_stock_dumpdata_load(tmp_path, on_target):
    objects = [
        *(a("knots.person", pk, friends=[2] if pk != 2 else [1, 3, 4]) for pk in (1, 2, 3, 4)),
        a("knots.author", 1, name="Ann", best=None, home=None),
        a("knots.area", 1, name="North", parent=None, peer=None),
        a("knots.book", 1, title="One", author=["Ann"], areas=[["North"]]),
    ]
    load(arranged(tmp_path, MODELS, objects, chunk_objects=2))
    person, book = apps.get_model("knots.person"), apps.get_model("knots.book")
    friends = {each.pk: sorted(f.pk for f in each.friends.all()) for each in person.objects.all()}
    assert friends == {1: [2], 2: [1, 3, 4], 3: [2], 4: [2]}
    assert [area.name for area in book.objects.get().areas.all()] == ["North"]


def test_a_proxys_objects_load_and_are_equal(tmp_path, source, target):
    Unique.objects.create(pk=1, slug="red")
    Unique.objects.create(pk=2, slug="blue")
    expected = rows("naturals.unique")
    objects = dumped(Unique.objects.order_by("pk"))
    objects[0]["model"] = "naturals.uniqueproxy"
    pointer = a("naturals.pointer", 1, unique=["blue"], proxied=1, many=[["red"]])
    found = arranged(tmp_path, MODELS, [pointer, *objects], chunk_objects=1)
    assert found.result.models["naturals.unique"] == 2
    with Endpoints("default", source, target).bound_to_target():
        load(found)
        assert rows("naturals.unique") == expected
        assert [each.slug for each in Pointer.objects.get().many.all()] == ["red"]


def regress():
    """Rows for each model of the regress app, through the ORM."""
    anchors = [r.Anchor.objects.create(data=f"a{n}", title=None) for n in range(5)]
    for anchor in anchors:
        r.ToAnchor.objects.create(anchor=anchor)
        r.OnAnchor.objects.create(anchor=anchor)
        r.Labelled.objects.create(data=f"labelled {anchor.pk}")
    r.ToAnchor.objects.create(anchor=None)
    things = [r.Thing.objects.create(data=f"t{n}") for n in range(8)]
    for before, thing, after in zip(things, things[1:], things[2:], strict=False):
        r.Thing.objects.filter(pk=before.pk).update(other=thing)
        thing.others.set([before, thing, after])
    children = [r.Child.objects.create(name="", data=f"c{n}") for n in range(4)]
    for child in children:
        r.ToChild.objects.create(child=child).children.set(children)
    lefts = [r.Left.objects.create(data=f"l{n}") for n in range(3)]
    rights = [r.Right.objects.create(data=f"r{n}") for n in range(3)]
    for left, right in zip(lefts, reversed(rights), strict=True):
        left.rights.set(rights)
        r.Between.objects.create(left=left, right=right, note=f"{left.data} {right.data}")
    before = None
    for number in range(9, 0, -1):
        anchor = anchors[number % 5]
        before = r.Numbered.objects.create(anchor=anchor, number=number, before=before)
    cycle()
    chains()


def cycle():
    """Three models, each of which has links to the next, and friends among the first."""
    firsts, seconds, thirds = (
        [model.objects.create(data=f"{model.__name__}{n}") for n in range(4)]
        for model in (r.First, r.Second, r.Third)
    )
    for n, (first, second, third) in enumerate(zip(firsts, seconds, thirds, strict=True)):
        r.FirstSecond.objects.create(data=f"fs{n}", first=first, second=seconds[n - 1])
        r.SecondThird.objects.create(data=f"st{n}", second=second, third=thirds[n - 1])
        r.ThirdFirst.objects.create(data=f"tf{n}", third=third, first=firsts[n - 1])
        first.fellows.set([firsts[n - 1]])
    r.Third.objects.filter(data__in=["Third1", "Third2"]).update(label="a1")


KEYS = {
    "byboolean": [False, True],
    "bydate": [datetime.date(1, 1, 1), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31)],
    "bymoment": [datetime.datetime(2024, 1, 1, 0, 0, 0, n * 1000, datetime.UTC) for n in range(4)],
    "bydecimal": [decimal.Decimal(text) for text in ("-1.500", "0.000", "123456789.125")],
    "byfloat": [1 / 3, -0.5, 1e300, 5e-324],
    "byaddress": ["10.0.0.1", "::1", "2001:db8::ff"],
    "byslug": ["01", "1", "red", "007"],
    "bytime": [datetime.time(0), datetime.time(23, 59, 59, 5000)],
    "byuuid": [uuid.UUID(int=n) for n in (0, 1, 2**127)],
    "bylarge": [-(2**63), 0, 2**63 - 1],
}


# Spellings of keys in a fixture; those of one list are one row for stock loaddata.
SPELLINGS = {
    "regress.bylarge": [[1, True, 1.0, "01", " 1", "1"], [10, "1_0"], [3, "٣"]],
    "regress.bydecimal": [[1, "1.00", 1.0], ["1.5", 1.5, "1.5000"]],
    "regress.byfloat": [[1, 1.0, "1e0"], [0.1, "0.1"]],
    "regress.bydate": [["2024-02-29", "2024-2-29"], ["2024-03-01"]],
    "regress.bymoment": [["2024-01-01T12:00:00Z", "2024-01-01T13:00:00+01:00"]],
    "regress.bytime": [["12:00:00", "12:00"], ["12:00:00.000001"]],
    "regress.byaddress": [["::1", "0:0:0:0:0:0:0:1"], ["10.0.0.1"]],
    "regress.byslug": [["5", 5], ["05"], ["True", True]],
    "regress.byuuid": [[str(uuid.UUID(int=1)), uuid.UUID(int=1).hex, 1]],
}


@pytest.mark.parametrize("label", SPELLINGS)
def test_keys_that_are_one_row_for_loaddata_are_refused_as_one(tmp_path, on_target, label):
    groups = SPELLINGS[label]
    path = tmp_path / "stock.json"
    path.write_text(json.dumps([a(label, key, next=None) for keys in groups for key in keys]))
    call_command("loaddata", path, verbosity=0)
    assert len(rows(label)) == len(groups)

    for number, (first, *others) in enumerate(groups):
        for other in others:
            objects = [a(label, first, next=None), a(label, other, next=None)]
            with pytest.raises(FixtureError, match="is already in object 1"):
                arranged(tmp_path / f"{number}", MODELS, objects, key_readers=key_reader)
    one_each = [a(label, keys[-1], next=keys[0]) for keys in groups]
    found = arranged(tmp_path / "all", MODELS, one_each, key_readers=key_reader)
    empty([label])
    load(found)
    assert len(rows(label)) == len(groups)


@pytest.mark.skipif(not has_composite_key(Seat), reason="Django 5.2 has composite keys")
def test_a_composite_key_is_one_however_its_parts_are_written(tmp_path, on_target):
    label, keys = "loading.seat", [["A", 1], ["A", "01"], '["A", "1"]']
    path = tmp_path / "stock.json"
    path.write_text(json.dumps([a(label, json.dumps(key), taken=True) for key in keys[:2]]))
    call_command("loaddata", path, verbosity=0)
    assert Seat.objects.count() == 1
    for number, key in enumerate(keys[1:]):
        objects = [a(label, keys[0], taken=True), a(label, key, taken=True)]
        with pytest.raises(FixtureError, match="is already in object 1"):
            arranged(tmp_path / f"{number}", MODELS, objects, key_readers=key_reader)


def test_ids_in_many_to_many_lists_are_one_row_as_for_loaddata(tmp_path, on_target):
    objects = [
        a("knots.person", 1, friends=[2, "2", "02", 3]),
        a("knots.person", 2, friends=["1", 1.0]),
        a("knots.person", "03", friends=[True, 1]),
    ]
    path = tmp_path / "stock.json"
    path.write_text(json.dumps(objects))
    person = apps.get_model("knots.person")

    def friends():
        return {each.pk: sorted(f.pk for f in each.friends.all()) for each in person.objects.all()}

    call_command("loaddata", path, verbosity=0)
    expected = friends()
    person.objects.all().delete()
    load(arranged(tmp_path, MODELS, objects, key_readers=key_reader))
    assert friends() == expected


def chains():
    """For each kind of primary key, a chain whose last row comes first by key."""
    for model in r.KEYED:
        keys = KEYS[model._meta.model_name]
        rows = [model.objects.create(key=key) for key in reversed(keys)]
        for row, following in pairwise(rows):
            model.objects.filter(key=row.key).update(next=following)
        rows[-1].save()


def stock_dump(**options):
    """What Django's dumpdata writes of the regress app."""
    text = StringIO()
    call_command("dumpdata", "regress", stdout=text, **options)
    return json.loads(text.getvalue())


def by_name():
    """All rows of the regress app, whatever keys they have and in whatever order."""
    objects = stock_dump(use_natural_foreign_keys=True, use_natural_primary_keys=True)
    for each in objects:
        for value in each["fields"].values():
            if isinstance(value, list):
                value.sort(key=str)
    return counted(objects)


@pytest.mark.parametrize(
    ("natural_foreign", "natural_primary"), [(False, False), (True, False), (True, True)]
)
def test_stock_dumps_by_natural_keys_load(
    tmp_path, source, target, natural_foreign, natural_primary
):
    regress()
    if natural_primary:
        # Nothing in such a dump says which anchor these are: the key is not written.
        r.OnAnchor.objects.all().delete()
    options = {
        "use_natural_foreign_keys": natural_foreign,
        "use_natural_primary_keys": natural_primary,
    }
    objects = stock_dump(**options)
    random.Random(3).shuffle(objects)
    found = arranged(tmp_path, MODELS, objects, chunk_objects=4)
    expected = by_name()
    with Endpoints("default", source, target).bound_to_target():
        load(found)
        assert by_name() == expected
    assert sum(expected.values()) > 50


def test_our_own_dump_of_natural_keys_loads_and_is_equal(tmp_path, source, target):
    """With microseconds in the keys, which stock dumpdata cuts."""
    regress()
    timestamp = datetime.datetime(2024, 1, 1, 0, 0, 0, 1, datetime.UTC)
    r.KEYED[2].objects.create(key=timestamp)
    ours = Dumped(tmp_path / "run", source)
    objects = ours("regress").objects
    manifest = ours.manifest
    result = arrange(ours.directory, manifest.schemas(), (), ArrangeOptions(chunk_objects=3))
    endpoints = Endpoints("default", source, target)
    with endpoints.bound_to_target():
        load(Arranged(ours.directory, result))
    endpoints.open()
    compared = verify(endpoints, VerifyOptions(workers=1), ignore, manifest)
    assert compared.differences == ()
    assert sum(m.equal for m in compared.models if m.model.startswith("regress.")) == objects
    assert objects > 150


def grown(model, parent, name):
    """A new node of a tree; older versions of treebeard have these methods on the model."""
    if model is Folder:
        return Folder.objects.create(name=name, parent=parent)
    if not hasattr(model.objects, "add_root"):
        return model.add_root(name=name) if parent is None else parent.add_child(name=name)
    if parent is None:
        return model.objects.add_root({"name": name})
    return model.objects.add_child(parent, {"name": name})


@pytest.mark.parametrize("model", [Folder, Listed, Pathed, Nested])
def test_trees_of_mptt_and_treebeard_load(tmp_path, source, target, model):
    dice = random.Random(5)
    nodes = []
    for number in range(60):
        parent = dice.choice([None, *nodes]) if nodes else None
        if parent is not None:
            parent.refresh_from_db()
        nodes.append(grown(model, parent, f"n{number}"))
    label = model._meta.label_lower
    expected = rows(label)
    found = arranged(tmp_path, MODELS, dumped(model.objects.order_by("pk")), chunk_objects=7)
    with Endpoints("default", source, target).bound_to_target():
        load(found)
        assert rows(label) == expected
    assert len(expected) == 60
