"""Declared fixes: they change what check finds, nothing else, and record each change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixturepipe.artifacts.changes import NAME
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.check.repair import Repair, suffixed
from fixturepipe.check.scan import TableScan
from fixturepipe.check.stage import CheckOptions, CheckResult, check
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints
from fixturepipe.dump.rowtransform import RowTransform
from fixturepipe.dump.stage import DumpOptions, DumpResult, dump
from fixturepipe.errors import ConfigurationError, SourceDataError, UsageError
from fixturepipe.events import Event, Notice, ignore
from fixturepipe.fixes.declarations import Declaration, declared, declared_in
from fixturepipe.fixes.fixes import Fixes
from fixturepipe.fixes.values import CannotFixError, boolean, number, readable
from tests.apps.dirty.models import Name, Values
from tests.dirty import plant, unprotected, values
from tests.dumping import Dumped


class FixedDumps(Dumped):
    """Dumps of the dirty app with declared fixes, judged by a target."""

    def __init__(self, path: Path, endpoints: Endpoints) -> None:
        super().__init__(path, endpoints.source, self._listen)
        self.endpoints = endpoints
        self.notices: list[str] = []

    def _listen(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.append(event.text)

    def fixed(self, *fixes: str, **options: Any) -> DumpResult:
        options.setdefault("labels", ("dirty",))
        chosen = DumpOptions(fix=tuple(map(declared, fixes)), **options)
        repair = Repair(self.endpoints, chosen.fix) if chosen.fix else None
        return dump(self.directory, self.endpoints, chosen, self.listener, repair)

    def checked(self, *fixes: str) -> CheckResult:
        chosen = CheckOptions(labels=("dirty",), fix=tuple(map(declared, fixes)))
        return check(self.endpoints, chosen, ignore)

    @property
    def changes(self) -> list[tuple[Any, ...]]:
        """What changes.jsonl has: label, key, field, old, new, rule."""
        return [tuple(each.values()) for each in lines(self.directory)]


def lines(directory: RunDirectory) -> list[dict[str, Any]]:
    path = directory.path / NAME
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def dirty(endpoints: Endpoints, tmp_path: Path) -> FixedDumps:
    unprotected()
    return FixedDumps(tmp_path / "run", endpoints)


VALUE = "dirty.values"

FIXED = {
    "text is cut": ("char", "'sixsix'", "truncate", "sixsix", "sixsi"),
    "text is cut in characters": ("char", "'äöüßéè'", "truncate", "äöüßéè", "äöüßé"),
    "a decimal is cut": ("decimal", "0.129", "truncate", "0.13", "0.12"),
    "a number out of range takes the default": ("small", "40000", "default", 40000, 1),
    "a number takes a declared default": ("positive", "-5", "default:7", -5, 7),
    "a date takes the default": ("date", "'2020-02-31'", "default", "2020-02-31", "2020-01-01"),
    "text in a number takes the default": ("integer", "'text'", "default", "text", 1),
    "a boolean takes the default": ("boolean", "7", "default", 7, True),
    "infinity takes the default": ("float", "9e999", "default:1.5", "inf", 1.5),
    "a decimal takes the default": ("decimal", "123456.78", "default", 123456.78, "1.00"),
    "bad JSON takes the default": ("json", "'{'", "default", "{", {}),
    "bad bytes are replaced": (
        "text",
        "CAST(x'61c328' AS TEXT)",
        "replace",
        "a\\xc3(",
        "a\ufffd(",
    ),
    "bytes in text are read": ("text", "x'6162ff'", "replace", "YWL/", "ab\ufffd"),
    "a NUL is removed": ("text", "'a' || char(0) || 'b'", "replace", "a\x00b", "ab"),
    "seconds are a datetime": (
        "timestamp",
        "1577836800",
        "epoch",
        1577836800,
        "2020-01-01T00:00:00Z",
    ),
    "milliseconds are a datetime": (
        "timestamp",
        "1577836800123",
        "epoch",
        1577836800123,
        "2020-01-01T00:00:00.123000Z",
    ),
    "digits that SQLite does not know are a number": ("integer", "'\uff17'", "number", "\uff17", 7),
    "a letter is a boolean": ("boolean", "'f'", "boolean", "f", False),
    "a datetime in a date is cut to its day": (
        "date",
        "'2020-02-29 00:00:00'",
        "truncate",
        "2020-02-29 00:00:00",
        "2020-02-29",
    ),
    "seconds are a date": ("date", "1577836800", "epoch", 1577836800, "2020-01-01"),
}


@pytest.mark.parametrize("kind", FIXED)
def test_a_fix_changes_the_value_and_records_it(dirty: FixedDumps, kind: str) -> None:
    column, raw, name, old, new = FIXED[kind]
    values(1)
    values(2, **{column: raw})
    fix = f"dirty.Values.{column}={name}"
    rule = name.partition(":")[0]
    (finding,) = [f for f in dirty.checked(fix).findings if f.id < "FP300"]
    assert finding.fixed_by == rule
    dirty.fixed(fix)
    assert dirty.fields(VALUE)[2][column] == new
    assert dirty.changes == [(VALUE, 2, column, old, new, rule)]
    assert dirty.notices == []


@pytest.mark.parametrize(
    ("column", "raw", "made"),
    [
        ("integer", 1.0, 1),
        ("integer", " 7 ", 7),
        ("integer", "1e3", 1000),
        ("float", "1.5", 1.5),
        ("decimal", "-0.25", -0.25),
        ("duration", "5", 5),
        ("integer", 1.5, None),
        ("integer", "many", None),
        ("integer", "NaN", None),
        ("float", b"1", None),
    ],
)
def test_number_makes_a_number_of_what_stands_for_one(column: str, raw: Any, made: Any) -> None:
    field = Values._meta.get_field(column)
    if made is None:
        with pytest.raises((CannotFixError, ArithmeticError)):
            number(field, raw)
    else:
        found = number(field, raw)
        assert (found, type(found)) == (made, type(made))


def test_boolean_knows_words_and_numbers() -> None:
    assert [boolean(raw) for raw in ("True", "t", " YES", "on", 1.0, "1")] == [1] * 6
    assert [boolean(raw) for raw in ("False", "f", "no", "OFF", 0.0, "0")] == [0] * 6
    for raw in ("", "maybe", 2, b"1"):
        with pytest.raises(CannotFixError):
            boolean(raw)


def test_utc_takes_the_time_zone_off(dirty: FixedDumps) -> None:
    values(1, timestamp="'2024-01-02 03:04:05.000006+02:00'")
    with override_settings(USE_TZ=False):
        (finding,) = [f for f in dirty.checked("FP121=utc").findings if f.id < "FP300"]
        dirty.fixed("FP121=utc")
    assert (finding.id, finding.fixed_by) == ("FP121", "utc")
    assert dirty.fields(VALUE)[1]["timestamp"] == "2024-01-02T01:04:05.000006"


def test_check_asks_the_transform_about_wrong_values(dirty: FixedDumps) -> None:
    values(1)
    values(2, boolean="'wahr'", integer="x'37'", char="'sixsix'")
    values(3, date="'never'")
    transform = RowTransform("tests.transforms:from_csv", "auto", "default")
    result = check(dirty.endpoints, CheckOptions(labels=("dirty",)), ignore, transform)
    found = {(f.id, f.field): f.fixed_by for f in result.findings if f.id < "FP300"}
    assert found == {
        ("FP101", "char"): "",
        ("FP105", "date"): "transform",
        ("FP107", "integer"): "transform",
        ("FP108", "boolean"): "transform",
    }


def test_check_gives_the_transform_the_row_that_the_dump_gives_it(dirty: FixedDumps) -> None:
    values(2, boolean="'wahr'", integer="'sieben'", char="'sixsix'")
    fixes = ("dirty.Values.integer=default:7", "FP101=truncate")
    name = "tests.transforms:from_csv"
    options = CheckOptions(labels=("dirty",), fix=tuple(map(declared, fixes)))
    result = check(dirty.endpoints, options, ignore, RowTransform(name, "auto", "default"))
    found = {f.field: f.fixed_by for f in result.findings if f.id < "FP300"}
    assert found == {"boolean": "transform", "integer": "default", "char": "truncate"}
    dirty.fixed(*fixes, transform=name)
    fields = dirty.fields(VALUE)[2]
    assert (fields["boolean"], fields["integer"], fields["char"]) == (True, 7, "sixsi")


def test_nothing_is_changed_without_a_declaration(dirty: FixedDumps) -> None:
    values(2, char="'sixsix'", text="'a' || char(0)")
    dirty.fixed("dirty.Name.name=rename")
    assert dirty.fields(VALUE)[2]["char"] == "sixsix"
    assert not (dirty.directory.path / NAME).exists()
    assert "dirty.Name.name = rename" in dirty.notices[0]


def test_notes_and_warnings_are_left_alone_unless_they_are_named(dirty: FixedDumps) -> None:
    values(1, text="'a' || char(0)")
    values(2, timestamp="'0900-01-01 00:00:00'")
    dirty.fixed("dirty.Values.text=drop", "dirty.Values.timestamp=default")
    assert dirty.changes == []
    dirty.fixed("FP113:dirty.Values.text=drop", "FP106=default")
    assert [(change[1], change[5]) for change in dirty.changes] == [(1, "drop"), (2, "default")]


def test_the_closest_declaration_holds(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    values(2, integer="'x'")
    dirty.fixed("FP101:dirty.Values.char=default:c", "dirty.Values.char=truncate", "FP107=default")
    assert [(change[2], change[4]) for change in dirty.changes] == [("integer", 1), ("char", "c")]


def test_a_dropped_object_is_recorded_whole(dirty: FixedDumps) -> None:
    values(1)
    values(2, integer="'x'", char="'sixsix'")
    result = dirty.fixed("dirty.Values=drop")
    ((label, pk, field, old, new, rule),) = dirty.changes
    assert (label, pk, field, new, rule) == (VALUE, 2, None, None, "drop")
    assert (old["model"], old["pk"], old["fields"]["integer"]) == (VALUE, 2, "x")
    assert old["fields"]["date"] == "2020-01-01"
    assert list(dirty.fields(VALUE)) == [1]
    assert (result.changed, result.dropped) == ({}, {VALUE: 1})


def test_null_is_stored_where_the_column_allows_it(dirty: FixedDumps) -> None:
    values(1)
    plant("INSERT INTO dirty_child (id, values_id, loose_id) VALUES (1, 1, 99)")
    dirty.fixed("FP207:dirty.Child.loose=null")
    assert dirty.changes == [("dirty.child", 1, "loose", 99, None, "null")]


def test_references_to_dropped_rows_are_dropped_where_that_is_declared(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    values(2)
    plant("INSERT INTO dirty_child (id, values_id) VALUES (1, 1), (2, 2), (3, 77)")
    plant("INSERT INTO dirty_name (id, name) VALUES (5, 'five')")
    plant("INSERT INTO dirty_child_names (id, child_id, name_id) VALUES (8, 1, 5), (9, 2, 5)")
    dirty.fixed("dirty.Values=drop", "dirty.Child.values=drop", "dirty.Child.names=drop")
    assert [change[:2] for change in dirty.changes] == [
        (VALUE, 1),
        ("dirty.child", 1),
        ("dirty.child", 3),
        ("dirty.child_names", 8),
    ]
    assert list(dirty.fields("dirty.child_names")) == [9]


def test_a_reference_takes_a_declared_default(dirty: FixedDumps) -> None:
    values(1)
    plant("INSERT INTO dirty_child (id, values_id) VALUES (1, 77)")
    there, absent = "dirty.Child.values=default:1", "dirty.Child.values=default:78"
    assert [f.fixed_by for f in dirty.checked(absent).findings if f.id == "FP201"] == [""]
    assert [f.fixed_by for f in dirty.checked(there).findings if f.id == "FP201"] == ["default"]
    dirty.fixed(there)
    assert dirty.changes == [("dirty.child", 1, "values", 77, 1, "default")]


def test_duplicates_of_the_target_get_a_suffix(dirty: FixedDumps) -> None:
    names = ["anna", "Anna", "ANNA-2", "berta", "x" * 20, "X" * 20]
    Name.objects.using(SOURCE).bulk_create([Name(pk=n, name=name) for n, name in enumerate(names)])
    fix = "dirty.Name.name=rename"
    assert [f.fixed_by for f in dirty.checked(fix).findings if f.id == "FP203"] == ["rename"]
    dirty.fixed(fix)
    kept = {pk: fields["name"] for pk, fields in dirty.fields("dirty.name").items()}
    assert kept == {
        0: "anna",
        1: "Anna-3",
        2: "ANNA-2",
        3: "berta",
        4: "x" * 20,
        5: f"{'X' * 18}-2",
    }


SIMILAR = st.text(alphabet="aAáÄ bB2-ß\u0301\u00ad", min_size=1, max_size=6)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(SIMILAR, min_size=2, max_size=12, unique=True))
def test_the_target_takes_all_renamed_values(dirty: FixedDumps, names: list[str]) -> None:
    plant("DELETE FROM dirty_name")
    Name.objects.using(SOURCE).bulk_create(
        [Name(pk=n, name=name) for n, name in enumerate(names, 1)]
    )
    dirty.fixed("dirty.Name.name=rename")
    new = {pk: fields["name"] for pk, fields in dirty.fields("dirty.name").items()}
    with connections[TARGET].cursor() as cursor:
        cursor.executemany("INSERT INTO dirty_name (id, name) VALUES (%s, %s)", new.items())
        cursor.execute("DELETE FROM dirty_name")
    assert new[1] == names[0]
    renamed = {change[1] for change in dirty.changes}
    assert {pk: names[pk - 1] for pk in new.keys() - renamed} == {
        pk: new[pk] for pk in new.keys() - renamed
    }


def test_natural_keys_of_renamed_rows_are_renamed_wherever_they_are_referred_by(
    dirty: FixedDumps,
) -> None:
    plant(
        "INSERT INTO dirty_tag (id, word, broader_id) VALUES (1, ?, NULL)".replace("?", "%s"), "a"
    )
    plant("INSERT INTO dirty_tag (id, word, broader_id) VALUES (2, %s, 1)", "t" * 30)
    plant("INSERT INTO dirty_tag (id, word, broader_id) VALUES (3, 'c', 2)")
    dirty.fixed("dirty.Tag.word=truncate")
    assert dirty.fields("dirty.tag")[3]["broader"] == ["t" * 20]


def test_truncated_values_that_are_equal_need_a_rename(dirty: FixedDumps) -> None:
    plant("INSERT INTO dirty_name (id, name) VALUES (1, %s), (2, %s)", "n" * 20, "n" * 21)
    with pytest.raises(SourceDataError, match=r"dirty.name 2, name: truncate makes it") as refused:
        dirty.fixed("dirty.Name.name=truncate")
    assert "FP203:dirty.Name.name" in refused.value.hint
    dirty.fixed("dirty.Name.name=truncate", "FP203:dirty.Name.name=rename")
    assert dirty.fields("dirty.name")[2]["name"] == f"{'n' * 18}-2"
    assert [change[5] for change in dirty.changes] == ["truncate", "rename"]


def test_sets_of_columns_differ_in_the_declared_column(dirty: FixedDumps) -> None:
    plant("INSERT INTO dirty_pair (id, left, right) VALUES (3, 'b', 3), (4, 'B', 3), (5, 'B', 4)")
    dirty.fixed("dirty.Pair.left=rename")
    assert dirty.changes == [("dirty.pair", 4, "left", "B", "B-2", "rename")]


def test_the_first_of_equal_rows_is_kept(dirty: FixedDumps) -> None:
    plant("INSERT INTO dirty_code (code) VALUES ('x1'), ('X1'), ('y')")
    dirty.fixed("FP203:dirty.Code=drop")
    assert list(dirty.fields("dirty.code")) == ["X1", "y"]


def test_a_dump_is_reused_only_with_the_same_declarations(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    cut, dropped = "dirty.Values.char=truncate", "dirty.Values.char=drop"
    assert dirty.fixed(cut).skipped == ()
    assert dirty.fixed(cut).skipped == ("dirty",)
    assert [change[5] for change in dirty.changes] == ["truncate"]
    assert dirty.fixed(dropped).skipped == ()
    assert [change[5] for change in dirty.changes] == ["drop"]
    assert dirty.fixed().skipped == ()
    assert not (dirty.directory.path / NAME).exists()


def test_changes_of_an_app_whose_dump_is_reused_remain(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    fix = "dirty.Values.char=truncate"
    dirty.fixed(fix, labels=("dirty", "auth"))
    (dirty.directory.dumps / "auth.json").unlink()
    assert dirty.fixed(fix, labels=("dirty", "auth")).skipped == ("dirty",)
    assert len(dirty.changes) == 1


def test_a_dump_without_its_changes_is_not_reused(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    dirty.fixed("dirty.Values.char=truncate")
    (dirty.directory.path / NAME).unlink()
    assert dirty.fixed("dirty.Values.char=truncate").skipped == ()
    assert len(dirty.changes) == 1


def test_changes_are_private(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    dirty.fixed("dirty.Values.char=truncate")
    assert (dirty.directory.path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_source_that_is_not_copied_is_not_fixed(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    with pytest.raises(UsageError, match="a copy of the source"):
        dirty.fixed("dirty.Values.char=truncate", snapshot="transaction")


def test_the_source_stays_as_it_is(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    before = Path(dirty.endpoints.source.settings["NAME"]).read_bytes()
    dirty.fixed("dirty.Values.char=truncate")
    assert Path(dirty.endpoints.source.settings["NAME"]).read_bytes() == before
    assert not list(dirty.directory.path.glob("snapshot*"))


def test_a_finding_stands_where_a_row_is_not_fixed(dirty: FixedDumps) -> None:
    values(1, timestamp="1577836800")
    values(2, timestamp="x'01'")
    result = dirty.checked("dirty.Values.timestamp=epoch")
    (finding,) = [f for f in result.findings if f.id == "FP107"]
    assert (finding.count, finding.fixed_by, result.ok) == (2, "", False)


def test_a_finding_names_the_declarations_that_would_fix_it(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    plant("INSERT INTO dirty_child_names (id, child_id, name_id) VALUES (1, 1, 1)")
    hints = {f.id: f.hint for f in dirty.checked().findings}
    assert '"dirty.Values.char" = "truncate" or "dirty.Values.char" = "default"' in hints["FP101"]
    assert '"null"' not in hints["FP101"]
    assert '"dirty.Child_names" = "drop"' in hints["FP202"]


def test_two_findings_of_a_column_propose_fixes_that_fit_in_one_table(dirty: FixedDumps) -> None:
    values(1, char="'sixsix'")
    values(2, char="CAST(x'ff' AS TEXT)")
    hints = {f.id: f.hint for f in dirty.checked().findings}
    assert '"FP101:dirty.Values.char" = "truncate"' in hints["FP101"]
    assert '"FP111:dirty.Values.char" = "replace"' in hints["FP111"]
    both = ("FP101:dirty.Values.char=truncate", "FP111:dirty.Values.char=replace")
    assert dirty.checked(*both).ok


@pytest.mark.parametrize(
    ("fix", "reason"),
    [
        ("dirty.Nothing=drop", "nothing"),
        ("dirty.Values.nothing=drop", "no field named 'nothing'"),
        ("dirty.Values.char=shorten", "there is no fix 'shorten'"),
        ("FP999=drop", "there is no finding FP999"),
        ("FP301=drop", "drop does not fix FP301"),
        ("FP103:dirty.Values.positive=truncate", "truncate does not fix FP103"),
        ("dirty.Values.char=null", "char does not allow NULL"),
        ("dirty.Values.integer=truncate", "integer is neither text"),
        ("dirty.Values.integer=epoch", "integer is neither a date nor a datetime"),
        ("dirty.Values.integer=default:x", "'x' is not a valid value of integer"),
        ("dirty.Values.char=default:toolong", "'toolong' is not a valid value of char"),
        ("dirty.Values.integer=replace", "integer is not text"),
        ("dirty.Pair.right=rename", "right is not text"),
        ("dirty.Pair.left=default", "left has no default; declare a value"),
        ("dirty.Code.code=rename", "its row can only be dropped"),
        ("dirty.Values.char=drop:x", "drop takes no value"),
    ],
)
def test_a_declaration_that_cannot_apply_is_refused_with_its_name(fix: str, reason: str) -> None:
    declaration = declared(fix)
    with pytest.raises(ConfigurationError) as refused:
        Fixes([declaration])
    assert str(declaration) in refused.value.message
    assert reason.lower() in refused.value.message.lower()


def test_declarations_are_read_from_a_table() -> None:
    table = {"a.B.c": "truncate", "FP103:a.B": {"default": 3}}
    expected = [Declaration("a.B.c", "truncate"), Declaration("FP103:a.B", "default", 3)]
    assert declared_in(table) == expected
    with pytest.raises(ValueError):
        declared_in({"a.B.c": 3})


@given(st.text(min_size=1, max_size=30), st.integers(2, 998), st.integers(4, 30))
def test_a_suffix_fits_and_tells_apart(text: str, number: int, length: int) -> None:
    new = suffixed(text, number, length)
    assert len(new) <= length
    assert new.endswith(f"-{number}")
    assert suffixed(text, number + 1, length) != new


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=6), min_size=1))
def test_cut_text_fits_and_is_the_beginning(dirty: FixedDumps, texts: list[str]) -> None:
    plant("DELETE FROM dirty_values")
    Values.objects.using(SOURCE).bulk_create(
        [Values(pk=n, char=text) for n, text in enumerate(texts)]
    )
    fixes = Fixes([declared("dirty.Values.char=truncate")])
    scan = TableScan(Values, connections[SOURCE], TargetServer(connections[TARGET]), fixes)
    found = {wrong.key: fixed for wrong, fixed in scan.fixed_values()}
    assert found.keys() == {(n,) for n in range(len(texts))}
    for (n,), fixed in found.items():
        assert fixed.steps[-1].new == texts[n][:5]
        assert "FP101" not in fixed.after


@given(st.binary(max_size=30))
def test_replaced_text_is_text_and_clean_text_stays(content: bytes) -> None:
    text = readable(content.decode("utf-8", "surrogateescape"))
    assert "\x00" not in text
    assert text.encode().decode() == text
    assert readable(text) == text
