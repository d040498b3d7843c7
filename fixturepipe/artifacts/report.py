"""The report of a run: one HTML page without any other file, and the same as JSON.

Made from the run directory alone, so it can be made at any time and sent to anybody: it holds
counts, names and the first differences, never a whole object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

import msgspec

from fixturepipe.artifacts.loadstatus import read_load_status
from fixturepipe.artifacts.manifest import Chunk, Manifest, NotCovered, read_manifest
from fixturepipe.artifacts.ranges import numbers_in
from fixturepipe.artifacts.rundir import RunDirectory, atomic_file
from fixturepipe.artifacts.state import State, Verification, read_state, read_verification

PAGE, DATA = "report.html", "report.json"

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
       color: #1b1b1b; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.good { color: #176b2c } .bad { color: #a4161a } .bad, .good { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #161616 } th, td { border-color: #3a3a3a }
  .good { color: #6fce87 } .bad { color: #ff8a8d } }
"""


class Report(msgspec.Struct, frozen=True):
    """All that the page shows."""

    state: State
    created: str
    fingerprint: dict[str, Any]
    not_covered: list[NotCovered]
    chunks: tuple[Chunk, ...]
    loaded: tuple[int, ...]
    verification: Verification | None


def write_report(directory: RunDirectory) -> Report:
    """Write `report.html` and `report.json` into the run directory.

    Raises RunDirectoryError where there is no run.
    """
    report = _collected(directory, read_manifest(directory))
    with atomic_file(directory.path / DATA) as file:
        file.write(msgspec.json.format(msgspec.json.encode(report), indent=1))
    with atomic_file(directory.path / PAGE) as file:
        file.write("".join(_page(report)).encode())
    return report


def _collected(directory: RunDirectory, manifest: Manifest) -> Report:
    load_status = read_load_status(directory, manifest.run)
    return Report(
        state=read_state(directory),
        created=manifest.created,
        fingerprint=manifest.source.fingerprint if manifest.source else {},
        not_covered=manifest.not_covered,
        chunks=manifest.arrangement.chunks if manifest.arrangement else (),
        loaded=tuple(sorted(numbers_in(load_status.loaded))) if load_status else (),
        verification=read_verification(directory, manifest.run),
    )


def _page(report: Report) -> Iterator[str]:
    state = report.state
    yield "<!doctype html><html lang=en><meta charset=utf-8>"
    yield f"<title>fixturepipe: run {escape(state.run)}</title><style>{_STYLE}</style>"
    yield f"<h1>{escape(state.source)} → {escape(state.target or 'no target yet')}</h1>"
    yield f"<p>Run {escape(state.run)}, begun {escape(report.created)}. {_verdict(state)}</p>"
    if state.error:
        yield f"<p class=bad>{escape(state.error)}</p><p>{escape(state.hint)}</p>"
    yield from _models(state)
    yield from _differences(report.verification)
    yield from _table(
        "Not covered", ("name", "reason"), ((x.name, x.reason) for x in report.not_covered)
    )
    yield from _chunks(report)


def _verdict(state: State) -> str:
    if state.verified:
        return "<span class=good>Source and target are equal.</span>"
    if state.verified is not None:
        return "<span class=bad>Source and target differ.</span>"
    return f"Next: <code>fixturepipe {escape(state.next)}</code>"


def _models(state: State) -> Iterator[str]:
    head = ("dumped", "changed", "dropped", "arranged", "loaded", "rejected", "verified")
    rows = ((m.label, *(getattr(m, name) for name in head)) for m in state.models)
    return _table("Models", ("model", *head), rows)


def _differences(verification: Verification | None) -> Iterator[str]:
    if verification is None:
        return iter(())
    head = ("kind", "table", "pk", "column", "source", "target")
    rows = ([each.get(name) for name in head] for each in verification.differences)
    return _table("Differences", head, rows)


def _chunks(report: Report) -> Iterator[str]:
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


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    lines = ["<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows]
    if lines:
        heads = "".join(f"<th>{escape(name)}</th>" for name in head)
        yield f"<h2>{escape(title)}</h2><table><tr>{heads}</tr>{''.join(lines)}</table>"


def _cell(value: Any) -> str:
    if value is None:
        return "<td></td>"
    return f"<td class=n>{value:,}</td>" if type(value) is int else f"<td>{escape(str(value))}</td>"
