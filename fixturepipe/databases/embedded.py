"""The embedded server: a private MariaDB for a rehearsal that needs no server.

Its data is in the run directory. It listens on a Unix socket only, never on TCP, and accepts only
the operating system's user who started it (MariaDB's unix_socket authentication: there is no
password). It stops when the command that started it ends, unless it was started to be kept. If a
killed command leaves it running, the next command finds and uses it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import MySQLdb

from fixturepipe.artifacts.rundir import DIRECTORY_MODE, FILE_MODE
from fixturepipe.databases.endpoints import EMBEDDED, Endpoint, complete_settings
from fixturepipe.errors import ConfigurationError

DATABASE = "fixturepipe"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
# sockaddr_un holds 108 bytes, MariaDB stops a little earlier.
_SOCKET_PATH_LIMIT = 103

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
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=256M",
    "--local-infile=ON",
    # The log reaches the operating system at each commit: a killed server loses nothing, a
    # power cut at most the last second, and that whole transactions, ledger rows included.
    "--innodb-flush-log-at-trx-commit=2",
)


class EmbeddedServer:
    """A private MariaDB whose files are in `directory` (created with mode 0700)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._data = self.directory / "data"
        # A starting server removes every temporary table in its tmpdir, those of other servers
        # too: in a shared /tmp that makes their queries fail, and MariaDB 10.11 crash.
        self._temporary = self.directory / "tmp"
        self._log = self.directory / "mariadbd.log"
        self._pid_file = self.directory / "mariadbd.pid"
        self._kept = self.directory / "kept"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = pwd.getpwuid(os.geteuid()).pw_name

    @property
    def socket(self) -> Path:
        """The socket: next to the data, or if its path is too long, in a private directory."""
        path = self.directory / "mariadbd.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
            return path
        note = self.directory / "socket-directory"
        if not note.exists() or not Path(note.read_text()).is_dir():
            note.write_text(tempfile.mkdtemp(prefix="fixturepipe-"))
        return Path(note.read_text()) / "mariadbd.sock"

    @property
    def client(self) -> str:
        """The command that opens its database in the mariadb client."""
        return f"mariadb --socket={self.socket} --user={self._user} {DATABASE}"

    @property
    def running(self) -> bool:
        """Whether this directory's server runs, whoever started it."""
        return self._pid() is not None

    @property
    def kept(self) -> bool:
        """Whether the server was started to outlive the command."""
        return self._kept.exists()

    def endpoint(self, database: str = DATABASE) -> Endpoint:
        """One of its databases as a target."""
        return Endpoint(
            EMBEDDED,
            complete_settings(
                {
                    "ENGINE": "django.db.backends.mysql",
                    "NAME": database,
                    "USER": self._user,
                    "HOST": str(self.socket),
                }
            ),
        )

    def start(self, *, keep: bool = False) -> None:
        """Start the server, making its data directory and database first; no-op if it runs.

        Raises ConfigurationError where mariadbd is not installed or does not start.
        """
        if not self.running:
            server = _program("mariadbd")
            self.directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            if not (self._data / "mysql").is_dir():
                self._install()
            self._launch(server)
        if keep:
            self._kept.touch(mode=FILE_MODE)
        self.create_database(DATABASE)

    def stop(self) -> None:
        """Stop the server in good order; no-op if it does not run."""
        self._kept.unlink(missing_ok=True)
        pid = self._pid()
        if pid is None:
            self._forget_process()
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        # The pid file goes early in a shutdown; the process itself says when it is over.
        while self._is_server(pid):
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"The embedded server (process {pid}) does not stop",
                    hint=f"See {self._log}; end it with `kill -9 {pid}`: its data survive that.",
                )
            if self._process is not None:
                self._process.poll()
            time.sleep(0.02)
        self._forget_process()

    def create_database(self, name: str) -> None:
        """Make a database if it is not there."""
        with MySQLdb.connect(unix_socket=str(self.socket), user=self._user) as connection:
            cursor = connection.cursor()
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{name}`")
            cursor.close()

    def _install(self) -> None:
        program = _program("mariadb-install-db")
        shutil.rmtree(self._data, ignore_errors=True)
        self._temporary.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        done = subprocess.run(
            [
                program,
                "--no-defaults",
                f"--datadir={self._data}",
                "--auth-root-authentication-method=socket",
                f"--auth-root-socket-user={self._user}",
                "--skip-test-db",
                "--skip-name-resolve",
                *self._as_root(),
            ],
            env={**os.environ, "TMPDIR": str(self._temporary)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
            raise ConfigurationError(
                f"The embedded server's data directory could not be made: {last[0]}",
                hint=f"Look at the space and the permissions of {self.directory}.",
            )

    def _launch(self, program: str) -> None:
        self._pid_file.unlink(missing_ok=True)
        self._temporary.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        with self._log.open("ab") as log:
            self._log.chmod(FILE_MODE)
            self._process = process = subprocess.Popen(
                [
                    program,
                    "--no-defaults",
                    f"--datadir={self._data}",
                    f"--tmpdir={self._temporary}",
                    f"--socket={self.socket}",
                    f"--pid-file={self._pid_file}",
                    *_OPTIONS,
                    *self._as_root(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C is for the command; it stops the server itself, in good order.
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                self._forget_process()
                raise ConfigurationError(
                    f"The embedded server did not start: {self._last_error()}",
                    hint=f"See {self._log}; `fixturepipe clean` starts afresh.",
                )
            time.sleep(0.02)

    def _answers(self) -> bool:
        if not self.running:
            return False
        try:
            with MySQLdb.connect(unix_socket=str(self.socket), user=self._user):
                return True
        except MySQLdb.Error:
            return False

    def _as_root(self) -> list[str]:
        # As root the server refuses to run without this option.
        return [f"--user={self._user}"] if os.geteuid() == 0 else []

    def _last_error(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "[ERROR]" in line]
        return (errors or lines or ["no message"])[-1]

    def _pid(self) -> int | None:
        """The process id of this directory's server, if that process really is it."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if self._is_server(pid) else None

    def _forget_process(self) -> None:
        """Collect the ended process, if it is a child of ours."""
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _is_server(self, pid: int) -> bool:
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(f"--datadir={self._data}") in arguments


def _program(name: str) -> str:
    # Debian keeps servers in /usr/sbin, which the PATH of an ordinary user lacks.
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
    if found is None:
        raise ConfigurationError(f"The embedded server needs {name}", hint=_INSTALL)
    return found
