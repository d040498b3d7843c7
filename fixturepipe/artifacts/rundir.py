"""The run directory: everything that one migration leaves on disk, and how it is written.

    fixturepipe-run/
        manifest.json        what was dumped and planned (see `manifest`)
        1-dump/              one fixture for each app
        2-chunks/            numbered fixtures in load order
        rejects/             objects that were left out, each with its reason
        changes.jsonl        what declared fixes changed (see `changes`)
        server/              the embedded MariaDB, when it is the target

A file is complete or absent: it is written under a temporary name in the same directory,
forced to disk and renamed. Directories are 0700 and files 0600, since fixtures hold
password hashes and personal data.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fixturepipe.errors import RunDirectoryError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes `path`'s place when the block ends well.

    On any exception the temporary file is removed and `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def appended_file(path: Path) -> BinaryIO:
    """Open a file of the run directory at its end, made if there is none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
    return os.fdopen(descriptor, "wb")


def sync_file(path: Path) -> None:
    """Force a file's content to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Force a directory's entries to disk, so that a rename survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RunDirectory:
    """Names the files of one run; makes them when asked to, never on its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / "manifest.json"
        self.dumps = path / "1-dump"
        self.chunks = path / "2-chunks"
        self.arranging = path / ".2-chunks.tmp"
        self.rejects = path / "rejects"
        self.server = path / "server"

    def create(self) -> None:
        """Make the run directory, or check that an existing one can be written.

        Raises RunDirectoryError where it cannot, and where the path is a directory with
        other things in it, which a later `clean` must not be asked to remove.
        """
        try:
            if self.path.is_dir() and not self.manifest.exists() and not self._is_ours():
                raise RunDirectoryError(
                    f"{self.path} is a directory with other things in it, not a run directory",
                    hint="Choose an empty or new directory with --workdir.",
                )
            for directory in (self.path, self.dumps, self.chunks, self.rejects):
                directory.mkdir(mode=DIRECTORY_MODE, parents=directory == self.path, exist_ok=True)
                directory.chmod(DIRECTORY_MODE)
        except OSError as error:
            raise RunDirectoryError(
                f"The run directory {self.path} cannot be written: {error.strerror or error}",
                hint="Choose another one with --workdir, or fix its permissions.",
            ) from error

    def _is_ours(self) -> bool:
        ours = {"1-dump", "2-chunks", "rejects", "server"}
        begun = {".lock", ".2-chunks.tmp", ".manifest.json.tmp"}
        return all(entry.name in ours | begun for entry in self.path.iterdir())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run directory against a second command that would write in it.

        The lock belongs to the open file, so it is gone when its holder dies.
        """
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunDirectoryError(
                    f"Another fixturepipe command is at work in {self.path}",
                    hint="Wait for it to end, or give this one its own --workdir.",
                ) from None
            yield
        finally:
            os.close(descriptor)
