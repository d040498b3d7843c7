"""Processes that begin as copies of this one: when they may, and what they must let go of."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from typing import Any, Literal

from django.db import connections

_inherited: list[object] = []


def start_method() -> Literal["fork", "spawn"]:
    """How processes begin: "fork", which saves each half a second of imports, or "spawn".

    A fork has none of the threads, but all of the locks that they hold; and on macOS the
    system's libraries do not bear it.
    """
    return "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"


def begin() -> None:
    """Ctrl-C is the parent's to answer; and a process whose parent was killed must not stay."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _leave_inherited_connections()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_after, args=(parent,), daemon=True).start()


def keep_for_good(inherited: object) -> None:
    """What is the parent's to close: it may not be collected here."""
    _inherited.append(inherited)


def _leave_inherited_connections() -> None:
    """A forked process must neither use nor end its parent's connections: it lets go of them.

    The target's end its loader lock by their end, so their sockets may not stay open here.
    """
    for connection in connections.all(initialized_only=True):
        raw: Any = connection.connection
        if raw is not None:
            keep_for_good(raw)  # to collect it would say goodbye to the server
            connection.connection = None
            if connection.vendor == "mysql":
                os.close(raw.fileno())
        connection.in_atomic_block = False


def _die_after(parent: Any) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
