"""One process, measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAUNCHER = Path(__file__).with_name("launcher.py")


class StepError(Exception):
    """A command that failed; the text has the last lines of its output."""


@dataclass(frozen=True)
class Measure:
    """The cost of one or more processes: `seconds` of the clock, `cpu` seconds of the processor.

    `peak_mib` is the resident memory of the largest single process.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    peak_mib: float = 0.0

    def __add__(self, other: Measure) -> Measure:
        """The sum of both; the larger peak."""
        return Measure(
            self.seconds + other.seconds,
            self.cpu + other.cpu,
            max(self.peak_mib, other.peak_mib),
        )


@dataclass(frozen=True)
class Step:
    """One command line. `environment` is added to a clean one; `fine` are the statuses of success.

    `kills`: after so many seconds the process is killed and the same command run again, once for
    each number.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    fine: tuple[int, ...] = (0,)
    kills: tuple[float, ...] = ()


def measured(step: Step, place: Path) -> tuple[Measure, str, int]:
    """Run a step in a directory; return its cost, its stdout and the number of kills.

    All tries of a step that is killed are added up. Raises StepError.
    """
    total, killed = Measure(), 0
    for seconds in (*step.kills, 0.0):
        measure, status = _launched(step, place, seconds)
        total += measure
        if seconds and status == -signal.SIGKILL:
            killed += 1
            continue
        if status not in step.fine:
            raise StepError(f"`{_shown(step)}` ended with {status}: {_last_words(place)}")
        break
    return total, (place / "bench.out").read_text(encoding="utf-8", errors="replace"), killed


def _launched(step: Step, place: Path, kill_after: float) -> tuple[Measure, int]:
    report, out, err = (place / f"bench.{name}" for name in ("report", "out", "err"))
    report.unlink(missing_ok=True)
    files = map(str, (LAUNCHER, report, out, err))
    launcher = [sys.executable, "-I", "-S", *files, str(kill_after)]
    # The launcher outlives a Ctrl-C long enough to end what it started.
    subprocess.run(
        [*launcher, *step.command],
        cwd=place,
        env=clean_environment() | dict(step.environment),
        check=True,
    )
    found = json.loads(report.read_text(encoding="utf-8"))
    return Measure(found["seconds"], found["cpu"], found["peak_mib"]), found["status"]


def clean_environment() -> dict[str, str]:
    """The caller's environment without what would configure Django or fixturepipe."""
    ours = ("FIXTUREPIPE_", "DJANGO_", "BOOKSHOP_", "PYTHON", "MAKE", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(ROOT)}


def _shown(step: Step) -> str:
    return f"{Path(step.command[0]).name} {' '.join(step.command[1:4])} …"


def _last_words(place: Path) -> str:
    text = (place / "bench.err").read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-400:] or "it said nothing"
