"""check names rows that break the target's CHECK constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from django.db import DatabaseError, IntegrityError, connections, models
from django.db.models.functions import Cast, Concat, Length, Lower, NullIf

from fixturepipe.check.constraints import broken_checks
from fixturepipe.check.repair import Repair
from fixturepipe.check.scan import TableScan
from fixturepipe.check.stage import CheckOptions, CheckResult, Estimate, check, check_tables
from fixturepipe.check.tabletrial import TableTrial
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoint, Endpoints
from fixturepipe.databases.fields import Field
from fixturepipe.databases.pages import Row
from fixturepipe.events import ignore
from fixturepipe.findings.finding import Finding
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.fixes import NO_FIXES
from fixturepipe.fixes.values import AfterFixes, NewValue
from tests.apps.loading.models import Strict, Watched
from tests.dirty import plant, unprotected
from tests.django_versions import CONDITION


@pytest.fixture
def both(migrated: Endpoints) -> Iterator[Endpoints]:
    unprotected()
    yield migrated
    plant("DELETE FROM loading_strict")


def strict(pk: int, positive: object = 1, short: str = "a") -> None:
    plant(
        "INSERT INTO loading_strict (id, short, once, small, positive) VALUES (%s, %s, %s, 1, %s)",
        pk,
        short,
        str(pk),
        positive,
    )


def found(endpoints: Endpoints) -> list[Finding]:
    result = check(endpoints, CheckOptions(labels=("loading.strict",)), ignore)
    return [each for each in result.findings if each.id < "FP300"]


def found_after_migrating(endpoints: Endpoints) -> list[Finding]:
    options = CheckOptions(labels=("loading.strict",))
    before = CheckResult((), 0, 0, Estimate(0, 0), saw_tables=False)
    result = check_tables(endpoints, options, before, ignore)
    return [each for each in result.findings if each.id < "FP300"]


def in_target(statement: str) -> None:
    with connections[TARGET].cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def constrained(
    both: Endpoints, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Endpoints]:
    """Strict has one more constraint, with the condition given, in the target only."""
    constraint = models.CheckConstraint(**{CONDITION: request.param}, name="one_more")
    monkeypatch.setattr(Strict._meta, "constraints", [*Strict._meta.constraints, constraint])
    with connections[TARGET].schema_editor() as editor:
        editor.add_constraint(Strict, constraint)
    yield both
    with connections[TARGET].schema_editor() as editor:
        editor.remove_constraint(Strict, constraint)


def test_rows_that_break_a_check_are_named(both: Endpoints) -> None:
    strict(1)
    strict(2, positive=0)
    strict(3, positive=-7)
    (finding,) = found(both)
    assert (finding.id, finding.level, finding.field, finding.count) == (
        "FP209",
        "error",
        "positive",
        2,
    )
    assert [(e.pk, e.value) for e in finding.examples] == [(2, 0), (3, -7)]
    assert "gt0" in finding.consequence


def test_a_check_that_the_target_lacks_or_does_not_enforce_refuses_nothing(both: Endpoints) -> None:
    strict(2, positive=0)
    is_mariadb = connections[TARGET].mysql_is_mariadb  # type: ignore[attr-defined]
    drop, back = (
        ("DROP CONSTRAINT gt0", "ADD CONSTRAINT gt0 CHECK (positive > 0)")
        if is_mariadb
        else ("ALTER CHECK gt0 NOT ENFORCED", "ALTER CHECK gt0 ENFORCED")
    )
    in_target(f"ALTER TABLE loading_strict {drop}")
    try:
        assert found(both) == []
    finally:
        in_target(f"ALTER TABLE loading_strict {back}")


@pytest.mark.parametrize(
    "constrained", [models.Q(price__gte=1) | models.Q(price__lt=0)], indirect=True
)
def test_null_meets_a_check(constrained: Endpoints) -> None:
    strict(1)
    plant("UPDATE loading_strict SET price = NULL")
    assert found(constrained) == []
    plant("UPDATE loading_strict SET price = 0.5")
    (finding,) = found(constrained)
    assert (finding.id, finding.field) == ("FP209", "price")


@pytest.mark.parametrize(
    "constrained",
    [
        models.Q(positive=models.F("positive") % models.F("small") + models.F("small")),
        models.Q(short__startswith="100%", small=models.F("positive")),
        models.lookups.LessThan(Length("short") + models.F("positive"), 3),
    ],
    indirect=True,
    ids=["columns only", "a percent sign", "an expression"],
)
def test_conditions_of_any_form_are_asked_of_the_source(constrained: Endpoints) -> None:
    strict(1, short="100%a", positive=3)
    (finding,) = found(constrained)
    assert (finding.id, finding.count) == ("FP209", 1)
    assert "one_more" in finding.consequence


# SQLite and the servers disagree on all of these for some row of SHORTS.
DISAGREED = {
    "a regular expression": models.Q(short__regex=r"^\w+$"),
    "case": models.Q(short__startswith="a") | models.Q(short__contains="z"),
    "a collation": ~models.Q(short__in=["abc", "z"]),
    "length": models.lookups.LessThan(Length(Concat("short", "once")), 5),
    "division": models.lookups.LessThan(models.F("positive") / models.Value(2), 2),
    "a cast": models.lookups.Exact(Cast("short", models.IntegerField()), models.Value(0)),
}
SHORTS = ["abc", "Abc", "Жук", "a b", "ábc", "7", "7x", "Z "]


def refused_rows(fill: Callable[[str, tuple[object, ...]], None]) -> list[int]:
    """Those of the rows that the target itself refuses, by key."""
    refused = []
    for pk, short in enumerate(SHORTS, 1):
        try:
            fill(
                "INSERT INTO loading_strict (id, short, once, small, positive)"
                " VALUES (%s, %s, %s, 1, %s)",
                (pk, short, str(pk), pk),
            )
        except DatabaseError:
            refused.append(pk)
    return refused


@pytest.mark.parametrize(
    "constrained", [pytest.param(q, id=name) for name, q in DISAGREED.items()], indirect=True
)
def test_the_target_says_itself_which_rows_break_a_check(
    constrained: Endpoints, empty_target: Endpoint
) -> None:
    for pk, short in enumerate(SHORTS, 1):
        strict(pk, short=short, positive=pk)
    # What a unique column refuses is another finding's.
    plant("UPDATE loading_strict SET once = CASE id WHEN 1 THEN 'x' ELSE 'X' END WHERE id < 3")
    with connections[TARGET].cursor() as cursor:
        refused = refused_rows(cursor.execute)
        cursor.execute("DELETE FROM loading_strict")
    named = [row.pk for f in found(constrained) if f.id == "FP209" for row in f.rows]
    assert named == refused
    # The same before the target has tables.
    Endpoints("default", constrained.source, empty_target).open()
    try:
        ahead = list(broken_checks(Strict, connections[SOURCE], TargetServer.registered()))
    finally:
        constrained.open()
    assert [(f.id, row.pk) for f in ahead for row in f.rows] == [("FP209", pk) for pk in refused]


def test_a_check_that_only_the_target_has_is_met(both: Endpoints) -> None:
    strict(1, short="a")
    strict(2, short="b")
    is_mysql = not connections[TARGET].mysql_is_mariadb  # type: ignore[attr-defined]
    in_target("ALTER TABLE loading_strict ADD CONSTRAINT ours CHECK (short <> 'b' AND once <> '')")
    try:
        (finding,) = found(both)
        if is_mysql:
            in_target("SET SESSION sql_require_primary_key = 1")
        same = list(broken_checks(Strict, connections[SOURCE], TargetServer.registered()))
        # A migration of the project's own may have made it.
        (met,) = found_after_migrating(both)
    finally:
        in_target("ALTER TABLE loading_strict DROP CONSTRAINT ours")
        if is_mysql:
            in_target("SET SESSION sql_require_primary_key = 0")
    assert same == [met] == [finding]
    assert (finding.id, finding.field, [e.pk for e in finding.examples]) == (
        "FP209",
        "short, once",
        [2],
    )
    assert "constraint ours" in finding.consequence


def test_a_transform_may_correct_what_breaks_a_check(both: Endpoints) -> None:
    strict(1, short="a")
    strict(2, short="b", positive=0)
    strict(3, short="c", positive=-1)

    def transform(field: Field, key: Row, _: AfterFixes) -> NewValue | None:
        return NewValue(7) if (field.name, key) == ("positive", (2,)) else None

    def checked() -> list[str]:
        target = TargetServer.registered()
        scan = TableScan(Strict, connections[SOURCE], target, NO_FIXES, transform)
        found = broken_checks(Strict, connections[SOURCE], target, scan.altered)
        return [each.fixed_by for each in found]

    assert checked() == [""]
    plant("DELETE FROM loading_strict WHERE id = 3")
    assert checked() == ["the declared fixes and the transform"]


def test_a_unique_index_that_only_the_target_has_is_met(both: Endpoints) -> None:
    strict(1, short="a")
    strict(2, short="A")
    strict(3, short="b", positive=2)
    in_target("ALTER TABLE loading_strict ADD UNIQUE INDEX ours (short, positive)")
    try:
        (finding,) = found(both)
        assert found_after_migrating(both) == [finding]
    finally:
        in_target("ALTER TABLE loading_strict DROP INDEX ours")
    assert (finding.id, finding.field, [e.pk for e in finding.examples]) == (
        "FP203",
        "short, positive",
        [1, 2],
    )


def test_a_condition_that_the_source_cannot_judge_is_a_warning(
    both: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict(1)
    condition = models.expressions.RawSQL("no_such_function(short)", (), models.BooleanField())
    constraint = models.CheckConstraint(**{CONDITION: condition}, name="gt0")
    monkeypatch.setattr(Strict._meta, "constraints", [constraint])
    facts = replace(TargetServer.registered().facts, table_refusal=DatabaseError(1044))
    (finding,) = broken_checks(Strict, connections[SOURCE], TargetServer.registered(facts))
    assert (finding.id, finding.level) == ("FP210", "warning")
    assert "no_such_function" in finding.consequence


def test_a_name_that_two_tables_give_a_check_is_refused_as_by_the_server(
    both: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = models.CheckConstraint(**{CONDITION: models.Q(name__gt="")}, name="GT0")
    monkeypatch.setattr(Watched._meta, "constraints", [again])
    trial = TableTrial(connections[TARGET], NO_FIXES)
    named = [(f.id, f.model) for f in trial.findings([Strict, Watched])]
    try:
        with connections[TARGET].schema_editor() as editor:
            editor.add_constraint(Watched, again)
            editor.remove_constraint(Watched, again)
    except DatabaseError:
        assert named == [("FP317", "loading.watched")]
    else:
        assert named == []


@pytest.fixture
def unique_by(
    both: Endpoints, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[bool]:
    """Strict is unique by the expressions given, in the target only; whether it has that."""
    constraint = models.UniqueConstraint(*request.param, name="by_expression")
    monkeypatch.setattr(Strict._meta, "constraints", [constraint])
    with connections[TARGET].schema_editor() as editor:
        editor.add_constraint(Strict, constraint)
    yield connections[TARGET].features.supports_expression_indexes
    with connections[TARGET].schema_editor() as editor:
        editor.remove_constraint(Strict, constraint)


def refused(values: list[tuple[str, int]]) -> bool:
    """Whether the target itself refuses the rows."""
    with connections[TARGET].cursor() as cursor:
        try:
            for pk, (short, positive) in enumerate(values, 1):
                cursor.execute(
                    "INSERT INTO loading_strict (short, once, small, positive)"
                    " VALUES (%s, %s, 1, %s)",
                    [short, str(pk), positive],
                )
        except IntegrityError:
            return True
        finally:
            cursor.execute("DELETE FROM loading_strict")
    return False


LOWER = (Lower("short"),)
SET = (models.F("positive"), Lower("short").desc())
SUM = (models.F("positive") + models.F("small"),)


@pytest.mark.parametrize(
    ("unique_by", "values"),
    [
        (LOWER, [("anna", 1), ("bert", 2), ("Anna", 3)]),
        (LOWER, [("anna", 1), ("bert", 2), ("änna", 3)]),
        (LOWER, [("anna", 1), ("bert", 2), ("anna", 3)]),
        (LOWER, [("anna", 1), ("bert", 2), ("anna ", 3)]),
        (SET, [("anna", 1), ("bert", 1), ("Anna", 1)]),
        (SET, [("anna", 1), ("bert", 1), ("Anna", 2)]),
        (SUM, [("a", 1), ("b", 2), ("c", 1)]),
        (SUM, [("a", 1), ("b", 2), ("c", 3)]),
        ((NullIf("short", models.Value("%")),), [("%", 1), ("b", 2), ("%", 3)]),
    ],
    indirect=["unique_by"],
)
def test_what_an_expression_takes_for_the_same_is_named_as_the_target_refuses_it(
    both: Endpoints, unique_by: bool, values: list[tuple[str, int]]
) -> None:
    for pk, (short, positive) in enumerate(values, 1):
        strict(pk, short=short, positive=positive)
    named = [(f.id, [e.pk for e in f.examples]) for f in found(both)]
    assert named == ([("FP203", [1, 3])] if refused(values) else [])
    assert unique_by or not named


@pytest.mark.parametrize("unique_by", [LOWER], indirect=True)
@pytest.mark.parametrize("fix", ["rename", "drop"])
def test_the_dump_fixes_what_check_calls_fixed(both: Endpoints, unique_by: bool, fix: str) -> None:
    for pk, short in enumerate(["anna", "Anna", "bert"], 1):
        strict(pk, short=short)
    declaration = Declaration("loading.Strict.short", fix)
    chosen = CheckOptions(labels=("loading.strict",), fix=(declaration,))
    fixed_by = [f.fixed_by for f in check(both, chosen, ignore).findings if f.id == "FP203"]
    assert fixed_by == ([fix] if unique_by else [])
    changes = Repair(both, (declaration,))(connections[SOURCE], [Strict])
    assert len(changes) == int(unique_by)
    assert found(both) == []
