"""`findings.jsonl`: every finding of the last check in the run directory, a row a line.

    {"id": "FP101", "level": "error", "model": "shop.tag", "field": "name", "pk": 17, "value": "x"}

A finding that is not about rows has one line, whose `value` is what it says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from fixturepipe.artifacts.rundir import atomic_file
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rows import SpooledRows

NAME = "findings.jsonl"


def write_findings(path: Path, findings: Iterable[Finding], scratch: Path) -> list[Finding]:
    """Replace the file by these findings; gives them with their many rows in this file.

    Written in a directory of the command's own: two checks may write at the same time.
    """
    written = []
    own = scratch / path.name
    with atomic_file(own) as file:
        for finding in findings:
            begin = file.tell()
            where = {
                "id": finding.id,
                "level": finding.level,
                "model": finding.model,
                "field": finding.field,
            }
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
    return written
