"""Each finding is documented, under the id and level that it has."""

from __future__ import annotations

import re
from pathlib import Path

from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.declarations import FIX_NAMES, FIXES_FOR

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "findings.md"


def test_every_rule_is_documented_with_its_level() -> None:
    line = r"^\| \[(FP[1-5]\d\d)\]\(#\w+\) \| (\w+) \|"
    documented = re.findall(line, DOCUMENT.read_text(), re.MULTILINE)
    assert documented == [(rule.id, rule.level) for rule in RULES.values()]


def test_every_rule_has_a_section_with_an_example() -> None:
    sections = re.findall(
        r"^### (FP\d+)\n\n<!-- code: rule \1 -->\n\n(?=[^#\s])", DOCUMENT.read_text(), re.MULTILINE
    )
    assert sections == list(RULES)


def test_every_fix_is_documented() -> None:
    table = DOCUMENT.read_text().partition("## Fixes")[2].partition("##")[0]
    assert set(re.findall(r"^\| ([\w-]+) \| .* \| FP", table, re.MULTILINE)) == set(FIX_NAMES)


def test_every_fix_is_for_a_finding() -> None:
    assert set(FIXES_FOR) <= set(RULES)
    assert {name for names in FIXES_FOR.values() for name in names} == set(FIX_NAMES)


def test_rules_are_in_the_order_of_their_ids() -> None:
    assert list(RULES) == sorted(RULES)
