"""Times each stage on the sample shop: seconds, objects a second, peak memory.

The sample and the run live in a directory of their own, so no run of yours is touched. Without
FIXTUREPIPE_TARGET the target is the embedded server; its start and the migrations are counted as
part of `load`, as they are for who uses it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "bookshop"
STAGES = ("dump", "arrange", "load", "verify")


class Measure(NamedTuple):
    seconds: float
    peak_mib: float


def measured(command: Sequence[str], env: Mapping[str, str]) -> Measure:
    """Runs the command; its own words go where ours go.

    Raises:
        SystemExit: It failed; the rest would measure nothing.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, env=env, cwd=ROOT)
    # wait4 gives the memory of this child alone; getrusage would give the largest of all so far.
    _, status, usage = os.wait4(process.pid, 0)
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code:
        sys.exit(f"bench: `{' '.join(command)}` ended with {code}")
    return Measure(time.monotonic() - started, usage.ru_maxrss / 1024)


def objects_in(workdir: Path) -> int:
    """Dumps hold one object a line, between a line with `[` and one with `]`."""
    count = 0
    for path in (workdir / "1-dump").glob("*.json"):
        with path.open("rb") as file:
            count += sum(line.startswith(b"{") for line in file)
    return count


@contextmanager
def directory(kept: Path | None) -> Iterator[Path]:
    """The one that was asked for, or one that is gone afterwards."""
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    # A short path: the embedded server's socket may have no more than 103 characters.
    temporary = Path(tempfile.mkdtemp(prefix="fixturepipe-bench."))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--scale", default="1", help="size of the sample: 1 is about 20,000 objects"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there, and leave it")
    options = parser.parse_args()
    with directory(options.keep) as place:
        workdir = place / "run"
        env = {**os.environ, "BOOKSHOP_DB": str(place / "bookshop.sqlite3")}
        settings = ["--settings", "bookshop.settings"]
        manage = [sys.executable, str(SAMPLE / "manage.py"), "make_sample", *settings]
        fixturepipe = [sys.executable, "-m", "fixturepipe", *settings]
        fixturepipe += ["--pythonpath", str(SAMPLE), "--workdir", str(workdir), "--no-progress"]
        results = {"sample": measured([*manage, "--scale", options.scale], env)}
        for stage in STAGES:
            results[stage] = measured([*fixturepipe, stage], env)
        objects = objects_in(workdir)
    print(f"\n{objects:,} objects\n\nstage      seconds   objects/s   peak MiB")
    for stage, (seconds, peak) in results.items():
        print(f"{stage:<8} {seconds:>9.1f} {objects / seconds:>11,.0f} {peak:>10.0f}")


if __name__ == "__main__":
    main()
