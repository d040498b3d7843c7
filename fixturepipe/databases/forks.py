"""Worker processes: when they may be forks of this one, and how a fork starts."""

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

    A fork has none of the threads, but all of the locks that they hold; and macOS's own
    libraries crash in a fork.
    """
    return "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"


def begin() -> None:
    """Set up a worker: its parent answers Ctrl-C, and it ends when its parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _leave_inherited_connections()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_after, args=(parent,), daemon=True).start()


def keep_for_good(inherited: object) -> None:
    """Never collect this object of the parent's: its collection would close it."""
    _inherited.append(inherited)


def _leave_inherited_connections() -> None:
    """Drop the parent's connections without using or closing them.

    Their sockets are closed here, since the server frees the loader lock when the last one is.
    """
    for connection in connections.all(initialized_only=True):
        raw: Any = connection.connection
        if raw is not None:
            keep_for_good(raw)  # its collection would send COM_QUIT to the server
            connection.connection = None
            if connection.vendor == "mysql":
                os.close(raw.fileno())
        connection.in_atomic_block = False


def _die_after(parent: Any) -> None:
    parent.join()
    # Not SIGTERM: a worker ignores what its parent was started with ignored.
    os.kill(os.getpid(), signal.SIGKILL)
