"""check names each hazard of a dirty source with its key, and nothing else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connections
from django.test import override_settings

from fixturepipe.check.scan import TableScan
from fixturepipe.check.server import buffer_pool
from fixturepipe.check.stage import CheckOptions, CheckResult, check
from fixturepipe.check.target import TargetServer
from fixturepipe.databases import forks
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints
from fixturepipe.events import ignore
from fixturepipe.findings.finding import Finding
from tests import servers
from tests.apps.dirty.models import Child, Code, Mark, Name, Pair, Tag, Values
from tests.dirty import (
    DEPENDING,
    DIRT,
    plant,
    plant_all,
    round_floats,
    unprotected,
    values,
)


@pytest.fixture
def both(migrated: Endpoints) -> Iterator[Endpoints]:
    """What a test writes into the source, past all constraints, is removed after it."""
    unprotected()
    yield migrated
    for model in (Child.names.through, Child, Values, Name, Pair, Code, Mark):
        plant(f"DELETE FROM {model._meta.db_table}")


@pytest.fixture
def is_mariadb(both: Endpoints) -> bool:
    return bool(connections[TARGET].mysql_is_mariadb)  # type: ignore[attr-defined]


def checked(endpoints: Endpoints, **options: Any) -> CheckResult:
    return check(endpoints, CheckOptions(labels=("dirty",), **options), ignore)


def row_findings(result: CheckResult) -> list[tuple[str, str, str, list[Any]]]:
    """The findings about values and references, without those about schema and server."""
    found = [finding for finding in result.findings if finding.id < "FP300"]
    return [(f.id, f.model, f.field, [e.pk for e in f.examples]) for f in found]


def only(result: CheckResult) -> Finding:
    (finding,) = [finding for finding in result.findings if finding.id < "FP300"]
    return finding


def test_a_clean_source_has_no_findings(both: Endpoints) -> None:
    values(1)
    values(2)
    Name.objects.using(SOURCE).create(pk=1, name="a b")
    assert row_findings(checked(both)) == []


@pytest.mark.parametrize(("value", "rule"), [("127", None), ("128", "FP102"), ("-129", "FP102")])
def test_a_number_is_measured_by_the_column_that_the_target_has(
    both: Endpoints, value: str, rule: str | None
) -> None:
    values(7, small=value)
    with connections[TARGET].cursor() as cursor:
        cursor.execute("ALTER TABLE dirty_values MODIFY small TINYINT NOT NULL")
        try:
            found = row_findings(checked(both))
        finally:
            cursor.execute("ALTER TABLE dirty_values MODIFY small SMALLINT NOT NULL")
    assert found == ([(rule, "dirty.values", "small", [7])] if rule else [])


def test_a_thread_finds_what_a_forked_process_finds(both: Endpoints) -> None:
    values(1, char="'sixsix'", integer="2147483648")
    values(2, uuid="'none'")
    # Another test's thread would have a thread compared with a thread.
    assert forks.start_method() == "fork" or sys.platform != "linux"
    alone = checked(both)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert forks.start_method() == "spawn"
        assert checked(both).findings == alone.findings
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("rule", "column", "value"),
    [
        ("FP101", "char", "'sixsix'"),
        ("FP101", "char", "'äöüßéè'"),
        ("FP101", "char", "'a     '"),
        ("FP102", "integer", "2147483648"),
        ("FP102", "small", "-32769"),
        ("FP103", "positive", "-1"),
        ("FP104", "decimal", "10000"),
        ("FP105", "date", "''"),
        ("FP105", "date", "'2020-02-30'"),
        ("FP105", "date", "'yesterday'"),
        ("FP105", "timestamp", "'2020-01-01 25:00:00'"),
        ("FP105", "timestamp", "'2020-01-01 10:00:00 and more'"),
        ("FP105", "time", "'noon'"),
        ("FP105", "uuid", "'not-a-uuid'"),
        ("FP106", "date", "'0999-12-31'"),
        ("FP106", "timestamp", "'0500-01-01 00:00:00'"),
        ("FP107", "char", "x'6162'"),
        ("FP107", "text", "x'6162'"),
        ("FP107", "integer", "'many'"),
        ("FP107", "integer", "1.5"),
        ("FP107", "big", "x'01'"),
        ("FP107", "decimal", "'much'"),
        ("FP107", "float", "'a lot'"),
        ("FP107", "date", "x'01'"),
        ("FP107", "duration", "'long'"),
        ("FP107", "binary", "'text'"),
        ("FP108", "boolean", "2"),
        ("FP108", "boolean", "'t'"),
        ("FP109", "json", "'{not json'"),
        ("FP110", "float", "9e999"),
        ("FP110", "float", "-9e999"),
        ("FP110", "json", "'[NaN]'"),
        ("FP110", "json", "'[-Infinity]'"),
        ("FP111", "char", "CAST(x'61ff' AS TEXT)"),
        ("FP111", "text", "CAST(x'eda080' AS TEXT)"),
        ("FP111", "json", "CAST(x'22ff22' AS TEXT)"),
        ("FP113", "text", "'a' || char(0) || 'b'"),
        ("FP116", "decimal", "1.005"),
        ("FP118", "json", """'"\\ud800"'"""),
    ],
)
def test_a_value_that_would_fail_or_change_is_named(
    both: Endpoints, rule: str, column: str, value: str
) -> None:
    values(7)
    values(8, **{column: value})
    assert row_findings(checked(both)) == [(rule, "dirty.values", column, [8])]


def test_an_epoch_in_a_date_column_is_named(both: Endpoints) -> None:
    values(8, timestamp="1577836800")
    finding = only(checked(both))
    assert (finding.id, finding.field) == ("FP107", "timestamp")
    assert finding.examples[0].value == 1577836800


def test_a_datetime_with_a_time_zone_is_named_while_use_tz_is_off(both: Endpoints) -> None:
    values(7, timestamp="'2020-01-01 10:00:00'")
    values(8, timestamp="'2020-01-01 10:00:00+02:00'")
    assert row_findings(checked(both)) == []
    with override_settings(USE_TZ=False):
        assert row_findings(checked(both)) == [("FP121", "dirty.values", "timestamp", [8])]


def test_text_with_a_nul_is_measured_whole(both: Endpoints) -> None:
    values(8, char="'a' || char(0) || 'bcdefgh'")
    assert [rule for rule, *_ in row_findings(checked(both))] == ["FP101", "FP113"]


def test_all_rows_are_counted_and_the_first_named(both: Endpoints) -> None:
    for pk in range(1, 9):
        values(pk, char="'too long'")
    finding = only(checked(both))
    assert (finding.count, [e.pk for e in finding.examples]) == (8, [1, 2, 3, 4, 5])
    assert finding.examples[0].value == "too long"
    assert "5 characters" in finding.consequence


def test_key_zero_is_a_warning(both: Endpoints) -> None:
    plant("INSERT INTO dirty_name (id, name) VALUES (0, 'zero')")
    finding = only(checked(both))
    assert (finding.id, finding.level, finding.examples[0].pk) == ("FP115", "warning", 0)


@pytest.mark.parametrize("levels", [31, 32, 100, 101])
def test_json_is_nested_as_deep_as_the_server_takes(
    both: Endpoints, is_mariadb: bool, levels: int
) -> None:
    values(8, json=f"'{'[' * levels}{']' * levels}'")
    taken = levels <= (31 if is_mariadb else 100)
    assert row_findings(checked(both)) == (
        [] if taken else [("FP118", "dirty.values", "json", [8])]
    )


def test_a_json_number_beyond_floats_is_named(both: Endpoints) -> None:
    values(8, json="'[1e999]'")
    assert row_findings(checked(both)) == [("FP118", "dirty.values", "json", [8])]


def test_json_integers_beyond_64_bits_lose_digits_on_mysql(
    both: Endpoints, is_mariadb: bool
) -> None:
    values(7, json="'[18446744073709551615, -9223372036854775808]'")
    values(8, json="'[18446744073709551616]'")
    assert row_findings(checked(both)) == (
        [] if is_mariadb else [("FP117", "dirty.values", "json", [8])]
    )


def has_native_uuids() -> bool:
    """Whether UUIDs have a type of their own, as on MariaDB since Django 5.0."""
    return bool(connections[TARGET].features.has_native_uuid_field)


def test_a_uuid_that_mariadb_refuses_is_named(both: Endpoints) -> None:
    values(7, uuid="'00000000000000000000000000000002'")
    values(8, uuid="'1dd9b7c500a78b9b0d889fff334917bb'")
    assert row_findings(checked(both)) == (
        [("FP112", "dirty.values", "uuid", [8])] if has_native_uuids() else []
    )


def test_a_value_larger_than_a_packet_is_named(both: Endpoints) -> None:
    target = TargetServer(connections[TARGET])
    assert target.limits.packet >= 1 << 20
    # The smallest packet that servers allow in practice: with the real one the test takes long.
    target.limits = replace(target.limits, packet=1 << 20)
    values(7, text="replace(hex(zeroblob(520000)), '0', 'x')")
    values(8, text="replace(hex(zeroblob(525000)), '0', 'x')")
    values(9, binary="zeroblob(523000)")
    found = TableScan(Values, connections[SOURCE], target).read()
    assert [(f.id, f.field, [e.pk for e in f.examples]) for f in found] == [
        ("FP114", "text", [8]),
        ("FP114", "binary", [9]),
    ]


@pytest.mark.parametrize(
    ("value", "rounded"), [("0.5", False), ("0.1", False), ("0.1234567", True)]
)
def test_a_float_that_single_precision_would_round_is_named(
    both: Endpoints, value: str, rounded: bool
) -> None:
    values(8, float=value)
    with connections[TARGET].cursor() as cursor:
        round_floats(cursor.execute)
        try:
            found = row_findings(checked(both))
        finally:
            cursor.execute("ALTER TABLE dirty_values MODIFY `float` DOUBLE NOT NULL")
    assert found == ([("FP120", "dirty.values", "float", [8])] if rounded else [])


def test_null_where_the_model_forbids_it_is_named(both: Endpoints) -> None:
    values(7)
    plant("PRAGMA writable_schema = ON")
    plant(
        "UPDATE sqlite_master SET sql = replace(sql, '\"integer\" integer NOT NULL',"
        " '\"integer\" integer') WHERE name = 'dirty_values'"
    )
    plant("PRAGMA writable_schema = RESET")
    try:
        values(8, integer="NULL")
        assert row_findings(checked(both)) == [("FP119", "dirty.values", "integer", [8])]
    finally:
        plant("DELETE FROM dirty_values WHERE id = 8")
        plant("PRAGMA writable_schema = ON")
        plant(
            "UPDATE sqlite_master SET sql = replace(sql, '\"integer\" integer',"
            " '\"integer\" integer NOT NULL') WHERE name = 'dirty_values'"
        )
        plant("PRAGMA writable_schema = RESET")


def test_foreign_keys_to_nothing_are_named(both: Endpoints) -> None:
    values(1)
    plant("INSERT INTO dirty_child (id, values_id, loose_id) VALUES (1, 1, 99), (2, 77, NULL)")
    assert row_findings(checked(both)) == [
        ("FP201", "dirty.child", "values", [2]),
        ("FP207", "dirty.child", "loose", [1]),
    ]


def test_links_to_nothing_are_named(both: Endpoints) -> None:
    values(1)
    plant("INSERT INTO dirty_child (id, values_id) VALUES (1, 1)")
    plant("INSERT INTO dirty_child_names (id, child_id, name_id) VALUES (31, 1, 5), (32, 6, 5)")
    assert row_findings(checked(both)) == [
        ("FP202", "dirty.child_names", "child", [32]),
        ("FP202", "dirty.child_names", "name", [31, 32]),
    ]


def test_generic_keys_to_nothing_are_a_note(both: Endpoints) -> None:
    values(1)
    here = ContentType.objects.using(SOURCE).get(app_label="dirty", model="values").pk
    gone = ContentType.objects.using(SOURCE).create(app_label="gone", model="thing")
    rows = [(1, here, "1"), (2, here, "5"), (3, gone.pk, "1")]
    for row in rows:
        plant("INSERT INTO dirty_mark (id, content_type_id, object_id) VALUES (%s, %s, %s)", *row)
    finding = only(checked(both))
    gone.delete()
    assert (finding.id, finding.level, finding.field) == ("FP204", "note", "marked")
    assert [(e.pk, e.value) for e in finding.examples] == [
        (2, "dirty.values 5"),
        (3, "gone.thing 1"),
    ]


def test_a_natural_key_that_does_not_find_its_row_is_named(both: Endpoints) -> None:
    Tag.objects.using(SOURCE).bulk_create([Tag(pk=1, word="red"), Tag(pk=2, word="blue")])
    assert row_findings(checked(both)) == []
    Tag.objects.using(SOURCE).create(pk=3, word="red")
    assert row_findings(checked(both)) == [], "no row refers to a tag"
    Tag.objects.using(SOURCE).create(pk=4, word="dark", broader_id=2)
    finding = only(checked(both))
    Tag.objects.using(SOURCE).all().delete()
    assert (finding.id, finding.level, finding.model) == ("FP205", "warning", "dirty.tag")
    assert "1 and 3" in finding.consequence


@pytest.mark.parametrize(
    ("first", "second"), [("anna", "Anna"), ("anna", "änna"), ("anna", "ANNA")]
)
def test_names_that_the_target_takes_for_the_same_are_named(
    both: Endpoints, first: str, second: str
) -> None:
    names = [Name(pk=n, name=name) for n, name in enumerate([first, "other", second], 1)]
    Name.objects.using(SOURCE).bulk_create(names)
    finding = only(checked(both))
    assert (finding.id, finding.field, finding.count) == ("FP203", "name", 2)
    assert [(e.pk, e.value) for e in finding.examples] == [(1, first), (3, second)]


@pytest.mark.parametrize(
    "second", ["anna ", "anna\u0301", "😀", "😁", "日本", "日本語", "anna\x01"]
)
def test_the_target_itself_judges_what_is_the_same(
    both: Endpoints, server: servers.Server, second: str
) -> None:
    first = "anna" if second.startswith("anna") else "😂"
    names = [Name(pk=1, name=first), Name(pk=2, name=second)]
    Name.objects.using(SOURCE).bulk_create(names)
    rules = [rule for rule, *_ in row_findings(checked(both)) if rule == "FP203"]
    assert rules == (["FP203"] if refuses(first, second) else [])


def refuses(first: str, second: str) -> bool:
    """Whether the target's own unique index refuses the second name after the first."""
    with connections[TARGET].cursor() as cursor:
        try:
            cursor.execute("INSERT INTO dirty_name (name) VALUES (%s), (%s)", [first, second])
        except IntegrityError:
            return True
        finally:
            cursor.execute("DELETE FROM dirty_name")
    return False


def test_sets_of_columns_and_text_keys_are_compared_too(both: Endpoints) -> None:
    pairs = [("a", 1), ("A", 2), ("b", 3), ("B", 3), (None, 1)]
    for pk, (left, right) in enumerate(pairs[:4], 1):
        plant("INSERT INTO dirty_pair (id, left, right) VALUES (%s, %s, %s)", pk, left, right)
    Code.objects.using(SOURCE).bulk_create([Code(code="x1"), Code(code="X1")])
    assert row_findings(checked(both)) == [
        ("FP203", "dirty.pair", "left, right", [3, 4]),
        ("FP203", "dirty.code", "code", ["X1", "x1"]),
    ]


def test_duplicates_of_the_source_itself_are_named(both: Endpoints) -> None:
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE tbl_name = 'dirty_pair'")
        (index,) = [name for (name,) in cursor.fetchall() if name.endswith("_uniq")]
    with connections[SOURCE].cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [index])
        (definition,) = cursor.fetchone()
    plant(f"DROP INDEX {index}")
    plant("INSERT INTO dirty_pair (id, left, right) VALUES (1, 'a', 1), (2, 'a', 1)")
    found = row_findings(checked(both))
    plant("DELETE FROM dirty_pair")
    plant(definition)
    assert found == [("FP208", "dirty.pair", "left, right", [1, 2])]


def test_findings_can_be_ignored(both: Endpoints) -> None:
    values(8, char="'too long'", integer="'x'")
    result = checked(both, ignore=("FP101", "FP107:dirty.name"))
    assert ([rule for rule, *_ in row_findings(result)], result.ignored) == (["FP107"], 1)
    result = checked(both, ignore=("fp101:dirty.Values", "FP107"))
    assert (row_findings(result), result.ignored, result.ok) == ([], 2, True)


def test_every_hazard_at_once_is_named_with_its_key_and_nothing_else(
    both: Endpoints, is_mariadb: bool
) -> None:
    plant_all(TargetServer(connections[TARGET]).limits.packet)
    planted = [(pk, *hazard[:2]) for pk, hazard in {**DIRT, **DEPENDING}.items()]
    expected = [(rule, "dirty.values", column, [pk]) for pk, rule, column in planted]
    if has_native_uuids():
        expected.append(("FP112", "dirty.values", "uuid", [25]))
    if not is_mariadb:
        expected.append(("FP117", "dirty.values", "json", [25]))
    expected += [
        ("FP115", "dirty.name", "id", [0]),
        ("FP201", "dirty.child", "values", [4]),
        ("FP202", "dirty.child_names", "name", [5]),
        ("FP203", "dirty.name", "name", [0, 2]),
        ("FP207", "dirty.child", "loose", [4]),
    ]
    with connections[TARGET].cursor() as cursor:
        round_floats(cursor.execute)
        try:
            found = row_findings(checked(both))
        finally:
            cursor.execute("ALTER TABLE dirty_values MODIFY `float` DOUBLE NOT NULL")
    assert sorted(found) == sorted(expected)


def test_a_buffer_pool_smaller_than_the_data_is_named_with_its_statement(both: Endpoints) -> None:
    target = TargetServer.registered()
    assert list(buffer_pool(target, 1)) == []
    (found,) = buffer_pool(target, 10**15)
    assert found.id == "FP407"
    assert "SET GLOBAL innodb_buffer_pool_size = 1000000054099968" in found.hint
