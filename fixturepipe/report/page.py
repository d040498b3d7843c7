"""The page: a report through Django's template engine, which escapes every value.

Python prepares what a template cannot say well: which sections there are, and the geometry of the
pictures. The style sheet and the script are files of this package, put into the page.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from django.template import Context, Engine

from fixturepipe.report.data import Report
from fixturepipe.report.filters import number
from fixturepipe.report.graphpicture import graph_picture
from fixturepipe.report.timeline import stage_bars, ticks, worker_bars

_FILES = Path(__file__).parent
_ORDER = ("different", "excepted", "open", "equal")


class Section(NamedTuple):
    """A part of the page, with its number of entries for the list of contents ("" for none)."""

    id: str
    title: str
    entries: str = ""


def page_of(report: Report) -> str:
    """The whole page as text."""
    engine = Engine(dirs=[str(_FILES)], builtins=["fixturepipe.report.filters"])
    style, script = (_FILES.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    sections = list(_sections(report))
    context = {
        "report": report,
        "style": style,
        "script": script,
        "style_hash": _csp_hash(style),
        "script_hash": _csp_hash(script),
        "sections": sections,
        "section_ids": {section.id for section in sections},
        "models": sorted(report.models, key=lambda m: (_ORDER.index(m.status), m.label)),
        "unequal": any(model.status == "different" for model in report.models),
        "has_changes": any(model.changed or model.dropped for model in report.models),
        "stored": [(label, [*of]) for label, of in groupby(report.stored, lambda f: f.model)],
        "graph": graph_picture(report.graph),
        "bars": stage_bars(report.stages),
        "workers": worker_bars(report.timeline),
        "ticks": ticks(report.timeline),
    }
    # Numbers and dates are texts of our own: the template needs no settings.
    return engine.get_template("page.html").render(Context(context, use_l10n=False, use_tz=False))


def _csp_hash(text: str) -> str:
    """What a browser's content security policy calls this text and no other: no other script runs.

    https://www.w3.org/TR/CSP3/#grammardef-hash-source
    """
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _sections(report: Report) -> Iterator[Section]:
    yield Section("models", "Models", number(len(report.models)))
    asked = (
        ("differences", "Differences", report.differences or report.target_findings),
        ("rejects", "Rejected rows", report.rejects),
        ("findings", "Findings", report.findings),
        ("fixes", "Fixes", report.fixes or report.schema_fixes),
        ("not-moved", "Not moved", report.not_moved),
        ("stored", "Carried as stored", report.stored),
    )
    for name, title, entries in asked:
        if entries:
            yield Section(name, title, number(len(entries)))
    if report.graph:
        yield Section("graph", "Dependencies")
    if report.stages or report.timeline:
        yield Section("time", "Time")
    if report.syncs:
        yield Section("syncs", "Syncs since", number(len(report.syncs)))
    yield Section("again", "Check it again")
