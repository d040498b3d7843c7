"""`status --watch`: how far the command has come that is at work in the run directory.

It reads the run's files once a second, so it can be started on any terminal, at any time.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import deque

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import State, read_state
from fixturepipe.cli.progress import PLAIN_SECONDS, duration
from fixturepipe.cli.terminal import say
from fixturepipe.wording import counted

LOOK_SECONDS = 1.0
# The rate is that of the last looks.
_LOOKS = 60


def watch(directory: RunDirectory) -> None:
    """Show a line on stderr until no command is at work; on a terminal the same line again."""
    on_terminal = sys.stderr.isatty()
    looks: deque[tuple[float, int]] = deque(maxlen=_LOOKS)
    said = -PLAIN_SECONDS
    while directory.is_at_work:
        state, now = read_state(directory), time.monotonic()
        looks.append((now, _loaded(state)))
        line = how_far(state, looks)
        if on_terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{line[:width]:<{width}}", end="", file=sys.stderr, flush=True)
        elif now - said >= PLAIN_SECONDS:
            said = now
            say(line)
        time.sleep(LOOK_SECONDS)
    if on_terminal and looks:
        print(file=sys.stderr)


def how_far(state: State, looks: deque[tuple[float, int]]) -> str:
    """A line: the stage at work, what is done of it, rate and estimate."""
    dumped = sum(model.dumped or 0 for model in state.models)
    if not state.chunks:
        return f"dump: {counted(dumped, 'object')} of {counted(state.dumps, 'app')}"
    arranged = sum(model.arranged or 0 for model in state.models)
    loaded = _loaded(state)
    if loaded >= arranged:
        return f"load: all {loaded:,} objects are loaded; verify is running or next"
    parts = [f"load: {loaded:,} of {arranged:,} objects"]
    (began, before), (now, _) = looks[0], looks[-1]
    if loaded > before:
        rate = (loaded - before) / (now - began)
        parts += [f"{rate:,.0f} a second", f"{duration((arranged - loaded) / rate)} left"]
    return f"{', '.join(parts)} ({state.loaded_chunks:,} of {state.chunks:,} chunks)"


def _loaded(state: State) -> int:
    return sum(model.loaded or 0 for model in state.models)
