"""Ctrl-C, SIGTERM and SIGHUP: the command ends within a second, in good order if it can.

The first signal raises KeyboardInterrupt, so that transactions roll back, files are complete or
absent, and the embedded server stops. Python does that only between its own instructions: a
query that waits on a silent network, or a long query in SQLite, would put it off. A thread that
reads the signals' wakeup file therefore kills the workers and, where the interrupt still waits,
ends the process. A second signal ends it at once.

Code of others may take the interrupt for its own failure, or lose it: a driver cannot roll back in
the middle of an answer, Python ignores all exceptions in a callback of its collector. So whatever
ends the command after a signal counts as the interrupt (`is_interrupted`), nothing else is printed
of it, and one that was lost is raised again.
"""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How long an interrupt may wait to be noticed, and the command to end after that.
NOTICE_SECONDS, END_SECONDS = 0.7, 60.0
_POLL_SECONDS = 0.02

_current: _Watch | None = None


def is_interrupted() -> bool:
    """Whether a signal has come that the command now answers."""
    return _current is not None and _current.number is not None


def ignore() -> None:
    """Ignore the signals from here on: the process is about to end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def handled(forced: Callable[[], None]) -> Iterator[None]:
    """Handle the signals in the block. `forced` says what there is to say before a forced end.

    Must be called in the main thread. A signal that is ignored already, as under nohup, stays so.
    """
    global _current
    _follow_forks()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    _current = watch = _Watch(reading, forced)
    hooks = sys.unraisablehook, threading.excepthook
    sys.unraisablehook, threading.excepthook = watch.unraisable, watch.thread_failed
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, watch.interrupt)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # Not a `threading` thread: it holds no lock, so processes may still be forked.
    _thread.start_new_thread(watch.run, ())
    try:
        yield
    finally:
        watch.is_over = True
        _current = None
        signal.set_wakeup_fd(-1)
        os.close(writing)  # ends the thread
        sys.unraisablehook, threading.excepthook = hooks
        for number, previous in before.items():
            signal.signal(number, previous)


class _Watch:
    """What the signal handler and the watching thread share."""

    def __init__(self, reading: int, forced: Callable[[], None]) -> None:
        self._reading = reading
        self._forced = forced
        self._hooks = sys.unraisablehook, threading.excepthook
        self._is_noticed = False
        self._is_lost = False
        self._repeats = 0  # how many of the signals to come are sent by this object
        self._main = threading.get_ident()
        self.number: int | None = None
        self.is_over = False

    def interrupt(self, number: int, _: object) -> None:
        """The signal handler: later signals must not interrupt what the first one set off."""
        if not self._is_noticed:
            self._is_noticed = True
            self.number = number
            raise KeyboardInterrupt

    def unraisable(self, ignored: Any) -> None:
        """What Python calls with an exception that it ignores."""
        if self.number is None:
            self._hooks[0](ignored)
        elif issubclass(ignored.exc_type, KeyboardInterrupt):
            self._is_lost = True

    def thread_failed(self, failure: Any) -> None:
        """What Python calls with an exception that ends a thread."""
        if self.number is None:
            self._hooks[1](failure)

    def run(self) -> None:
        """Wait for a signal; then see to it that the process ends."""
        try:
            if os.read(self._reading, 1):
                self._see_to_the_end()
        finally:
            os.close(self._reading)

    def _see_to_the_end(self) -> None:
        os.set_blocking(self._reading, False)
        is_last = self._is_signalled_within(NOTICE_SECONDS)
        with suppress(Exception):  # the main thread may be at work on the same processes
            for worker in multiprocessing.active_children():
                worker.kill()
        if self._is_noticed and not is_last:
            self._is_signalled_within(END_SECONDS)
        if not self.is_over:
            try:
                self._forced()
            finally:
                os._exit(130)

    def _is_signalled_within(self, seconds: float) -> bool:
        """Wait so long, or until the command is over, or until another signal comes."""
        deadline = time.monotonic() + seconds
        while not self.is_over and time.monotonic() < deadline:
            if self._is_lost:
                self._interrupt_again()
            try:
                if os.read(self._reading, 1) and not self._repeats:
                    return True
                self._repeats -= 1
            except BlockingIOError:
                time.sleep(_POLL_SECONDS)
        return False

    def _interrupt_again(self) -> None:
        self._is_lost = self._is_noticed = False
        self._repeats += 1
        # A real signal, since it has to end a system call too.
        signal.pthread_kill(self._main, self.number or signal.SIGINT)


@cache
def _follow_forks() -> None:
    """Once for a process: what is registered stays."""
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_forget)


def _hold() -> None:
    """Let signals wait while a process forks: until `_forget` they would be taken for ours."""
    if _current is not None:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _release() -> None:
    if _current is not None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _forget() -> None:
    """In a forked worker: its parent answers Ctrl-C, and the other signals end it."""
    if _current is None:
        return
    signal.set_wakeup_fd(-1)
    for number in SIGNALS[1:]:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    _release()
