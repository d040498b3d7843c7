"""Nothing is left out of a dump without being named: rows, links, tables, fields."""

import pytest
from django.apps import apps
from django.db import connections

from fixturepipe.databases.endpoints import TARGET
from fixturepipe.errors import UsageError
from tests.apps.hidden.models import Ghost, House, Poltergeist, Stay
from tests.django_versions import needs_composite_keys
from tests.dumping import Dumped, noted_queries, rows

LINKS = {
    "ghosts": House.ghosts.through,
    "next_to": House.next_to.through,
}


@pytest.fixture
def haunted(source):
    """A house with a ghost that is hidden and one that is not."""
    house = House.objects.create(number=21, secret="cellar")
    ghosts = [
        Ghost.everything.create(name="Boo", hidden=True),
        Ghost.everything.create(name="Casper"),
    ]
    LINKS["ghosts"].objects.bulk_create(
        [LINKS["ghosts"](house=house, ghost=ghost) for ghost in ghosts]
    )
    return house


def execute(statement, alias="default"):
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)


def test_rows_that_every_manager_hides_are_dumped(haunted, dumped):
    dumped("hidden.ghost")
    assert [each["fields"]["name"] for each in dumped.objects("hidden.ghost")] == ["Boo", "Casper"]


def test_links_are_rows_of_their_own_with_their_keys_and_hidden_ends(haunted, dumped):
    dumped("hidden")
    assert [each["pk"] for each in dumped.objects("hidden.house_ghosts")] == [1, 2]
    assert not any("ghosts" in each["fields"] for each in dumped.objects("hidden.house"))


def test_a_symmetrical_link_in_one_direction_stays_one(haunted, dumped):
    other = House.objects.create()
    LINKS["next_to"].objects.create(from_house=haunted, to_house=other)
    dumped("hidden")
    links = dumped.fields("hidden.house_next_to")
    assert links == {1: {"from_house": haunted.pk, "to_house": other.pk}}


def test_a_child_table_holds_its_own_columns_and_the_parent_table_the_others(source, dumped):
    child = Poltergeist.everything.create(name="Bang", noise=9, hidden=True)
    dumped("hidden")
    assert dumped.fields("hidden.poltergeist") == {child.pk: {"noise": 9}}
    assert dumped.fields("hidden.ghost") == {child.pk: {"hidden": True, "name": "Bang"}}


def test_a_proxy_is_not_dumped_in_addition_to_its_model(haunted, dumped):
    result = dumped("hidden")
    assert "hidden.ghostproxy" not in result.models
    assert result.models["hidden.ghost"] == 2


def test_fields_that_are_not_to_be_serialized_are_and_generated_ones_are_not(haunted, dumped):
    dumped("hidden.house")
    (fields,) = dumped.fields("hidden.house").values()
    assert fields["secret"] == "cellar"
    assert "doubled" not in fields


@needs_composite_keys
def test_a_composite_key_is_a_list_and_its_columns_are_fields(haunted, dumped):
    stay = Stay.objects.create(house=haunted, note="wet")
    dumped("hidden.stay")
    (found,) = dumped.objects("hidden.stay")
    assert found["pk"] == [haunted.pk, str(stay.number)]
    assert found["fields"] == {"house": haunted.pk, "number": str(stay.number), "note": "wet"}


def test_an_unmanaged_table_is_dumped_and_a_model_without_a_table_is_named(source, dumped):
    execute("CREATE TABLE hidden_legacy (id integer PRIMARY KEY, name varchar(20))")
    execute("INSERT INTO hidden_legacy VALUES (7, 'old')")
    result = dumped("hidden")
    assert dumped.fields("hidden.legacy") == {7: {"name": "old"}}
    left_out = {each.name: each.reason for each in result.not_covered}
    assert left_out["hidden.elsewhere"] == "it has no table (hidden_elsewhere) in this database"


def test_a_table_that_no_model_has_is_named(source, dumped):
    execute("CREATE TABLE forgotten (id integer)")
    left_out = {each.name: each.reason for each in dumped().not_covered}
    assert left_out["forgotten"] == "no model has this table"
    assert {each.name for each in dumped.manifest.not_covered} == left_out.keys()


def test_every_model_with_a_table_is_dumped_or_named(source, dumped):
    result = dumped(exclude=("auth.group", "sessions"))
    left_out = {each.name for each in result.not_covered}
    everything = {
        model._meta.label_lower
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
    }
    assert everything == result.models.keys() | (left_out & everything)
    assert {"auth.group", "sessions.session"} <= left_out


@pytest.mark.parametrize("label", ["nowhere", "hidden.nobody", "hidden.ghost.name"])
def test_a_label_that_names_nothing_is_refused(source, dumped, label):
    with pytest.raises(UsageError):
        dumped(label)
    with pytest.raises(UsageError):
        dumped(exclude=(label,))


def test_the_highest_key_ever_given_is_remembered(source, dumped):
    Ghost.everything.create(pk=1000, name="gone").delete()
    dumped("hidden")
    assert dumped.manifest.sequences["hidden_ghost"] == 1000


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(source, dumped):
    def queries_with(houses):
        for _ in range(houses):
            Stay.objects.create(house=House.objects.create())
        with noted_queries() as queries:
            dumped("hidden")
        assert sum("hidden_stay" in query for query in queries) > 0
        return len(queries)

    assert queries_with(3) == queries_with(300)


def test_stock_loaddata_of_all_dumps_leaves_the_same_rows(endpoints, haunted, tmp_path):
    other = House.objects.create(secret="attic", number=-4)
    LINKS["next_to"].objects.create(from_house=haunted, to_house=other)
    Poltergeist.everything.create(name="Bang", noise=9, hidden=True)
    Stay.objects.create(house=other, note="dry")
    House.objects.update(changed="2001-02-03T04:05:06.789012Z")
    dumped = Dumped(tmp_path / "run", endpoints.source)

    dumped(exclude=("hidden.legacy",))
    dumped.load(endpoints, "contenttypes", "auth", "hidden")

    for model in (Ghost, Poltergeist, House, Stay, *LINKS.values()):
        assert rows(model, TARGET) == rows(model, "default") != []
