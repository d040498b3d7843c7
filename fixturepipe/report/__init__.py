"""The report of a run: one HTML page without any other file, and the same as JSON.

Made from the run directory alone, so it can be made at any time and sent to anybody: it holds
counts, names and the first differences, never a whole object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from django.template import Context, Engine

from fixturepipe.artifacts.jsonfile import write_json
from fixturepipe.artifacts.loadstatus import read_load_status
from fixturepipe.artifacts.manifest import (
    Chunk,
    Manifest,
    NotCovered,
    SchemaChange,
    read_manifest,
)
from fixturepipe.artifacts.ranges import numbers_in
from fixturepipe.artifacts.rundir import RunDirectory, atomic_file
from fixturepipe.artifacts.state import State, Verification, read_state, read_verification

PAGE, DATA = "report.html", "report.json"
_TEMPLATE = Path(__file__).with_name("page.html")


class Report(msgspec.Struct, frozen=True):
    """All that the page shows."""

    state: State
    created: str
    fingerprint: dict[str, Any]
    not_covered: list[NotCovered]
    altered_fields: list[tuple[str, str]]
    chunks: tuple[Chunk, ...]
    loaded: tuple[int, ...]
    verification: Verification | None
    schema_changes: list[SchemaChange]


def write_report(directory: RunDirectory) -> Report:
    """Write `report.html` and `report.json` into the run directory.

    Raises RunDirectoryError where there is no run.
    """
    report = _collected(directory, read_manifest(directory))
    write_json(directory.path / DATA, report)
    with atomic_file(directory.path / PAGE) as file:
        file.write(_page(report).encode())
    return report


def _collected(directory: RunDirectory, manifest: Manifest) -> Report:
    load_status = read_load_status(directory, manifest.run)
    return Report(
        state=read_state(directory),
        created=manifest.created,
        fingerprint=manifest.source.fingerprint if manifest.source else {},
        not_covered=manifest.not_covered,
        altered_fields=manifest.altered_fields,
        chunks=manifest.arrangement.chunks if manifest.arrangement else (),
        loaded=tuple(sorted(numbers_in(load_status.loaded))) if load_status else (),
        verification=read_verification(directory, manifest.run),
        schema_changes=manifest.schema_changes,
    )


class _Cell(NamedTuple):
    text: str
    is_number: bool


class _Table(NamedTuple):
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[_Cell]]


def _page(report: Report) -> str:
    # All values are text: the template needs no settings to write numbers or dates.
    context = {
        "state": report.state,
        "created": report.created,
        "verified": report.state.verified,
        "tables": [
            _models(report.state),
            _differences(report.verification),
            _table(
                "Not covered", ("name", "reason"), ((x.name, x.reason) for x in report.not_covered)
            ),
            _table(
                "Fields that stock loaddata would change", ("model", "field"), report.altered_fields
            ),
            _schema_changes(report.schema_changes),
            _chunks(report),
        ],
    }
    template = Engine().from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(Context(context, use_l10n=False, use_tz=False))


def _models(state: State) -> _Table:
    head = ("dumped", "changed", "dropped", "arranged", "loaded", "rejected", "verified")
    rows = ((m.label, *(getattr(m, name) for name in head)) for m in state.models)
    return _table("Models", ("model", *head), rows)


def _differences(verification: Verification | None) -> _Table:
    head = ("kind", "table", "pk", "column", "source", "target")
    found = verification.differences if verification else []
    return _table("Differences", head, ([each.get(name) for name in head] for each in found))


def _schema_changes(changes: Sequence[SchemaChange]) -> _Table:
    """Indexes that the target's tables do not have as the models ask for."""
    head = ("model", "fields", "index", "fix", "statement", "operation that a migration needs")
    rows = (
        (c.model, ", ".join(c.fields), c.index, c.fix, c.statement, c.migration) for c in changes
    )
    return _table("Indexes that differ from the models", head, rows)


def _chunks(report: Report) -> _Table:
    loaded = set(report.loaded)
    rows = (
        (
            chunk.number,
            ", ".join(f"{label} {count:,}" for label, count in chunk.models.items()),
            chunk.objects,
            chunk.bytes,
            "loaded" if chunk.number in loaded else "",
        )
        for chunk in report.chunks
    )
    return _table("Chunks", ("chunk", "models", "objects", "bytes", "state"), rows)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> _Table:
    return _Table(title, head, [[_cell(value) for value in row] for row in rows])


def _cell(value: Any) -> _Cell:
    if type(value) is int:
        return _Cell(f"{value:,}", is_number=True)
    return _Cell("" if value is None else str(value), is_number=False)
