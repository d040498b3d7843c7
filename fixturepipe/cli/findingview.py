"""Findings as text: where, what happens if nothing is done, the first rows, what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from fixturepipe.cli.nextcommand import NextCommand
from fixturepipe.cli.objectview import shortened
from fixturepipe.wording import counted

if TYPE_CHECKING:
    from fixturepipe import Finding

_INDENT = "    "
# A stream that is no terminal gets whole lines.
_UNLIMITED = 10_000
_VALUE = 120


def findings_text(
    findings: Iterable[Finding], next_command: NextCommand, file: Path | None = None
) -> str:
    """The findings, with an empty line after each. `file` has the rows that are not shown."""
    return "".join(f"{_text(finding, next_command, file)}\n\n" for finding in findings)


def _text(finding: Finding, next_command: NextCommand, file: Path | None) -> str:
    where = ".".join(part for part in (finding.model, finding.field) if part)
    rows = f" ({counted(finding.count, 'row')})" if finding.examples else ""
    head = f"{finding.id} {finding.level}: {where}{rows}"
    # A finding about no column has its sentence in the first line.
    lines = (
        [head, _wrapped(finding.consequence)]
        if where
        else [_wrapped(head + finding.consequence, "")]
    )
    width = min(_VALUE, get_terminal_size((_UNLIMITED, 24)).columns - 24)
    for example in finding.examples:
        lines.append(f"{_INDENT}pk {example.pk}: {shortened(example.value, max(20, width))}")
    more = finding.count - len(finding.examples)
    if finding.rows and more > 0 and file is not None:
        lines.append(f"{_INDENT}… and {counted(more, 'more row')}, in {file}")
    if finding.fixed_by:
        lines.append(f"{_INDENT}fixed by {finding.fixed_by}")
    elif finding.hint:
        lines.append(_wrapped(f"hint: {next_command.completed(finding.hint)}"))
    return "\n".join(lines)


def _wrapped(text: str, first_indent: str = _INDENT) -> str:
    """A sentence in lines as wide as the terminal. One that has a command to paste is one line."""
    if "`" in text:
        return first_indent + text
    return textwrap.fill(
        text,
        get_terminal_size((_UNLIMITED, 24)).columns,
        initial_indent=first_indent,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
