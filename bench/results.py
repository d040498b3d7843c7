"""Results: their shape, medians and ratios, and results.json, which keeps them."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import copier
from bench.measuring import ROOT, Measure

# One section of results.json for each; in this order on the page.
SECTIONS = ("run", "dump", "load", "arrange", "check", "models", "verify", "sync", "far", "scaling")
_PACKAGES = ("Django", "mysqlclient", "ijson", "orjson", "msgspec")


@dataclass(frozen=True)
class Loss:
    """What `fixturepipe verify` found after a move, in rows; `findings` by id.

    `models` holds those that differ, with their three numbers.
    """

    missing: int = 0
    extra: int = 0
    differing: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)
    models: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """Whether everything arrived unchanged."""
        return not (self.missing or self.extra or self.differing or self.findings)


@dataclass
class Row:
    """One contestant, or one stage: every run, with the seconds of each of its steps.

    `error` says why there are no (more) runs. `killed` counts the processes killed in one run,
    `round_trips` how often it waited for the server, where that is counted.
    """

    name: str
    runs: list[Measure] = field(default_factory=list)
    steps: list[dict[str, float]] = field(default_factory=list)
    loses: Loss | None = None
    error: str = ""
    killed: int = 0
    round_trips: int = 0

    @property
    def median(self) -> Measure | None:
        """The median of each number; None if nothing was measured."""
        if not self.runs:
            return None
        return Measure(
            statistics.median(run.seconds for run in self.runs),
            statistics.median(run.cpu for run in self.runs),
            statistics.median(run.peak_mib for run in self.runs),
        )


@dataclass(frozen=True)
class Entry:
    """One table. `server` and `scale` are empty where they do not apply; `case` tells more.

    `bases` are the names of rows that the others are set in proportion to.
    """

    what: str
    server: str
    case: str
    scale: float | None
    objects: int
    bases: tuple[str, ...]
    rows: list[Row]
    skipped: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def ratios(rows: Sequence[Row], bases: Sequence[str]) -> dict[str, dict[str, float]]:
    """How many times as fast as each base each row is: 2.0 takes half of the base's time.

    Rows and bases without a figure are left out.
    """
    medians = {row.name: row.median for row in rows}
    found: dict[str, dict[str, float]] = {}
    for name, own in medians.items():
        of_bases = {base: medians.get(base) for base in bases}
        found[name] = {
            base: theirs.seconds / own.seconds
            for base, theirs in of_bases.items()
            if own and theirs
        }
    return found


def as_json(entry: Entry) -> dict[str, Any]:
    """An entry as results.json keeps it, with the machine, the versions and the date."""
    proportions = ratios(entry.rows, entry.bases)
    content = asdict(entry)
    for row, shown in zip(entry.rows, content["rows"], strict=True):
        shown["median"] = asdict(row.median) if row.median else None
        shown["ratios"] = proportions[row.name]
    return content | {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(entry.server),
    }


def read(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The sections of results.json; {} if there is no file."""
    if not path.exists():
        return {}
    sections: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    return sections


def add(path: Path, entry: Entry) -> None:
    """Put an entry into results.json in the place of an older one of the same kind."""
    sections = read(path)
    new = as_json(entry)
    others = [old for old in sections.get(entry.what, []) if _kind(old) != _kind(new)]
    sections[entry.what] = sorted([*others, new], key=_order)
    ordered = {name: sections[name] for name in SECTIONS if name in sections}
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.rename(path)


def _kind(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return entry["server"], entry["case"], entry["scale"]


def _order(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return entry["server"], entry["objects"], entry["case"]


def machine() -> dict[str, Any]:
    """Cores, memory, processor and system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "memory_mib": memory // 2**20,
        "cpu": models[0] if models else platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _git(*arguments: str) -> str:
    """The output of git about this checkout; empty if it is none."""
    command = ("git", "-C", str(ROOT), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def versions(server: str) -> dict[str, str]:
    """The versions of all programs; fixturepipe's is its commit if there is one."""
    said = _git("describe", "--always")
    # A measurement changes the page and the plot; that makes no other version.
    if said and _git("status", "--porcelain", "--", "fixturepipe"):
        said += "-dirty"
    return {
        "fixturepipe": said or importlib.metadata.version("fixturepipe"),
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "SQLite": sqlite3.sqlite_version,
        "sqlite3-to-mysql": copier.VERSION,
        **({"server": server} if server else {}),
    }
