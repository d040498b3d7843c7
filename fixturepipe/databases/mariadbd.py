"""The MariaDB process of one directory: its installation, start, search and end.

The caller makes sure that only one process at a time does this in a directory.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import MySQLdb

from fixturepipe.artifacts.rundir import DIRECTORY_MODE, FILE_MODE
from fixturepipe.errors import ConfigurationError

# Longest waits in seconds; only a process that hangs takes them.
INSTALL_SECONDS = 300.0
START_SECONDS = 300.0
STOP_SECONDS = 60.0
# A server that starts or stops has no socket for a while; later, its socket was removed.
_WITHOUT_SOCKET_SECONDS = 10.0
# sockaddr_un holds 108 bytes, MariaDB stops a little earlier.
_SOCKET_PATH_LIMIT = 103
_POLL_SECONDS = 0.02
# MariaDB's own default, and the unit in which the buffer pool grows.
_SMALLEST = 128 << 20
# The limits of a container, in versions 2 and 1 of Linux's control groups
# (https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files).
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)

_INSTALL = (
    "Install it (Debian, Ubuntu: `apt-get install mariadb-server-core mariadb-client-core`), "
    "or name a target of your own with --target."
)

_OPTIONS = (
    "--skip-networking",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--max-allowed-packet=256M",
    "--innodb-log-file-size=256M",
    "--local-infile=ON",
    # The log reaches the operating system at each commit: a killed server loses nothing. A power
    # cut loses at most the last second, in whole transactions, ledger rows included.
    "--innodb-flush-log-at-trx-commit=2",
)


class Mariadbd:
    """A server process whose files are in `directory`, an absolute path.

    `options` are more options of its command line.
    """

    def __init__(self, directory: Path, options: Sequence[str] = ()) -> None:
        self._directory = directory
        self._options = options
        self._data = directory / "data"
        self._draft = directory / "data.new"
        # A server that starts removes all temporary tables in its tmpdir, those of other servers
        # too: in a shared /tmp their queries fail, and MariaDB 10.11 crashes.
        self._temporary = directory / "tmp"
        self._log = directory / "mariadbd.log"
        self._pid_file = directory / "mariadbd.pid"
        self._socket_note = directory / "socket-directory"
        self._served = directory / "served"
        self.user = pwd.getpwuid(os.geteuid()).pw_name

    @property
    def socket(self) -> Path:
        """The socket: next to the data, or if its path is too long, in a private directory."""
        path = self._directory / "mariadbd.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
            return path
        with suppress(FileNotFoundError):
            return Path(self._socket_note.read_text()) / path.name
        return path

    def pid(self) -> int | None:
        """The process id of this directory's server, whoever started it."""
        return next(filter(self._is_server, self._candidates()), None)

    def execute(self, statement: str) -> None:
        """Run one statement on a connection of its own."""
        with MySQLdb.connect(unix_socket=str(self.socket), user=self.user) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            cursor.close()

    def ensure(self, lock: int) -> None:
        """Have the server answer: install and start it if needed.

        The installer inherits the descriptor `lock`. Raises ConfigurationError if MariaDB is not
        installed or does not start.
        """
        program = _program("mariadbd")
        if not self._data.is_dir():
            # A process without its data directory can serve nothing.
            self.terminate()
            self._install(lock)
        if self._await_running():
            return
        try:
            self._launch(program)
        except ConfigurationError:
            if self._served.exists():
                raise
            # It never served, so there is nothing to lose: the installation may be incomplete.
            self._install(lock)
            self._launch(program)
        self._served.touch(mode=FILE_MODE)

    def terminate(self) -> None:
        """Stop the server in good order, if it runs, and remove its private socket directory.

        Raises ConfigurationError if it does not stop.
        """
        pid = self.pid()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self._await_end(pid)
        _reap()
        self._remove_socket_directory()

    def _candidates(self) -> Iterator[int]:
        """The process id in the pid file, then all others: the file may be missing or stale."""
        with suppress(OSError, ValueError):
            yield int(self._pid_file.read_text())
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                yield int(entry.name)

    def _is_server(self, pid: int) -> bool:
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(f"--datadir={self._data}") in arguments

    def _await_running(self) -> bool:
        """Wait until a process that runs already answers; False if there is none.

        It may be starting, or stopping. One whose socket was removed is stopped.
        """
        began = time.monotonic()
        while (pid := self.pid()) is not None:
            if self._answers():
                return True
            waited = time.monotonic() - began
            if waited > START_SECONDS or (
                waited > _WITHOUT_SOCKET_SECONDS and not self.socket.exists()
            ):
                os.kill(pid, signal.SIGTERM)
                self._await_end(pid)
            time.sleep(_POLL_SECONDS)
        return False

    def _await_end(self, pid: int) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        # The pid file goes early in a shutdown; only the process itself shows its end.
        while self._is_server(pid):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"The embedded server (process {pid}) does not stop",
                    hint=f"See {self._log}, or run `kill -9 {pid}`: its data survives that.",
                )
            time.sleep(_POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            with MySQLdb.connect(unix_socket=str(self.socket), user=self.user):
                return True
        except MySQLdb.Error:
            return False

    def _install(self, lock: int) -> None:
        """Make the data directory under another name, and rename it when it is complete."""
        program = _program("mariadb-install-db")
        for directory in (self._draft, self._data):
            shutil.rmtree(directory, ignore_errors=True)
        self._served.unlink(missing_ok=True)
        self._temporary.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        done = subprocess.run(
            [
                program,
                "--no-defaults",
                # Relative: the installer, a shell script, does not quote it everywhere.
                f"--datadir=./{self._draft.name}",
                "--auth-root-authentication-method=socket",
                f"--auth-root-socket-user={self.user}",
                "--skip-test-db",
                # It stops where the machine's own name is in no DNS and no /etc/hosts.
                "--force",
                *self._as_root(),
            ],
            cwd=self._directory,
            env={**os.environ, "TMPDIR": str(self._temporary)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=INSTALL_SECONDS,
            # If this process is killed, the next one waits for the installer's end.
            pass_fds=(lock,),
        )
        if done.returncode:
            shutil.rmtree(self._draft, ignore_errors=True)
            raise ConfigurationError(
                "The embedded server's data directory could not be made:"
                f" {_cause(done.stderr + done.stdout)}",
                hint=f"Check the free space and the permissions of {self._directory}.",
            )
        self._draft.rename(self._data)

    def _launch(self, program: str) -> None:
        self._pid_file.unlink(missing_ok=True)
        self._temporary.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        self._make_socket_directory()
        with self._log.open("ab") as log:
            self._log.chmod(FILE_MODE)
            begin = log.tell()
            process = subprocess.Popen(
                [
                    program,
                    "--no-defaults",
                    f"--datadir={self._data}",
                    f"--tmpdir={self._temporary}",
                    f"--socket={self.socket}",
                    f"--pid-file={self._pid_file}",
                    f"--innodb-buffer-pool-size={_buffer_pool_bytes()}",
                    *_OPTIONS,
                    *self._options,
                    *self._as_root(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C is for the command, which then stops the server in good order.
                start_new_session=True,
            )
        _children.append(process)
        deadline = time.monotonic() + START_SECONDS
        try:
            while not self._answers():
                if process.poll() is not None or time.monotonic() > deadline:
                    said = self._log.read_bytes()[begin:].decode(errors="replace")
                    raise ConfigurationError(
                        f"The embedded server did not start: {_cause(said)}",
                        hint=f"Correct that (see {self._log}) and run the command again.",
                    )
                time.sleep(_POLL_SECONDS)
        except BaseException:
            # It has answered nobody, so nothing is lost; SIGTERM hangs a server that starts.
            process.kill()
            process.wait(STOP_SECONDS)
            _reap()
            raise

    def _make_socket_directory(self) -> None:
        self._remove_socket_directory()
        if len(os.fsencode(self._directory / "mariadbd.sock")) > _SOCKET_PATH_LIMIT:
            self._socket_note.write_text(tempfile.mkdtemp(prefix="fixturepipe-"))

    def _remove_socket_directory(self) -> None:
        with suppress(FileNotFoundError):
            directory = Path(self._socket_note.read_text())
            for entry in (directory / "mariadbd.sock", directory / "mariadbd.sock.lock"):
                entry.unlink(missing_ok=True)
            with suppress(OSError):
                directory.rmdir()
            self._socket_note.unlink()

    def _as_root(self) -> list[str]:
        # As root the server refuses to run without this option.
        return [f"--user={self.user}"] if os.geteuid() == 0 else []


# Servers that this process started. They may outlive their object, and this process.
_children: list[subprocess.Popen[bytes]] = []


def _reap() -> None:
    """Collect the servers that have ended, so that none stays as a zombie."""
    _children[:] = [child for child in _children if child.poll() is None]


def _buffer_pool_bytes() -> int:
    """A quarter of the memory, or half of what is free if that is less; at least 128 MiB."""
    total, free = _memory()
    return max(_SMALLEST, min(total // 4, free // 2) // _SMALLEST * _SMALLEST)


def _memory() -> tuple[int, int]:
    """Bytes of the machine or of its container, and how many of them are available."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = total
    with suppress(OSError):
        found = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text())
        free = int(found[1]) * 1024 if found else total
    for path in _LIMITS:
        # Version 2 writes "max" for no limit, version 1 a very large number.
        with suppress(OSError, ValueError):
            total = min(total, int(path.read_text()))
    return total, min(total, free)


def _cause(output: str) -> str:
    """The first error in a server's output: those after it are its consequences."""
    lines = [line for line in output.splitlines() if line.strip()]
    for line in lines:
        if "[ERROR]" in line:
            return line.partition("[ERROR]")[2].strip()
    return lines[-1].strip() if lines else "no message"


def _program(name: str) -> str:
    # Debian installs servers in /usr/sbin, which is not on an ordinary user's PATH.
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
    if found is None:
        raise ConfigurationError(f"The embedded server needs {name}", hint=_INSTALL)
    return found
