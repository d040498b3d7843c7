"""The embedded server: a private MariaDB for a rehearsal that needs no server.

Its data is in the run directory. It listens on a Unix socket only, never on TCP, and accepts only
the operating system's user who started it (MariaDB's unix_socket authentication: there is no
password). Several commands may use it at once: each holds a share of a file lock, and the last one
to leave stops the server, unless it was started to be kept. A killed command counts no more, since
the kernel frees its share; if it leaves the server running, the next command finds and uses it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fixturepipe.artifacts.rundir import DIRECTORY_MODE, FILE_MODE
from fixturepipe.databases.endpoints import EMBEDDED, Endpoint, complete_settings
from fixturepipe.databases.mariadbd import Mariadbd
from fixturepipe.databases.mysql import EVERY_CHARACTER
from fixturepipe.errors import ConfigurationError

DATABASE = "fixturepipe"


class EmbeddedServer:
    """A private MariaDB whose files are in `directory` (created with mode 0700).

    The directory's path is resolved, so that two spellings are one server. The server starts and
    stops under an exclusive lock. `options` are more options of mariadbd's command line.
    """

    def __init__(self, directory: Path, options: Sequence[str] = ()) -> None:
        self.directory = directory.resolve()
        self._server = Mariadbd(self.directory, options)
        self._change = FileLock(self.directory / "change.lock")
        self._users = FileLock(self.directory / "users.lock")
        self._kept = self.directory / "kept"

    @property
    def client(self) -> str:
        """The command that opens its database in the mariadb client."""
        return f"mariadb --socket={self._server.socket} --user={self._server.user} {DATABASE}"

    @property
    def running(self) -> bool:
        """Whether this directory's server runs, whoever started it."""
        return self._server.pid() is not None

    def endpoint(self, database: str = DATABASE) -> Endpoint:
        """One of its databases as a target."""
        settings = {
            "ENGINE": "django.db.backends.mysql",
            "NAME": database,
            "USER": self._server.user,
            "HOST": str(self._server.socket),
            "OPTIONS": {"charset": EVERY_CHARACTER},
        }
        return Endpoint(EMBEDDED, complete_settings(settings))

    def start(self, *, keep: bool = False) -> None:
        """Use the server until `leave`; start it, make its data directory and database, if needed.

        With `keep` it runs until `stop`. Raises ConfigurationError if mariadbd is not installed
        or does not start.
        """
        self.directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        with self._change.held() as lock:
            self._server.ensure(lock)
            self._users.share()
            if keep:
                self._kept.touch(mode=FILE_MODE)
            self._server.execute(f"CREATE DATABASE IF NOT EXISTS `{DATABASE}`")

    def leave(self) -> None:
        """Use the server no more; stop it unless it is used by another command, or kept."""
        if not self.directory.exists():
            self._users.release()
            return
        with self._change.held():
            try:
                if self._users.try_alone() and not self._kept.exists():
                    self._server.terminate()
            finally:
                self._users.release()

    def stop(self) -> None:
        """Stop the server, a kept one too.

        Raises ConfigurationError if another command uses it.
        """
        if not self.directory.exists():
            return
        with self._change.held():
            if not self._users.try_alone():
                raise ConfigurationError(
                    "Another fixturepipe command uses the embedded server",
                    hint="Wait for it to end, then run this command again.",
                )
            try:
                self._kept.unlink(missing_ok=True)
                self._server.terminate()
            finally:
                self._users.release()


class FileLock:
    """One lock file, taken with flock(2); it may be shared by several holders, or exclusive.

    The kernel frees a lock when its holder ends, however it ends.
    """

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
