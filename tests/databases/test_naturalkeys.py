"""Which references use the natural key: where the data prove it; elsewhere a warning says why not.

natural_key()  ──▶ fields ──▶ unique? not null? not hidden? looked up by? ──▶ ["red"]
                      │                      no: a warning that names rows ──▶ 7
                      └▶ computed ──▶ every row looked up, up to a number
"""

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType

from fixturepipe.databases import keyproof
from fixturepipe.databases.endpoints import TARGET
from fixturepipe.databases.naturalkeys import natural_key_paths
from fixturepipe.dump import rowplan
from fixturepipe.errors import UsageError
from tests.apps.everyfield.models import ContentTypeNote
from tests.apps.naturals.models import (
    Computed,
    FoundWrong,
    Keyed,
    LookedUpFolded,
    Nested,
    Optional,
    Pointer,
    Repeated,
    SoftlyDeleted,
    Unique,
)
from tests.dumping import Dumped, noted_queries, rows


def pointer(dumped, **references):
    """The fields of a dumped pointer with these references, and the warnings."""
    Pointer.objects.create(**references)
    result = dumped("naturals")
    (fields,) = dumped.fields("naturals.pointer").values()
    return fields, [warning for warning in result.warnings if "naturals" in warning]


@pytest.mark.parametrize(
    ("model", "paths"),
    [
        (Unique, ("slug",)),
        (Nested, ("kind__slug", "number")),
        (Keyed, ("owner__slug",)),
        (Computed, ()),
        (Pointer, ()),
    ],
)
def test_the_fields_of_a_natural_key_are_found(source, model, paths):
    assert natural_key_paths(model) == paths


def test_a_unique_key_that_is_found_again_is_used(dumped):
    red = Unique.objects.create(slug="red")
    fields, warnings = pointer(dumped, unique=red)
    assert fields["unique"] == ["red"]
    assert warnings == []
    assert "naturals.unique" in dumped.manifest.natural_references


def test_links_go_by_natural_key_too(dumped):
    red = Unique.objects.create(slug="red")
    Pointer.objects.create().many.add(red)
    dumped("naturals")
    (link,) = dumped.fields("naturals.pointer_many").values()
    assert link["unique"] == ["red"]


def test_primary_keys_are_kept(dumped):
    red = Unique.objects.create(pk=77, slug="red")
    pointer(dumped, unique=red)
    assert list(dumped.fields("naturals.unique")) == [77]


def test_a_reference_by_to_field_goes_by_natural_key(dumped):
    Unique.objects.create(slug="red")
    fields, _ = pointer(dumped, by_slug_id="red")
    assert fields["by_slug"] == ["red"]


def test_a_proxy_is_referred_to_as_its_model_is(dumped):
    red = Unique.objects.create(slug="red")
    fields, _ = pointer(dumped, proxied_id=red.pk)
    assert fields["proxied"] == ["red"]


def test_an_unconstrained_reference_to_nothing_stays_as_it_is(dumped):
    Unique.objects.create(slug="red")
    fields, _ = pointer(dumped, loose_id=404)
    assert fields["loose"] == 404


def test_a_key_through_another_and_one_whose_primary_key_is_a_reference_are_used(dumped):
    red = Unique.objects.create(slug="red")
    nested = Nested.objects.create(kind=red, number=3)
    fields, _ = pointer(dumped, nested=nested, keyed=Keyed.objects.create(owner=red))
    assert fields["nested"] == ["red", 3]
    assert fields["keyed"] == ["red"]


def test_two_rows_with_one_key_are_named_and_referred_to_by_primary_key(dumped):
    first, second = (Repeated.objects.create(slug="red") for _ in range(2))
    fields, warnings = pointer(dumped, repeated=second)
    assert fields["repeated"] == second.pk
    assert warnings == [
        "References to naturals.repeated use the primary key, not the natural key: "
        f"rows {first.pk} and {second.pk} have the same natural key"
    ]


@pytest.mark.parametrize("pair", [("Red", "red"), ("ete", "été"), ("red", "red "), ("💙", "💚")])
def test_two_keys_that_a_server_may_take_for_one_are_not_used(dumped, pair):
    rows = [Repeated.objects.create(slug=slug) for slug in pair]
    fields, (warning,) = pointer(dumped, repeated=rows[1])
    assert fields["repeated"] == rows[1].pk
    assert "may see as equal" in warning
    assert f"rows {rows[0].pk} and {rows[1].pk}" in warning


def test_a_key_that_is_null_is_not_used(dumped):
    row = Optional.objects.create(slug=None)
    fields, (warning,) = pointer(dumped, optional=row)
    assert fields["optional"] == row.pk
    assert f"row {row.pk}: part of the natural key is NULL" in warning


def test_a_key_whose_row_the_default_manager_hides_is_not_used(dumped):
    SoftlyDeleted.objects.create(slug="red")
    gone = SoftlyDeleted.objects.create(slug="blue", deleted=True)
    fields, (warning,) = pointer(dumped, deleted=gone)
    assert fields["deleted"] == gone.pk
    assert f"its default manager hides row {gone.pk}" in warning


def test_a_soft_delete_that_hides_nothing_does_not_matter(dumped):
    row = SoftlyDeleted.objects.create(slug="red")
    fields, warnings = pointer(dumped, deleted=row)
    assert fields["deleted"] == ["red"]
    assert warnings == []


def test_a_look_up_that_finds_another_row_is_not_used(dumped):
    FoundWrong.objects.create(slug="red")
    second = FoundWrong.objects.create(slug="blue")
    fields, (warning,) = pointer(dumped, wrong=second)
    assert fields["wrong"] == second.pk
    assert "rows 1 and 2 are found by the same natural key" in warning


def test_another_look_up_is_used_where_it_finds_every_row(dumped):
    row = LookedUpFolded.objects.create(slug="red")
    assert pointer(dumped, folded=row)[0]["folded"] == ["red"]


def test_another_look_up_is_not_used_where_there_are_too_many_rows_to_ask(dumped, monkeypatch):
    monkeypatch.setattr(keyproof, "LOOKED_UP", 1)
    row = LookedUpFolded.objects.create(slug="red")
    LookedUpFolded.objects.create(slug="blue")
    fields, (warning,) = pointer(dumped, folded=row)
    assert fields["folded"] == row.pk
    assert "only tables of up to 1 rows" in warning


def test_a_computed_key_is_used_where_every_row_is_found_by_it(dumped):
    row = Computed.objects.create(slug="red")
    fields, _ = pointer(dumped, computed=row)
    assert fields["computed"] == ["The red"]


def test_computed_keys_cost_no_query_for_each_object(dumped):
    kind = Unique.objects.create(slug="kind")
    for n in range(30):
        row = Computed.objects.create(slug=f"row {n}", kind=kind)
        Pointer.objects.create(computed=row)
    with noted_queries() as queries:
        dumped("naturals", natural_keys="all")
    asked = [query for query in queries if "naturals_computed" in query]
    assert dumped.fields("naturals.pointer")[30]["computed"] == ["The row 29"]
    assert len(asked) < 10


def test_none_writes_primary_keys_but_for_content_types_and_permissions(dumped):
    red = Unique.objects.create(slug="red")
    Pointer.objects.create(unique=red)
    dumped("naturals", "auth", "contenttypes", natural_keys="none")
    assert dumped.fields("naturals.pointer")[1]["unique"] == red.pk
    permission = dumped.objects("auth.permission")[0]
    assert "pk" not in permission
    assert permission["fields"]["content_type"][0] in ("auth", "contenttypes", "naturals")
    assert "pk" not in dumped.objects("contenttypes.contenttype")[0]


def test_all_takes_a_key_that_is_not_proven(dumped):
    rows = [Repeated.objects.create(slug="red") for _ in range(2)]
    Pointer.objects.create(repeated=rows[0])
    result = dumped("naturals", natural_keys="all")
    assert dumped.fields("naturals.pointer")[1]["repeated"] == ["red"]
    assert result.warnings == ()


def test_labels_choose_the_models(dumped):
    red = Unique.objects.create(slug="red")
    nested = Nested.objects.create(kind=red, number=1)
    Pointer.objects.create(unique=red, nested=nested)
    dumped("naturals", natural_keys="naturals.Nested")
    fields = dumped.fields("naturals.pointer")[1]
    assert (fields["unique"], fields["nested"]) == (red.pk, ["red", 1])


@pytest.mark.parametrize("label", ["sometimes", "naturals.nobody", "naturals.pointer"])
def test_a_label_without_a_natural_key_is_refused(dumped, label):
    with pytest.raises(UsageError, match="--natural-keys"):
        dumped("naturals", natural_keys=label)


def test_stock_loaddata_finds_every_row_again(endpoints, tmp_path):
    red, blue = (Unique.objects.create(slug=slug) for slug in ("red", "blue"))
    Repeated.objects.create(slug="same")
    Pointer.objects.create(
        unique=blue,
        by_slug=red,
        loose_id=red.pk,
        proxied_id=blue.pk,
        repeated=Repeated.objects.create(slug="same"),
        optional=Optional.objects.create(slug=None),
        deleted=SoftlyDeleted.objects.create(slug="gone", deleted=True),
        folded=LookedUpFolded.objects.create(slug="Red"),
        computed=Computed.objects.create(slug="red", kind=blue),
        nested=Nested.objects.create(kind=blue, number=3),
        keyed=Keyed.objects.create(owner=red),
    ).many.add(red, blue)
    dumped = Dumped(tmp_path / "run", endpoints.source)

    dumped("naturals")
    dumped.load(endpoints, "naturals")

    for model in (Unique, Repeated, Optional, SoftlyDeleted, Nested, Keyed, Pointer):
        assert rows(model, TARGET) == rows(model, "default") != []
    through = Pointer.many.through
    assert rows(through, TARGET) == rows(through, "default") != []


def test_a_key_that_is_a_content_types_follows_it(endpoints, tmp_path):
    """The target allocates keys of content types itself: the fixture must not hold the old ones."""
    group = ContentType.objects.get_for_model(Group)
    ContentTypeNote.objects.create(content_type=group, text="groups")
    theirs = ContentType.objects.using(TARGET).get(app_label="auth", model="group")
    ContentType.objects.using(TARGET).filter(pk=theirs.pk).delete()
    theirs.pk = 4_000
    theirs.save(using=TARGET)
    dumped = Dumped(tmp_path / "run", endpoints.source)

    dumped("contenttypes", "everyfield.contenttypenote")
    dumped.load(endpoints, "contenttypes", "everyfield")

    assert rows(ContentTypeNote, TARGET) == [(4_000, "groups")]


def test_natural_keys_cost_no_query_for_each_object(dumped):
    def queries_with(pointers):
        for _ in range(pointers):
            row = Unique.objects.create(slug=f"row {Unique.objects.count()}")
            Pointer.objects.create(unique=row, nested=Nested.objects.create(kind=row, number=1))
        with noted_queries() as queries:
            dumped("naturals")
        assert dumped.fields("naturals.pointer")[1]["nested"] == ["row 0", 1]
        return len(queries)

    assert queries_with(3) == queries_with(300)


def test_more_references_than_a_database_joins_are_looked_up(dumped, monkeypatch):
    monkeypatch.setattr(rowplan, "MOST_TABLES", rowplan.MOST_JOINED + 2)
    red = Unique.objects.create(slug="red")
    nested = Nested.objects.create(kind=red, number=3)
    fields, _ = pointer(dumped, unique=red, proxied_id=red.pk, by_slug=red, nested=nested)
    assert (fields["unique"], fields["proxied"], fields["by_slug"]) == (["red"],) * 3
    assert fields["nested"] == ["red", 3]
