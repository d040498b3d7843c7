"""`--json`: what each command prints is what its schema says."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from fixturepipe.check.stage import CheckResult, Estimate
from fixturepipe.cli.commandtable import COMMANDS
from fixturepipe.cli.output import encoded, schema_of, write_schemas
from fixturepipe.findings.finding import Example, RowCollector, spooled_in
from fixturepipe.findings.rules import RULES
from tests.shop import Shop

# In an order in which each has something to say.
CALLS = (
    "check",
    "run",
    "dump",
    "arrange",
    "load",
    "verify",
    "verify --row sites.site:1",
    "verify --row sites.site:999",
    "status",
    "status --graph",
    "sync --dry-run",
    "sync",
    "inspect",
    "inspect 1 2 --objects 1",
    "inspect --model sites.site --pk 1",
    "inspect --model sites.site --pk 999",
    "report",
    "server status",
    "clean --yes",
    "clean --yes",
)


def valid(command: str, text: str | bytes) -> None:
    """Raise ValidationError where a text is not what the schema says."""
    schema = schema_of(command)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(text), schema)


def test_what_each_command_prints_is_what_its_schema_says(shop_target: Shop) -> None:
    for call in CALLS:
        done = shop_target.run(*call.split(), "--json")
        assert done.returncode in (0, 1), f"{call}: {done.stderr}"
        valid(call.split()[0], done.stdout)
    assert {call.split()[0] for call in CALLS} == {command.name for command in COMMANDS} - {
        "completion"
    }


def test_json_has_all_rows_of_a_finding_however_many(tmp_path: Path) -> None:
    with spooled_in(tmp_path):
        rows = RowCollector()
        for pk in range(2_500):
            rows.add(Example(pk, "x"))
        finding = RULES["FP101"].finding("a.b", "c", 2_500, rows.rows(), limit=1)
        text = encoded("check", CheckResult((finding,), 0, 1.0, Estimate(1, 1.0)))
    valid("check", text)
    assert [row["pk"] for row in json.loads(text)["findings"][0]["rows"]] == list(range(2_500))


def test_a_schema_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    schema = json.loads((tmp_path / "clean.json").read_text())
    output = {"command": "clean", "version": 1, "workdir": "w", "gone": True, "ledger_kept": False}
    jsonschema.validate(output, schema)
    for wrong in ({"version": 2}, {"more": 1}, {"gone": "yes"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(output | wrong, schema)
