"""What the last check found, in two files of the run directory.

    check.json      the findings without their rows
    findings.jsonl  every row of every finding, one row per line, in the same order:

    {"id": "FP101", "level": "error", "model": "shop.tag", "field": "name", "pk": 17, "value": "x"}

A finding that is not about rows has one line, whose `value` is what it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from fixturepipe.artifacts.jsonfile import now, read_if_whole, read_lines
from fixturepipe.artifacts.rundir import atomic_file
from fixturepipe.findings.finding import Finding, Level, SpooledRows

NAME = "findings.jsonl"
SUMMARY = "check.json"


class RecordedFinding(msgspec.Struct, frozen=True):
    """A finding without its rows; the fields are those of `Finding`."""

    id: str
    level: Level
    model: str
    field: str
    count: int
    consequence: str
    hint: str
    fixed_by: str = ""


class CheckRecord(msgspec.Struct, frozen=True):
    """The last check: `at` is an ISO datetime in UTC."""

    at: str
    findings: list[RecordedFinding]


class FindingRow(msgspec.Struct, frozen=True):
    """A line of `findings.jsonl`."""

    id: str
    model: str
    field: str
    pk: Any = None
    value: Any = None


def write_findings(path: Path, findings: Iterable[Finding], scratch: Path) -> list[Finding]:
    """Replace the file by these findings; gives them with their many rows in this file.

    Written in a directory of the command's own: two checks may write at the same time.
    """
    written = []
    own = scratch / path.name
    with atomic_file(own) as file:
        for finding in findings:
            begin = file.tell()
            where = {n: getattr(finding, n) for n in ("id", "level", "model", "field")}
            if not finding.rows:
                file.write(msgspec.json.encode(where | {"pk": None, "value": finding.consequence}))
                file.write(b"\n")
            for row in finding.rows:
                line = where | {"pk": row.pk, "value": row.value}
                file.write(msgspec.json.encode(line, enc_hook=str) + b"\n")
            rows = finding.rows
            if isinstance(rows, SpooledRows):
                rows = SpooledRows(path, begin, len(rows))
            written.append(replace(finding, rows=rows))
    own.replace(path)
    _write_summary(path.with_name(SUMMARY), written, scratch)
    return written


def read_check(directory: Path) -> CheckRecord | None:
    """The last check of a run directory, or None where none can be read."""
    return read_if_whole(directory / SUMMARY, CheckRecord)


def read_rows(directory: Path) -> Iterator[FindingRow]:
    """The lines of `findings.jsonl`; a line that cannot be read is left out."""
    return read_lines(directory / NAME, FindingRow)


def _write_summary(path: Path, findings: Iterable[Finding], scratch: Path) -> None:
    recorded = msgspec.convert(list(findings), list[RecordedFinding], from_attributes=True)
    own = scratch / path.name
    with atomic_file(own) as file:
        file.write(msgspec.json.encode(CheckRecord(now(), recorded)))
    own.replace(path)
