"""Events to the terminal: a tqdm bar for each stage, plain lines where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from fixturepipe.cli.nextcommand import NextCommand
from fixturepipe.cli.terminal import say, shown
from fixturepipe.events import Event, Notice, StageAdvanced, StageFinished, StageStarted

if TYPE_CHECKING:
    from tqdm import tqdm

# Without a progress bar, a line now and then shows that work continues.
PLAIN_SECONDS = 10.0
_LEVELS = {"debug": 2, "info": 1, "warning": 0}


class Progress:
    """A listener that shows stages counted in objects, with rate and estimate, on stderr."""

    def __init__(self, verbosity: int, next_command: NextCommand, *, quiet: bool = False) -> None:
        self._verbosity = verbosity
        self._next = next_command
        self._quiet = quiet or verbosity == 0
        self._stream: TextIO = sys.stderr
        self._bars = self._stream.isatty() and not self._quiet
        self._bar: tqdm[Any] | None = None
        self._done = 0
        self._total: int | None = None
        self._started = self._said = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
        self._done, self._total = 0, event.total
        self._started = self._said = time.monotonic()
        if self._bars:
            # Imported late: plain lines need not wait for it.
            from tqdm import tqdm

            # With its thread, which redraws bars that do not move, workers could not be forked.
            tqdm.monitor_interval = 0
            self._bar = tqdm(
                total=event.total,
                desc=f"{event.stage:<8}",
                unit=" objects",
                unit_scale=True,
                file=self._stream,
                dynamic_ncols=True,
            )

    def _advance(self, event: StageAdvanced) -> None:
        self._done += event.objects
        if self._bar is not None:
            self._bar.set_postfix_str(event.label, refresh=False)
            self._bar.update(event.objects)
            return
        now = time.monotonic()
        if now - self._said < PLAIN_SECONDS:
            return
        self._said = now
        rate = self._done / (now - self._started)
        of = f" of {self._total:,}" if self._total else ""
        left = f", {(self._total - self._done) / rate:.0f} s left" if self._total and rate else ""
        self._line(f"  {self._done:,}{of} objects, {rate:,.0f} a second{left}")

    def _finish(self, event: StageFinished) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str("", refresh=False)
            self._bar.close()
            self._bar = None
            return
        if not event.objects:
            self._line(f"{event.stage:<8} done in {event.seconds:.1f} s")
            return
        rate = f", {event.objects / event.seconds:,.0f} a second" if event.seconds else ""
        self._line(f"{event.stage:<8} {event.objects:,} objects in {event.seconds:.1f} s{rate}")

    def _notice(self, event: Notice) -> None:
        if _LEVELS[event.level] <= self._verbosity:
            text = self._next.completed(event.text)
            self._say(text if event.level == "info" else f"{event.level}: {text}")

    def _line(self, text: str) -> None:
        if not self._quiet:
            self._say(text)

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(shown(text, self._stream), file=self._stream)
        else:
            say(text)
