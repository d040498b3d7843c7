"""What SQLite's loose typing lets in: found all at once, named, never changed in silence."""

import json

import pytest
from django.db import connections

from fixturepipe.artifacts.fixtures import FixtureFile
from fixturepipe.errors import SourceDataError
from tests.apps.everyfield.models import Everything

# A column of everyfield.Everything, SQL for a value that a fixture cannot hold, and the reason.
DIRT = {
    "a day that is none": ("date", "'2024-02-30'", "day is out of range"),
    "an empty date": ("date", "''", "Django reads it as None"),
    "a number for a date": ("date", "20240101", "holds int where the field expects str"),
    "a number for a datetime": ("timestamp", "1700000000", "holds int where the field expects str"),
    "an invalid datetime": ("timestamp", "'yesterday'", "Django reads it as None"),
    "a time that is none": ("time", "'25:00'", "hour must be in 0..23"),
    "a time with a zone": ("time", "'10:00:00+02:00'", "cannot have a time zone"),
    "text in a number": ("integer", "'many'", "holds str where the field expects int"),
    "a fraction in an integer": ("integer", "1.5", "holds float where the field expects int"),
    "text in a decimal": ("decimal", "'1,50'", "holds str where the field expects float or int"),
    "a decimal with too many digits": ("decimal", "1e12", "InvalidOperation"),
    "infinity": ("float", "9e999", "not a finite number"),
    "a letter for a boolean": ("boolean", "'t'", "holds str where the field expects int"),
    "another number for a boolean": ("boolean", "2", "neither 0 nor 1"),
    "bytes in text": ("text", "x'6162'", "holds bytes where the field expects str"),
    "text that is not UTF-8": ("char", "CAST(x'ff41' AS TEXT)", "it is not UTF-8"),
    "text in bytes": ("binary", "'abc'", "holds str where the field expects bytes"),
    "bad JSON": ("json", "'{\"a\": '", "JSONDecodeError"),
    "NaN in JSON": ("json", "'[NaN]'", "not JSON compliant"),
    "a lone surrogate": ("json", "'[\"\\ud800\"]'", "lone surrogate"),
    "JSON nested too deep": ("json", f"'{'[' * 198}{']' * 198}'", "more than 197 levels deep"),
    "JSON too deep for Python": ("json", f"'{'[' * 4000}{']' * 4000}'", "more than 197 levels"),
    "a bad UUID": ("uuid", "'not a uuid'", "badly formed hexadecimal UUID string"),
    "text in a duration": ("duration", "'1 day'", "holds str where the field expects int"),
}


def soil(pk, column, value):
    with connections["default"].cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = 1")
        cursor.execute(f'UPDATE everyfield_everything SET "{column}" = {value} WHERE id = {pk}')


@pytest.fixture
def everything():
    """Three clean rows before and after what a test makes dirty."""

    def make(count=3):
        return Everything.objects.bulk_create([Everything(text="clean") for _ in range(count)])

    return make


@pytest.mark.parametrize("kind", DIRT)
def test_an_unserializable_value_is_named_with_its_reason(dumped, everything, kind):
    column, value, reason = DIRT[kind]
    everything()
    soil(2, column, value)
    result = dumped("everyfield", on_error="reject")
    (problem,) = result.problems
    assert (problem.model, problem.pk, problem.field) == ("everyfield.everything", 2, column)
    assert reason in problem.reason
    assert list(dumped.fields("everyfield.everything")) == [1, 3]


def test_all_problems_are_named_at_once_and_no_file_is_written(dumped, everything):
    everything(2)
    soil(1, "date", "'never'")
    soil(1, "uuid", "'x'")
    soil(2, "json", "'{'")
    with pytest.raises(SourceDataError) as refused:
        dumped("everyfield", "auth")
    message = refused.value.message
    assert "A fixture cannot hold the values of 2 objects" in message
    assert "everyfield.everything pk=1, date: 'never'" in message
    assert "everyfield.everything pk=1, uuid: 'x'" in message
    assert "everyfield.everything pk=2, json: '{'" in message
    assert [path.name for path in dumped.directory.dumps.iterdir()] == ["auth.json"]
    assert [dump.app for dump in dumped.manifest.dumps] == ["auth"]
    assert list(dumped.directory.rejects.iterdir()) == []


def test_rejected_objects_are_kept_with_their_reasons(dumped, everything):
    everything()
    soil(2, "date", "'never'")
    soil(2, "text", "x'ff00'")
    result = dumped("everyfield", on_error="reject")
    assert result.rejected == {"everyfield.everything": 1}
    assert dumped.manifest.dumps[0].rejected == 1
    (kept,) = json.loads((dumped.directory.rejects / "dump-everyfield.json").read_text())
    assert (kept["model"], kept["pk"]) == ("everyfield.everything", 2)
    assert (kept["fields"]["date"], kept["fields"]["text"]) == ("never", "/wA=")
    path = dumped.directory.rejects / "dump-everyfield.reasons.json"
    (reason,) = json.loads(path.read_text())
    assert (reason["pk"], reason["field"]) == (2, "date")
    assert "date: " in reason["text"]
    assert "text: " in reason["text"]


def test_rejected_objects_are_reported_by_each_dump(dumped, everything):
    everything()
    soil(2, "date", "'never'")
    first = dumped("everyfield", on_error="reject")
    assert dumped("everyfield", on_error="reject").problems == first.problems != ()


def test_rejects_disappear_once_the_source_is_corrected(dumped, everything):
    everything()
    soil(2, "date", "'never'")
    dumped("everyfield", on_error="reject")
    soil(2, "date", "'2024-01-01'")
    assert dumped("everyfield", on_error="reject").rejected == {}
    assert list(dumped.directory.rejects.iterdir()) == []


def test_what_follows_undecodable_text_is_read_once(dumped, everything):
    everything(4_500)
    soil(2_100, "text", "CAST(x'c3' AS TEXT)")
    soil(4_100, "char", "CAST(x'c3' AS TEXT)")
    result = dumped("everyfield", on_error="reject")
    assert [problem.pk for problem in result.problems] == [2_100, 4_100]
    keys = list(dumped.fields("everyfield.everything"))
    assert keys == [pk for pk in range(1, 4_501) if pk not in (2_100, 4_100)]


def test_undecodable_bytes_are_shown(dumped, everything):
    everything(1)
    soil(1, "char", "CAST(x'ff41' AS TEXT)")
    (problem,) = dumped("everyfield", on_error="reject").problems
    assert problem.raw == r"\xffA"


def test_json_null_is_distinguished_from_sql_null(dumped):
    Everything.objects.bulk_create([Everything() for _ in range(3)])
    soil(2, "json", "'null'")
    dumped("everyfield")
    assert dumped.manifest.json_nulls == {"everyfield.everything": {"json": [2]}}
    soil(1, "json", "'null'")
    soil(3, "json", "'null'")
    dumped("everyfield")
    assert dumped.manifest.json_nulls == {"everyfield.everything": {"json": "all"}}


def test_json_as_deep_as_a_fixture_carries_is_dumped_and_read_again(dumped, everything):
    everything(2)
    soil(1, "json", f"'{'[' * 197}{']' * 197}'")
    soil(2, "json", f"'[\"{'[' * 300}\"]'")
    dumped("everyfield")
    fixture = FixtureFile(dumped.directory.dumps / "everyfield.json")
    assert [each["pk"] for each in fixture.objects()] == [1, 2]
