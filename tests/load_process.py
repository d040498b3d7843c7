"""A load in a process of its own, for tests that kill it.

    python -m tests.load_process RUN_DIRECTORY SOURCE_FILE TARGET_URL WORKERS

Writes "begun" when it begins to work, and "done" at the end. It listens slowly, so that however
fast the machine is there is time to kill it halfway.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoints, resolve_endpoint
from fixturepipe.databases.project import set_up_project
from fixturepipe.events import Event, StageAdvanced
from fixturepipe.load.stage import LoadOptions, load

PAUSE_SECONDS = 0.02


def listen_slowly(event: Event) -> None:
    if isinstance(event, StageAdvanced):
        time.sleep(PAUSE_SECONDS)


def main(directory: str, source: str, target: str, workers: str) -> None:
    set_up_project("tests.settings", None)
    endpoints = Endpoints(
        "default", resolve_endpoint(f"sqlite:///{source}"), resolve_endpoint(target)
    )
    endpoints.open()
    print("begun", flush=True)
    load(RunDirectory(Path(directory)), endpoints, LoadOptions(workers=int(workers)), listen_slowly)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
