"""Directories for what one command needs only while it works.

    fixturepipe-run/.scratch/
        fixturepipe-k3v9x2ab/     one command's: rows of findings, a private server

A command holds a lock on its directory. The kernel frees the lock of a command that is killed, so
that the next command knows the directory as left behind: it stops the server there and removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fixturepipe.artifacts.ownership import SCRATCH_PREFIX
from fixturepipe.artifacts.rundir import DIRECTORY_MODE, RunDirectory
from fixturepipe.databases.embedded import EmbeddedServer


@contextmanager
def scratch(directory: RunDirectory) -> Iterator[Path]:
    """A new directory with mode 0700, which is gone after the block. Raises OSError."""
    sweep(directory)
    path, descriptor = _made_and_locked(directory.scratch)
    try:
        yield path
    finally:
        _remove(path)
        os.close(descriptor)
        with suppress(OSError):
            directory.scratch.rmdir()


def scratch_server(path: Path) -> EmbeddedServer:
    """The private server of a scratch directory."""
    return EmbeddedServer(path / "server")


def sweep(directory: RunDirectory) -> None:
    """Remove what killed commands have left, and stop their servers."""
    if directory.scratch.is_symlink() or not directory.scratch.is_dir():
        return
    for path in directory.scratch.glob(f"{SCRATCH_PREFIX}*"):
        if (descriptor := _locked(path)) is not None:
            _remove(path)
            os.close(descriptor)
    with suppress(OSError):
        directory.scratch.rmdir()


def _made_and_locked(parent: Path) -> tuple[Path, int]:
    while True:
        parent.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        with suppress(FileNotFoundError):  # another command has swept in between
            path = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=parent))
            if (descriptor := _locked(path)) is not None:
                return path, descriptor


def _locked(path: Path) -> int | None:
    """The descriptor that holds the directory's lock; None if another command holds it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove(path: Path) -> None:
    scratch_server(path).stop()
    shutil.rmtree(path)
