"""Each finding is documented, under the id and level that it has."""

from __future__ import annotations

import re
from pathlib import Path

from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.declarations import FIX_NAMES, FIXES_FOR

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "findings.md"


def test_every_rule_stands_in_the_documentation_with_its_level() -> None:
    documented = re.findall(r"^\| (FP[1-4]\d\d) \| (\w+) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert documented == [(rule.id, rule.level) for rule in RULES.values()]


def test_every_remedy_stands_in_the_documentation() -> None:
    table = DOCUMENT.read_text().partition("## Remedies")[2].partition("##")[0]
    assert set(re.findall(r"^\| (\w+) \| .* \| FP", table, re.MULTILINE)) == set(FIX_NAMES)


def test_what_is_mended_is_a_finding() -> None:
    assert set(FIXES_FOR) <= set(RULES)


def test_ids_are_told_in_order() -> None:
    assert list(RULES) == sorted(RULES)
