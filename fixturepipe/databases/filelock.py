"""File locks between processes: the kernel frees a lock when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fixturepipe.artifacts.rundir import FILE_MODE


class FileLock:
    """One lock file, taken with flock(2); it may be shared by several holders, or exclusive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @contextmanager
    def held(self) -> Iterator[int]:
        """Hold the lock exclusively; wait for it. Yields its descriptor.

        A process that inherits the descriptor keeps the lock until it ends too.
        """
        self._take(fcntl.LOCK_EX)
        assert self._descriptor is not None
        try:
            yield self._descriptor
        finally:
            self.release()

    def share(self) -> None:
        """Hold the lock with others; wait for one who holds it exclusively."""
        self._take(fcntl.LOCK_SH)

    def try_alone(self) -> bool:
        """Hold the lock exclusively if no one else holds it; gives up a share in any case."""
        try:
            self._take(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the lock up, if it is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self, operation: int) -> None:
        while True:
            if self._descriptor is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._descriptor = os.open(self._path, flags, FILE_MODE)
            fcntl.flock(self._descriptor, operation)
            if self._is_current():
                return
            self.release()

    def _is_current(self) -> bool:
        """Whether the locked file is still the one of that name: `clean` may have removed it."""
        assert self._descriptor is not None
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        return False
