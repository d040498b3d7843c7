"""Ctrl-C, SIGTERM and SIGHUP: the command ends within a second, in good order if it can.

The first signal raises KeyboardInterrupt, so that transactions roll back, files are complete or
absent, and the embedded server stops. Python does that only between its own instructions: a
query that waits on a silent network, or a long query in SQLite, would put it off. A thread that
reads the signals' wakeup file therefore kills the workers and, where the interrupt still waits,
ends the process. A second signal ends it at once.
"""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long an interrupt may wait to be noticed, and the command to end after that.
NOTICE_SECONDS, END_SECONDS = 0.7, 60.0
_POLL_SECONDS = 0.02


@contextmanager
def handled(forced: Callable[[], None]) -> Iterator[None]:
    """Handle the signals in the block. `forced` says what there is to say before a forced end.

    Must be called in the main thread. A signal that is ignored already, as under nohup, stays so.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    watch = _Watch(reading, forced)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, watch.interrupt)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_forget)
    # Not a `threading` thread: it holds no lock, so processes may still be forked.
    _thread.start_new_thread(watch.run, ())
    try:
        yield
    finally:
        watch.is_over = True
        signal.set_wakeup_fd(-1)
        for number, previous in before.items():
            signal.signal(number, previous)


class _Watch:
    """What the signal handler and the watching thread share."""

    def __init__(self, reading: int, forced: Callable[[], None]) -> None:
        self._reading = reading
        self._forced = forced
        self._is_noticed = False
        self.is_over = False

    def interrupt(self, *_: object) -> None:
        """The signal handler: later signals must not interrupt what the first one set off."""
        if not self._is_noticed:
            self._is_noticed = True
            raise KeyboardInterrupt

    def run(self) -> None:
        """Wait for a signal; then see to it that the process ends."""
        if not os.read(self._reading, 1):
            return
        os.set_blocking(self._reading, False)
        is_last = self._is_signalled_within(NOTICE_SECONDS)
        for worker in multiprocessing.active_children():
            worker.kill()
        if self._is_noticed and not is_last:
            self._is_signalled_within(END_SECONDS)
        if not self.is_over:
            self._forced()
            os._exit(130)

    def _is_signalled_within(self, seconds: float) -> bool:
        """Wait so long, or until the command is over, or until another signal comes."""
        deadline = time.monotonic() + seconds
        while not self.is_over and time.monotonic() < deadline:
            try:
                if os.read(self._reading, 1):
                    return True
            except BlockingIOError:
                time.sleep(_POLL_SECONDS)
        return False


def _hold() -> None:
    """Let signals wait while a process forks: until `_forget` they would be taken for ours."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _forget() -> None:
    """In a forked worker: its parent answers Ctrl-C, and the other signals end it."""
    signal.set_wakeup_fd(-1)
    for number in SIGNALS[1:]:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    _release()
