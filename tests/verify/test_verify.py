"""verify names each difference that is planted in a real target, and nothing else."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction

from fixturepipe.artifacts.accounts import Accounts
from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoint, Endpoints
from fixturepipe.databases.introspection import schema_of
from fixturepipe.errors import ConfigurationError, UsageError
from fixturepipe.events import Event, StageAdvanced, StageFinished, StageStarted, ignore
from fixturepipe.verify.comparison import Difference
from fixturepipe.verify.stage import VerifyOptions, VerifyResult, verify
from tests import servers
from tests.apps.everyfield.models import ByText, ByUUID, ContentTypeNote, Everything, Remark
from tests.conftest import migrated_pair

UTC = datetime.UTC
VALUES: dict[str, Any] = {
    "big": 2**62,
    "binary": b"\x00\xff",
    "boolean": True,
    "char": "Straße 😀",
    "date": datetime.date(2020, 2, 29),
    "timestamp": datetime.datetime(2020, 2, 29, 1, 2, 3, 456789, UTC),
    "decimal": decimal.Decimal("12.3400"),
    "duration": datetime.timedelta(days=3, microseconds=1),
    "email": "a@example.com",
    "file": "a/b.txt",
    "float": 0.1,
    "ip": "::1",
    "integer": -5,
    "json": {"a": [1, 1.5, True, None], "b": "ü"},
    "positive": 7,
    "slug": "a-b",
    "small": 3,
    "text": "line\nline",
    "time": datetime.time(1, 2, 3, 4),
    "url": "https://example.com/",
    "uuid": uuid.UUID(int=1),
}
KEYS = [uuid.UUID(int=n << 64) for n in range(1, 6)]
SEEN = datetime.datetime(2021, 1, 1, tzinfo=UTC)


def fill(alias: str) -> None:
    """The same rows at either end; what points at content types has that end's ids."""
    types = ContentType.objects.using(alias)
    group_type = types.get(app_label="auth", model="group")
    Everything.objects.using(alias).bulk_create(
        [Everything(id=n, **VALUES) for n in (1, 2, 3)]
        + [Everything(id=1000), Everything(id=2000, json={"a": 1}, float=1.0, boolean=False)]
    )
    ByText.objects.using(alias).bulk_create(
        [ByText(name=name, value=n) for n, name in enumerate(["a", "Ö", "b", "Z", "zz top"])]
    )
    ByUUID.objects.using(alias).bulk_create([ByUUID(id=key, value=1) for key in KEYS])
    ByUUID.objects.using(alias).update(parent=KEYS[0], seen=SEEN)
    remark = Remark(id=1, content_type=group_type, object_id="1")
    about_type = Remark(
        id=2,
        content_type=types.get(app_label="contenttypes", model="contenttype"),
        object_id=str(group_type.pk),
    )
    Remark.objects.using(alias).bulk_create([remark, about_type])
    Remark.labels.through.objects.using(alias).bulk_create(
        [Remark.labels.through(id=n, remark_id=1, bytext_id=key) for n, key in ((5, "a"), (9, "b"))]
    )
    ContentTypeNote.objects.using(alias).create(content_type=group_type, text="groups")
    group = Group.objects.using(alias).create(id=1, name="editors")
    permissions = Permission.objects.using(alias).filter(content_type=group_type)
    Group.permissions.through.objects.using(alias).bulk_create(
        [
            Group.permissions.through(id=n, group_id=group.pk, permission_id=permission.pk)
            for n, permission in enumerate(permissions.order_by("codename"), 1)
        ]
    )


@pytest.fixture(scope="module")
def pair(
    server: servers.Server, source_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoints]:
    """Two databases of equal rows; content types and permissions have other ids at the target."""
    path = tmp_path_factory.mktemp("pair") / "source.sqlite3"
    path.write_bytes(source_template.read_bytes())
    with migrated_pair(server, path) as endpoints:
        renumber_content_types()
        fill(SOURCE)
        fill(TARGET)
        yield endpoints


def renumber_content_types() -> None:
    run(
        "SET foreign_key_checks = 0",
        "UPDATE django_content_type SET id = 5000 - id",
        "UPDATE auth_permission SET content_type_id = 5000 - content_type_id, id = 9000 - id",
        "SET foreign_key_checks = 1",
    )


def run(*statements: str, alias: str = TARGET) -> None:
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def planted(pair: Endpoints) -> Iterator[Endpoints]:
    """What the test writes into the target is taken back."""
    with transaction.atomic(using=TARGET):
        yield pair
        transaction.set_rollback(True, using=TARGET)


def verified(endpoints: Endpoints, **options: Any) -> VerifyResult:
    return verify(endpoints, VerifyOptions(**{"workers": 1, **options}), ignore)


def found(result: VerifyResult) -> list[tuple[str, str, Any, str]]:
    return [(d.kind, d.model, d.pk, d.column) for d in result.differences]


def test_equal_databases_are_equal(pair: Endpoints) -> None:
    result = verified(pair)
    assert result.ok
    assert not result.differences
    rows = {each.model: (each.source, each.equal) for each in result.models}
    assert rows["everyfield.everything"] == (5, 5)
    assert rows["everyfield.remark_labels"] == (2, 2)
    assert rows["auth.group_permissions"] == (4, 4)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("big", "4611686018427387903"),
        ("`binary`", "x'00fe'"),
        ("boolean", "0"),
        ("boolean", "NULL"),
        ("`char`", "'Straße 😁'"),
        ("`char`", "'straße 😀'"),
        ("`char`", "'Straße 😀 '"),
        ("date", "'2020-02-28'"),
        ("timestamp", "'2020-02-29 01:02:03.456000'"),
        ("timestamp", "'2020-02-29 02:02:03.456789'"),
        ("`decimal`", "12.3401"),
        ("duration", "duration + 1"),
        ("email", "'A@example.com'"),
        ("file", "'a/b.txT'"),
        ("`float`", "0.10000000000000002"),
        ("ip", "'::2'"),
        ("`integer`", "5"),
        ("`integer`", "NULL"),
        ("json", """'{"a": [1, 1.5, true, null], "b": "u"}'"""),
        ("json", """'{"a": [1.0, 1.5, true, null], "b": "ü"}'"""),
        ("json", """'{"a": [1, 1.5, 1, null], "b": "ü"}'"""),
        ("json", """'{"a": [1, 1.5, true], "b": "ü"}'"""),
        ("json", "'null'"),
        ("json", "NULL"),
        ("positive", "8"),
        ("slug", "''"),
        ("small", "2"),
        ("text", "'line\\r\\nline'"),
        ("time", "'01:02:03.000005'"),
        ("url", "'https://example.com'"),
        ("uuid", "'00000000000000000000000000000002'"),
    ],
)
def test_a_changed_value_is_found(planted: Endpoints, column: str, value: str) -> None:
    run(f"UPDATE everyfield_everything SET {column} = {value} WHERE id = 2")
    result = verified(planted)
    assert found(result) == [("value", "everyfield.everything", 2, column.strip("`"))]
    (difference,) = result.differences
    assert difference.source != difference.target or type(difference.source) is not type(
        difference.target
    )


def test_both_values_are_shown(planted: Endpoints) -> None:
    run("UPDATE everyfield_everything SET timestamp = '2020-02-29 01:02:03' WHERE id = 3")
    assert verified(planted).differences == (
        Difference(
            "value",
            "everyfield.everything",
            "everyfield_everything",
            3,
            "timestamp",
            "2020-02-29T01:02:03.456789+00:00",
            "2020-02-29T01:02:03+00:00",
        ),
    )


def test_json_null_is_not_sql_null(planted: Endpoints) -> None:
    run("UPDATE everyfield_everything SET json = 'null' WHERE id = 1000")
    (difference,) = verified(planted).differences
    assert (difference.source, difference.target) == (None, "null")


@pytest.mark.parametrize(
    "json",
    [
        """'{"b": "ü", "a": [1, 1.5, true, null]}'""",
        """'{"a":[1,15e-1,true,null],"b":"\\\\u00fc"}'""",
    ],
)
def test_json_written_otherwise_is_the_same(planted: Endpoints, json: str) -> None:
    run(f"UPDATE everyfield_everything SET json = {json} WHERE id = 2")
    assert verified(planted).ok


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM everyfield_everything WHERE id = 1000", ("everyfield.everything", 1000)),
        ("DELETE FROM everyfield_bytext WHERE name = 'Z'", ("everyfield.bytext", "Z")),
        (
            f"DELETE FROM everyfield_byuuid WHERE id = '{KEYS[3].hex}'",
            ("everyfield.byuuid", str(KEYS[3])),
        ),
        (
            "DELETE FROM everyfield_remark_labels WHERE id = 9",
            ("everyfield.remark_labels", [1, "b"]),
        ),
    ],
)
def test_a_missing_row_is_found(
    planted: Endpoints, statement: str, expected: tuple[str, Any]
) -> None:
    run(statement)
    assert found(verified(planted)) == [("missing", *expected, "")]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "INSERT INTO everyfield_everything (id, email, file, slug, text, url)"
            " VALUES (1500, '', '', '', '', '')",
            ("everyfield.everything", 1500),
        ),
        (
            "INSERT INTO everyfield_everything (id, email, file, slug, text, url)"
            " VALUES (-3, '', '', '', '', '')",
            ("everyfield.everything", -3),
        ),
        ("INSERT INTO everyfield_bytext VALUES ('ba', 1)", ("everyfield.bytext", "ba")),
        (
            "INSERT INTO everyfield_remark_labels VALUES (10, 1, 'Z')",
            ("everyfield.remark_labels", [1, "Z"]),
        ),
    ],
)
def test_an_extra_row_is_found(
    planted: Endpoints, statement: str, expected: tuple[str, Any]
) -> None:
    run(statement)
    assert found(verified(planted)) == [("extra", *expected, "")]


def test_a_key_that_a_collation_takes_for_another_is_not_the_same(planted: Endpoints) -> None:
    run("UPDATE everyfield_bytext SET name = 'z' WHERE name = 'Z'")
    assert found(verified(planted)) == [
        ("missing", "everyfield.bytext", "Z", ""),
        ("extra", "everyfield.bytext", "z", ""),
    ]


def test_renumbered_links_are_the_same_links_unless_a_run_promised_their_ids(
    planted: Endpoints,
) -> None:
    run("UPDATE everyfield_remark_labels SET id = id + 100")
    assert verified(planted).ok
    everything = [schema_of(model) for model in (Remark.labels.through, Remark, ByText)]
    result = verify(
        planted,
        VerifyOptions(workers=1),
        ignore,
        Manifest(run="0" * 32, created="", schema=everything),
    )
    assert found(result) == [
        ("missing", "everyfield.remark_labels", 5, ""),
        ("missing", "everyfield.remark_labels", 9, ""),
        ("extra", "everyfield.remark_labels", 105, ""),
        ("extra", "everyfield.remark_labels", 109, ""),
    ]


def test_a_link_to_another_permission_is_found(planted: Endpoints) -> None:
    here = Permission.objects.using(SOURCE).get(codename="add_group").pk
    was = Permission.objects.using(TARGET).get(codename="add_group").pk
    other = Permission.objects.using(TARGET).get(codename="add_session").pk
    run(f"UPDATE auth_group_permissions SET permission_id = {other} WHERE permission_id = {was}")
    assert found(verified(planted)) == [
        ("missing", "auth.group_permissions", [1, here], ""),
        ("extra", "auth.group_permissions", [1, other], ""),
    ]


def test_content_types_are_shown_by_name(planted: Endpoints) -> None:
    other = ContentType.objects.using(TARGET).get(app_label="auth", model="user").pk
    run(f"UPDATE everyfield_remark SET content_type_id = {other} WHERE id = 1")
    (difference,) = verified(planted).differences
    assert (difference.source, difference.target) == ("auth.group", "auth.user")


def test_a_generic_key_that_names_another_content_type_is_found(planted: Endpoints) -> None:
    run("UPDATE everyfield_remark SET object_id = object_id + 1 WHERE id = 2")
    assert found(verified(planted)) == [("value", "everyfield.remark", 2, "object_id")]


def test_a_missing_permission_is_found(planted: Endpoints) -> None:
    Permission.objects.using(TARGET).filter(codename="view_session").delete()
    ours = Permission.objects.using(SOURCE).get(codename="view_session")
    assert found(verified(planted)) == [("missing", "auth.permission", ours.pk, "")]


def test_more_content_types_and_permissions_are_no_difference(planted: Endpoints) -> None:
    new = ContentType.objects.using(TARGET).create(app_label="other", model="thing")
    Permission.objects.using(TARGET).create(content_type=new, codename="x", name="x")
    assert verified(planted).ok


def test_rejected_rows_are_accounted_for(planted: Endpoints) -> None:
    run("DELETE FROM everyfield_bytext WHERE name IN ('Z', 'zz top')")
    accounts = Accounts(rejected={"everyfield.bytext": {"Z"}})
    result = verify(planted, VerifyOptions(workers=1), ignore, accounts=accounts)
    assert found(result) == [("missing", "everyfield.bytext", "zz top", "")]
    (model,) = [each for each in result.models if each.model == "everyfield.bytext"]
    assert (model.rejected, model.missing, model.equal) == (1, 1, 3)


def test_a_declared_change_is_accounted_for_and_no_other(planted: Endpoints) -> None:
    run("UPDATE everyfield_bytext SET value = 77 WHERE name IN ('a', 'b')")
    accounts = Accounts(changed={"everyfield.bytext": {"a": {"value": 77}, "b": {"value": 78}}})
    result = verify(planted, VerifyOptions(workers=1), ignore, accounts=accounts)
    assert found(result) == [("value", "everyfield.bytext", "b", "value")]


def test_dangling_references_of_the_target_are_found(planted: Endpoints) -> None:
    run("SET foreign_key_checks = 0", "DELETE FROM everyfield_bytext WHERE name = 'a'")
    try:
        result = verified(planted)
    finally:
        run("SET foreign_key_checks = 1")
    (finding,) = result.findings
    assert (finding.id, finding.model, finding.field) == (
        "FP501",
        "everyfield.remark_labels",
        "bytext",
    )
    assert [(example.pk, example.value) for example in finding.examples] == [(5, "a")]


def test_a_missing_unique_index_and_the_duplicates_that_it_let_in_are_found(
    pair: Endpoints,
) -> None:
    run("ALTER TABLE auth_group DROP INDEX name")
    try:
        assert [(f.id, f.model, f.field) for f in verified(pair).findings] == [
            ("FP502", "auth.group", "name")
        ]
        run("INSERT INTO auth_group (id, name) VALUES (2, 'editors')")
        result = verified(pair)
    finally:
        run(
            "DELETE FROM auth_group WHERE id = 2",
            "ALTER TABLE auth_group ADD CONSTRAINT name UNIQUE (name)",
        )
    assert found(result) == [("extra", "auth.group", 2, "")]
    named = [(f.id, f.count, [(e.pk, e.value) for e in f.examples]) for f in result.findings]
    assert named == [("FP502", 1, []), ("FP503", 1, [("2 rows", "editors")])]


def test_a_foreign_key_that_the_target_lacks_is_found(pair: Endpoints) -> None:
    with connections[TARGET].cursor() as cursor:
        constraints = connections[TARGET].introspection.get_constraints(cursor, "auth_permission")
    (name,) = [name for name, each in constraints.items() if each["foreign_key"]]
    run(f"ALTER TABLE auth_permission DROP FOREIGN KEY {name}")
    try:
        result = verified(pair)
    finally:
        run(
            f"ALTER TABLE auth_permission ADD CONSTRAINT {name} FOREIGN KEY (content_type_id)"
            " REFERENCES django_content_type (id)"
        )
    assert [(f.id, f.model, f.field) for f in result.findings] == [
        ("FP505", "auth.permission", "content_type")
    ]
    assert not result.ok


@pytest.mark.parametrize("has_manifest", [True, False])
def test_a_key_that_would_be_given_again_is_found(pair: Endpoints, has_manifest: bool) -> None:
    """A warning here: an error only where the ledger says that fixturepipe loaded the target."""
    run("UPDATE sqlite_sequence SET seq = 7000 WHERE name = 'everyfield_everything'", alias=SOURCE)
    marks = {"everyfield_everything": 7000}
    schema = [schema_of(Everything)]
    manifest = Manifest(run="0" * 32, created="", schema=schema, sequences=marks)
    try:
        before = verify(pair, VerifyOptions(workers=1), ignore, manifest if has_manifest else None)
        run("ALTER TABLE everyfield_everything AUTO_INCREMENT = 7001")
        after = verify(pair, VerifyOptions(workers=1), ignore, manifest if has_manifest else None)
    finally:
        run("ALTER TABLE everyfield_everything AUTO_INCREMENT = 2001")
        run(
            "UPDATE sqlite_sequence SET seq = 2000 WHERE name = 'everyfield_everything'",
            alias=SOURCE,
        )
    assert [(f.id, f.level, f.model) for f in before.findings] == [
        ("FP504", "warning", "everyfield.everything")
    ]
    (found,) = before.findings
    assert found.hint.startswith("ALTER TABLE `everyfield_everything` AUTO_INCREMENT")
    assert (before.ok, after.findings) == (True, ())


def test_differences_are_counted_beyond_those_that_are_shown(planted: Endpoints) -> None:
    run("UPDATE everyfield_byuuid SET value = 2")
    result = verified(planted, limit=2)
    (model,) = [each for each in result.models if each.model == "everyfield.byuuid"]
    assert (model.differing, len(model.differences)) == (5, 2)


def test_a_sample_of_everything_finds_it_and_keeps_to_its_seed(planted: Endpoints) -> None:
    run(
        "UPDATE everyfield_everything SET small = 9",
        "DELETE FROM everyfield_bytext WHERE name = 'Z'",
    )
    whole = verified(planted, sample=1.0)
    assert sum(each.differing for each in whole.models) == 5
    assert sum(each.missing for each in whole.models) == 1
    halves = [verified(planted, sample=0.5, seed=7) for _ in range(2)]
    assert halves[0].models == halves[1].models
    assert [each.missing for each in halves[0].models if each.model == "everyfield.bytext"] == [1]


def test_since_looks_at_later_rows_only_where_a_model_notes_them(planted: Endpoints) -> None:
    run("UPDATE everyfield_byuuid SET value = 2", "UPDATE everyfield_bytext SET value = -1")
    later = verified(planted, since="2021-06-01")
    assert {d.model for d in later.differences} == {"everyfield.bytext"}
    earlier = verified(planted, since="2020-06-01")
    assert {d.model for d in earlier.differences} == {"everyfield.bytext", "everyfield.byuuid"}


def test_several_workers_find_the_same(pair: Endpoints) -> None:
    Everything.objects.using(TARGET).filter(pk=2).update(small=4)
    ByText.objects.using(TARGET).create(name="new", value=1)
    try:
        alone, together = verified(pair), verified(pair, workers=3)
    finally:
        Everything.objects.using(TARGET).filter(pk=2).update(small=3)
        ByText.objects.using(TARGET).filter(name="new").delete()
    assert together.models == alone.models
    assert sorted(found(together)) == [
        ("extra", "everyfield.bytext", "new", ""),
        ("value", "everyfield.everything", 2, "small"),
    ]


def test_large_models_are_compared_in_ranges_of_their_key(
    pair: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixturepipe.verify.stage._PART_ROWS", 2)
    result = verified(pair, workers=2)
    assert result.ok
    (model,) = [each for each in result.models if each.model == "everyfield.everything"]
    assert (model.compared, model.equal) == (5, 5)


@pytest.mark.parametrize(
    "options", [{"sample": 0.0}, {"sample": 1.5}, {"since": "yesterday"}, {"workers": -1}]
)
def test_options_that_make_no_sense_are_refused(pair: Endpoints, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        verified(pair, **options)


def test_a_target_without_tables_is_refused(pair: Endpoints, empty_target: Endpoint) -> None:
    with pytest.raises(ConfigurationError, match="The target lacks"):
        verified(Endpoints("default", pair.source, empty_target))
    pair.open()


def test_progress_adds_up(pair: Endpoints) -> None:
    events: list[Event] = []
    result = verify(pair, VerifyOptions(workers=1), events.append)
    assert isinstance(events[0], StageStarted)
    assert isinstance(events[-1], StageFinished)
    advanced = sum(event.objects for event in events if isinstance(event, StageAdvanced))
    assert events[0].total == advanced == events[-1].objects
    assert advanced == sum(each.compared for each in result.models)


def test_a_key_that_is_not_utf8_is_missing_and_stops_nothing(planted: Endpoints) -> None:
    with transaction.atomic(using=SOURCE):
        run("INSERT INTO everyfield_bytext VALUES (CAST(x'c328' AS TEXT), 2)", alias=SOURCE)
        result = verified(planted)
        transaction.set_rollback(True, using=SOURCE)
    assert found(result) == [("missing", "everyfield.bytext", "\\xc3(", "")]
