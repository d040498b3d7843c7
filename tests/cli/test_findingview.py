"""A finding as a person reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixturepipe.cli.findingview import findings_text
from fixturepipe.cli.nextcommand import NextCommand
from fixturepipe.findings.finding import Example
from fixturepipe.findings.rules import RULES
from tests.shop import Shop

NEXT = NextCommand("fixturepipe", {"settings": "a.b"})
LONG = RULES["FP101"].finding("a.b", "c", 9, [Example(1, "x" * 99)], limit="3 characters")
GENERAL = RULES["FP301"].finding()


def test_it_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    text = findings_text([LONG], NEXT, Path("findings.jsonl"))
    assert max(map(len, text.splitlines())) <= 60
    assert text.splitlines()[0] == "FP101 error: a.b.c (9 rows)"
    assert "    … and 8 more rows, in findings.jsonl\n" in text


def test_a_command_in_a_hint_is_whole_and_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = findings_text([GENERAL], NEXT).splitlines()
    assert lines[0] == "FP301 note: The target has no tables"
    assert [line for line in lines if "`fixturepipe --settings a.b run`" in line]


def test_a_check_without_errors_names_the_run(shop: Shop) -> None:
    text = shop.done("check", "--target", "embedded")
    assert text.splitlines()[-1].startswith("Next: ")
    assert text.endswith(" run\n")
