"""The run directory: everything that one migration leaves on disk, and how it is written.

    fixturepipe-run/
        manifest.json        what was dumped and planned (see `manifest`)
        1-dump/              one fixture for each app
        2-chunks/            numbered fixtures in load order
        3-sync/              what was brought after the run (see `syncs`)
        rejects/             objects that were left out, each with its reason
        findings.jsonl       every row of every finding of the last check
        check.json           the findings of the last check, without their rows
        changes.jsonl        what declared fixes changed (see `changes`)
        stages.jsonl         when each stage ran (see `times`)
        chunktimes.jsonl     when each chunk was loaded (see `times`)
        last-snapshot.sqlite3   the source as it was moved last (see `keptsnapshot`)
        server/              the embedded MariaDB, when it is the target

A file is complete or absent: it is written under a temporary name in the same directory,
forced to disk and renamed. Directories are 0700 and files 0600, since fixtures hold
password hashes and personal data.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fixturepipe.artifacts.ownership import (
    DIRECTORIES,
    DRAFT,
    LOCK,
    MANIFEST,
    SCRATCH,
    SYNCS,
    is_ours,
    remove_files,
)
from fixturepipe.errors import RunDirectoryError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
# Why a directory that is empty of ours is not removed.
_STAYS = frozenset([errno.ENOTEMPTY, errno.EEXIST, errno.EINVAL, errno.EBUSY])
# A symbolic link that somebody put in the place of a temporary file is not followed.
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


@contextmanager
def atomic_file(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends well.

    On any exception the temporary file is removed and `path` is as it was. An OSError names the
    file. With `sync` the content is forced to disk.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, _NEW_FILE, FILE_MODE)
    try:
        with _named(path), os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        force_to_disk(path.parent)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give an OSError the file's name, which writing to a descriptor does not know."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def appended_file(path: Path) -> BinaryIO:
    """Open a file of the run directory at its end, made if there is none."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, FILE_MODE), "wb")


def force_to_disk(path: Path) -> None:
    """Make a file's content, or a directory's entries, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RunDirectory:
    """Names the files of one run; makes them when asked to, never on its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / MANIFEST
        self.dumps = path / "1-dump"
        self.chunks = path / "2-chunks"
        self.arranging = path / DRAFT
        self.scratch = path / SCRATCH
        self.syncs = path / SYNCS
        self.rejects = path / "rejects"
        self.server = path / "server"

    def create(self) -> None:
        """Make the run directory, or check that an existing one can be written.

        Nothing is made or changed before the directory is known as ours. Raises
        RunDirectoryError where it is not, and where it cannot be written.
        """
        self.require_ours()
        with self._refusals():
            for directory in (self.path, self.dumps, self.chunks, self.rejects):
                directory.mkdir(mode=DIRECTORY_MODE, parents=directory == self.path, exist_ok=True)
                directory.chmod(DIRECTORY_MODE)

    def require_ours(self) -> None:
        """Raise RunDirectoryError for a path that is neither free, nor empty, nor a run's."""
        with self._refusals():
            if not self.path.exists():
                return
            if not self.path.is_dir() or not is_ours(self.path):
                raise RunDirectoryError(
                    f"{self.path} is not a run directory: it has other files. Nothing was changed.",
                    hint="Name an empty or new directory with --workdir.",
                )
            for directory in (self.path / name for name in DIRECTORIES):
                if directory.is_symlink():
                    raise RunDirectoryError(
                        f"{directory} is a symbolic link, which fixturepipe does not follow",
                        hint=f"Remove the link. {self.path} itself may be one.",
                    )

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunDirectoryError(
                f"The run directory {self.path} cannot be written: {error.strerror or error}",
                hint="Choose another one with --workdir, or fix its permissions.",
            ) from error

    @property
    def other_owner(self) -> int | None:
        """The user id of the directory's owner, if that is somebody else."""
        try:
            owner = self.path.stat().st_uid
        except OSError:
            return None
        return None if owner == os.geteuid() else owner

    def remove(self) -> bool:
        """Remove all that fixturepipe made. Whether the directory is gone, too.

        One that is a symbolic link stays, and so does one that holds other files, the current
        directory (".") and a mount point. Raises RunDirectoryError where a file cannot be removed.
        """
        with self._refusals():
            remove_files(self.path)
            if self.path.is_symlink():
                return False
            try:
                self.path.rmdir()
            except OSError as error:
                if error.errno not in _STAYS:
                    raise
                return False
        return True

    @property
    def is_at_work(self) -> bool:
        """Whether a command holds the run directory, as `locked` does."""
        try:
            descriptor = os.open(self.path / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run directory against a second command that would write in it.

        The lock belongs to the open file, so it is gone when its holder dies.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        path = self.path / LOCK
        with self._refusals():
            descriptor = os.open(path, flags, FILE_MODE)
        try:
            try:
                _lock(descriptor)
                # `clean` may have removed the file between its opening and the lock.
                is_current = os.path.samestat(os.fstat(descriptor), path.stat())
            except (BlockingIOError, FileNotFoundError):
                is_current = False
            if not is_current:
                raise RunDirectoryError(
                    f"Another fixturepipe command is running in {self.path}",
                    hint="Wait for it to end, or give this one its own --workdir.",
                )
            yield
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Take the lock. Another process that asks `is_at_work` holds it for a few microseconds."""
    for seconds in (0.01, 0.05, 0.2):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(seconds)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
