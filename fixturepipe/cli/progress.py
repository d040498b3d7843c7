"""Events to the terminal: a tqdm bar for each stage, plain lines where stderr is no terminal."""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from fixturepipe.cli.nextcommand import NextCommand
from fixturepipe.cli.terminal import printable, say, shown
from fixturepipe.events import Event, Notice, StageAdvanced, StageFinished, StageStarted

if TYPE_CHECKING:
    from tqdm import tqdm

# Without a progress bar, a line so often shows that work continues.
PLAIN_SECONDS = 10.0
_HEAD = "{desc}{percentage:3.0f}% |{bar:12}| {n_fmt}/{total_fmt}"
_OBJECTS_BAR = _HEAD + " {rate_fmt} {elapsed}<{remaining}{postfix}"
# Migrations have no rate: one takes a millisecond, the next an hour.
_STEPS_BAR = _HEAD + "{unit} {elapsed}{postfix}"
_LEVELS = {"debug": 2, "info": 1, "warning": 0}


def duration(seconds: float) -> str:
    """A time as people say it: "45 s", "12 min", "3 h 5 min"."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Progress:
    """A listener that shows stages, with count, rate and estimate, on stderr."""

    def __init__(self, verbosity: int, next_command: NextCommand, *, quiet: bool = False) -> None:
        self._verbosity = verbosity
        self._next = next_command
        self._quiet = quiet or verbosity == 0
        self._stream: TextIO = sys.stderr
        self._bars = self._stream.isatty() and not self._quiet
        self._bar: tqdm[Any] | None = None
        self._stage: StageStarted | None = None
        self._done, self._label, self._started = 0, "", 0.0
        self._over = _thread.allocate_lock()

    def __enter__(self) -> Progress:
        self._over.acquire()
        if not (self._bars or self._quiet):
            with contextlib.suppress(OSError, ValueError):
                # As in `interrupts`: a raw thread, which holds no lock while workers are forked.
                _thread.start_new_thread(self._tick, (self._stream.fileno(),))
        return self

    def __exit__(self, *_: object) -> None:
        self._over.release()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case StageStarted():
                self._start(event)
            case StageAdvanced():
                self._advance(event)
            case StageFinished():
                self._finish(event)
            case Notice():
                self._notice(event)

    def _start(self, event: StageStarted) -> None:
        self._done, self._label, self._started = 0, "", time.monotonic()
        self._stage = event
        if self._bars:
            # Imported late: plain lines need not wait for it.
            from tqdm import tqdm

            # With its thread, which redraws bars that do not move, workers could not be forked.
            tqdm.monitor_interval = 0
            is_of_objects = event.unit == "objects"
            self._bar = tqdm(
                total=event.total,
                desc=f"{event.stage:<8}",
                unit=f" {event.unit}",
                unit_scale=is_of_objects,
                file=self._stream,
                bar_format=_OBJECTS_BAR if is_of_objects else _STEPS_BAR,
                dynamic_ncols=True,
            )

    def _advance(self, event: StageAdvanced) -> None:
        self._done += event.objects
        # Of a chunk's path its name.
        self._label = event.label.rpartition("/")[2]
        if self._bar is not None:
            self._bar.set_postfix_str(self._label, refresh=not event.objects)
            self._bar.update(event.objects)

    def _finish(self, event: StageFinished) -> None:
        done, unit = event.objects or self._done, self._stage.unit if self._stage else "objects"
        self._stage = None
        if self._bar is not None:
            self._bar.set_postfix_str("", refresh=False)
            self._bar.close()
            self._bar = None
            return
        rate = ""
        if unit == "objects" and event.seconds:
            rate = f", {done / event.seconds:,.0f} a second"
        if not self._quiet:
            self._say(f"{event.stage:<8} {done:,} {unit} in {event.seconds:.1f} s{rate}")

    def _tick(self, stream: int) -> None:
        """Until the command is over, say how far the stage is, however long a step of it takes."""
        while not self._over.acquire(timeout=PLAIN_SECONDS):
            if line := self._how_far(time.monotonic()):
                with contextlib.suppress(OSError):
                    os.write(stream, f"{printable(line)}\n".encode(errors="backslashreplace"))

    def _how_far(self, now: float) -> str:
        """A line about a stage that takes longer, or ""."""
        stage, done, seconds = self._stage, self._done, now - self._started
        if stage is None or seconds < PLAIN_SECONDS / 2:
            return ""
        of = f" of {stage.total:,}" if stage.total else ""
        parts = [f"  {stage.stage}: {done:,}{of} {stage.unit} in {duration(seconds)}"]
        if done and stage.unit == "objects":
            parts.append(f"{done / seconds:,.0f} a second")
        if done and stage.total and stage.total > done:
            parts.append(f"{duration(seconds * (stage.total - done) / done)} left")
        return ", ".join(parts) + (f": {self._label}" if self._label else "")

    def _notice(self, event: Notice) -> None:
        if _LEVELS[event.level] <= self._verbosity:
            text = self._next.completed(event.text)
            self._say(text if event.level == "info" else f"{event.level}: {text}")

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(shown(text, self._stream), file=self._stream)
        else:
            say(text)
