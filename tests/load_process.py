"""A load in a process of its own, for tests that kill it.

    python -m tests.load_process RUN_DIRECTORY SOURCE_FILE TARGET_URL WORKERS

Writes "begun" when it begins to work, and "done" at the end.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.ends import Ends, resolve_end
from fixturepipe.databases.project import set_up_project
from fixturepipe.events import ignore
from fixturepipe.stages.load import LoadOptions, load


def main(directory: str, source: str, target: str, workers: str) -> None:
    set_up_project("tests.settings", None)
    ends = Ends("default", resolve_end(f"sqlite:///{source}"), resolve_end(target))
    ends.open()
    print("begun", flush=True)
    load(RunDirectory(Path(directory)), ends, LoadOptions(workers=int(workers)), ignore)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
