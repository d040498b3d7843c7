"""The results as tables: on the terminal, and between two comments in docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.results import SECTIONS

BEGIN, END = "<!-- made by `python -m bench --render` -->", "<!-- end of the generated part -->"

_TITLES = {
    "run": "From SQLite to a migrated target",
    "dump": "Dump",
    "load": "Load",
    "arrange": "Arrange",
    "check": "Check",
    "models": "Check of many models on an empty target",
    "verify": "Verify",
    "sync": "Sync",
    "far": "Far servers",
    "scaling": "Scaling",
}
_LEGEND = """\
Seconds, processor time and peak memory are medians of the runs. The peak is that of the
contestant's largest process. `x NAME` says how many times as fast as NAME a contestant is."""
_FAR = """\
Seconds at each distance, in milliseconds to the server and back through a proxy that delays (in
brackets: relative to the first distance), then the round trips of all connections together."""
# Flat is within 20 % of the time per object at this scale, which is about 100,000 objects.
_FLAT_FROM = 5
_KINDS = ("missing", "extra", "differing")


def render(sections: Mapping[str, Sequence[Mapping[str, Any]]], page: Path) -> None:
    """Write the tables between the two comments, or at the end of a page without them."""
    text = page.read_text(encoding="utf-8") if page.exists() else "# Performance\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    parts = [_LEGEND, *(_section(name, sections[name]) for name in SECTIONS if name in sections)]
    made = "\n\n".join((BEGIN, *parts, END))
    page.write_text(f"{before}{made}{after}", encoding="utf-8")


def _section(name: str, entries: Sequence[Mapping[str, Any]]) -> str:
    tables = _scaling(entries) if name == "scaling" else [entry_text(each) for each in entries]
    return "\n\n".join((f"## {_TITLES[name]}", *tables))


def entry_text(entry: Mapping[str, Any]) -> str:
    """One entry as Markdown: its heading, the table, what was left out, what was lost."""
    rows = _far_rows(entry) if entry["what"] == "far" else _entry_rows(entry)
    parts = [f"### {_heading(entry)}", _made_on(entry), _table(*rows)]
    parts += [_FAR] if entry["what"] == "far" else []
    parts += [f"Not measured: {reason}." for reason in entry["skipped"]]
    parts += [f"{row['name']} failed: {row['error']}" for row in entry["rows"] if row["error"]]
    parts += [_losses(row) for row in entry["rows"] if row["loses"] and row["loses"]["models"]]
    return "\n\n".join(parts)


def _heading(entry: Mapping[str, Any]) -> str:
    what = entry["case"] or f"{entry['objects']:,} objects"
    return f"{what}, {entry['server']}" if entry["server"] else what


def _made_on(entry: Mapping[str, Any]) -> str:
    machine = entry["machine"]
    versions = ", ".join(
        f"{name} {version}" for name, version in entry["versions"].items() if name != "server"
    )
    return (
        f"{entry['date'][:10]}; {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_mib'] / 1024:.0f} GiB; {versions}."
    )


def _entry_rows(entry: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    bases = [base for base in entry["bases"] if any(base in r["ratios"] for r in entry["rows"])]
    judged = any(row["loses"] for row in entry["rows"])
    killed = any(row["killed"] for row in entry["rows"])
    head = ["", "runs", "seconds", "objects/s", "CPU s", "peak MiB"]
    head += [f"x {base}" for base in bases] + ["loses"] * judged + ["killed"] * killed
    rows = []
    for row in entry["rows"]:
        cells = [row["name"], str(len(row["runs"])), *_figures(row, entry["objects"])]
        cells += [f"{row['ratios'][base]:.2f}" if base in row["ratios"] else "" for base in bases]
        cells += [_loses(row["loses"])] * judged + [str(row["killed"])] * killed
        rows.append(cells)
    return head, rows


def _far_rows(entry: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A row for each contestant, a column for each distance."""
    rows = {tuple(row["name"].rsplit(", ", 1)): row for row in entry["rows"]}
    names, distances = (list(dict.fromkeys(key[part] for key in rows)) for part in (0, 1))
    cells = [
        [name, *(_at_distance(rows[name, each], rows[name, distances[0]]) for each in distances)]
        for name in names
    ]
    return ["", *distances], cells


def _at_distance(row: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    if not row["median"]:
        return "failed"
    seconds = row["median"]["seconds"]
    proportion = f" ({seconds / first['median']['seconds']:.2f})" if first["median"] else ""
    return f"{seconds:.2f} s{proportion}, {row['round_trips']:,}"


def _figures(row: Mapping[str, Any], objects: int) -> list[str]:
    median = row["median"]
    if not median:
        return ["failed", "", "", ""]
    return [
        f"{median['seconds']:.2f}",
        f"{objects / median['seconds']:,.0f}",
        f"{median['cpu']:.2f}",
        f"{median['peak_mib']:.0f}",
    ]


def _loses(loses: Mapping[str, Any] | None) -> str:
    if loses is None:
        return ""
    parts = [f"{loses[kind]:,} {kind}" for kind in _KINDS if loses[kind]]
    parts += [f"{found} ({count:,})" for found, count in loses["findings"].items()]
    return ", ".join(parts) or "nothing"


def _losses(row: Mapping[str, Any]) -> str:
    models = []
    for label, numbers in row["loses"]["models"].items():
        counts = zip(_KINDS, numbers, strict=True)
        models.append(f"{label} " + " ".join(f"{n:,} {kind}" for kind, n in counts if n))
    return f"{row['name']} loses: {', '.join(models)}."


def _scaling(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table a server: each stage's microseconds per object and peak memory at each scale."""
    parts = ["![Time per object and peak memory by the number of objects](scaling.png)"]
    for server in sorted({entry["server"] for entry in entries}):
        own = sorted(
            (each for each in entries if each["server"] == server), key=lambda e: int(e["objects"])
        )
        head = ["stage", *(f"{entry['objects']:,}" for entry in own)]
        stages = [row["name"] for row in own[0]["rows"]]
        rows = [[stage, *(_scaled(entry, stage, own) for entry in own)] for stage in stages]
        rows.append(["all", *(_scaled(entry, "", own) for entry in own)])
        parts += [f"### {server}", _made_on(own[-1]), _table(head, rows)]
        parts += [_killed(entry) for entry in own if entry["options"].get("kills")]
    parts.append(
        "Microseconds per object (in brackets: relative to about 100,000 objects), and the peak "
        "memory of the largest process."
    )
    return parts


def _scaled(entry: Mapping[str, Any], stage: str, own: Sequence[Mapping[str, Any]]) -> str:
    cost = per_object(entry, stage)
    if cost is None:
        return "failed"
    base = next((per_object(each, stage) for each in own if each["scale"] == _FLAT_FROM), None)
    proportion = f" ({cost / base:.2f})" if base else ""
    return f"{cost * 1e6:.1f} µs{proportion}, {peak(entry, stage):.0f} MiB"


def per_object(entry: Mapping[str, Any], stage: str) -> float | None:
    """Seconds per object of a stage, or of all stages for ""; None if one has no figure."""
    medians = [row["median"] for row in entry["rows"] if stage in ("", row["name"])]
    if not medians or not all(medians):
        return None
    return float(sum(median["seconds"] for median in medians)) / int(entry["objects"])


def peak(entry: Mapping[str, Any], stage: str) -> float:
    """MiB of the largest process of a stage, or of any for ""."""
    rows = [row for row in entry["rows"] if stage in ("", row["name"]) and row["median"]]
    return max((float(row["median"]["peak_mib"]) for row in rows), default=0.0)


def _killed(entry: Mapping[str, Any]) -> str:
    kills = [f"{row['name']} {row['killed']} times" for row in entry["rows"] if row["killed"]]
    return (
        f"Killed on the way at {entry['objects']:,} objects: "
        f"{', '.join(kills) or 'none, each stage was done before'}."
        " Their times are the sums of all tries."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        others = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return f"| {' | '.join((first, *others))} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join((line(head), f"| {' | '.join(rule)} |", *map(line, rows)))
