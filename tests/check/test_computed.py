"""What the target computes itself is named before anything is written."""

from __future__ import annotations

from pathlib import Path

from django.db import connections
from django.db.models import F

from fixturepipe.check.options import CheckOptions
from fixturepipe.check.stage import CheckResult, check
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints
from fixturepipe.events import ignore
from tests.apps.hidden.models import House
from tests.django_versions import needs_generated_fields


def execute(statement: str) -> None:
    with connections[TARGET].cursor() as cursor:
        cursor.execute(statement)


def checked(endpoints: Endpoints, tmp_path: Path) -> CheckResult:
    return check(endpoints, CheckOptions(workdir=tmp_path / "run"), ignore)


def found(result: CheckResult, rule: str) -> list[tuple[str, str, int]]:
    return [(f.model, f.field, f.count) for f in result.findings if f.id == rule]


def test_a_trigger_that_fires_on_load_is_an_error(endpoints: Endpoints, tmp_path: Path) -> None:
    assert not found(checked(endpoints, tmp_path), "FP330")
    execute("CREATE TRIGGER made BEFORE INSERT ON hidden_house FOR EACH ROW SET NEW.number = 7")
    execute("CREATE TRIGGER gone AFTER DELETE ON hidden_house FOR EACH ROW SET @gone = 1")
    (finding,) = [f for f in checked(endpoints, tmp_path).findings if f.id == "FP330"]
    assert (finding.model, finding.level) == ("hidden.house", "error")
    assert "The trigger made of the target fires BEFORE INSERT on hidden_house" in (
        finding.consequence
    )
    assert "DROP TRIGGER `made`" in finding.hint


@needs_generated_fields
def test_generated_values_are_asked_of_the_target(endpoints: Endpoints, tmp_path: Path) -> None:
    houses = House._base_manager.using(SOURCE)
    for number in (-3, 0, 5):
        houses.create(number=number)
    assert not found(checked(endpoints, tmp_path), "FP331")
    with connections[SOURCE].cursor() as cursor:
        # An expression of another meaning: what a server of another kind would compute.
        cursor.execute("PRAGMA writable_schema = 1")
        cursor.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '\"number\" * 2', 'abs(\"number\") * 2')"
        )
        cursor.execute("PRAGMA writable_schema = 0")
    connections[SOURCE].close()
    houses.update(number=F("number"))
    result = checked(endpoints, tmp_path)
    assert found(result, "FP331") == [("hidden.house", "doubled", 1)]
    (finding,) = [f for f in result.findings if f.id == "FP331"]
    assert [each.value for each in finding.examples] == ["6 -> -6"]
