"""The sample shop as a user's project: a SQLite file and the command line over it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dj_database_url
import MySQLdb

ROOT = Path(__file__).resolve().parent.parent
BOOKSHOP = ROOT / "samples" / "bookshop"


@dataclass(frozen=True)
class Shop:
    """One sample database and one run directory; `target` as --target takes it."""

    database: Path
    workdir: Path
    target: str = ""
    settings: str = "bookshop.settings"
    pythonpath: Path = BOOKSHOP

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a user who has said everything there."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("FIXTUREPIPE_", "DJANGO_"))
        }
        return kept | {
            "BOOKSHOP_DB": str(self.database),
            "FIXTUREPIPE_SETTINGS": self.settings,
            "FIXTUREPIPE_PYTHONPATH": str(self.pythonpath),
            "FIXTUREPIPE_WORKDIR": str(self.workdir),
            **({"FIXTUREPIPE_TARGET": self.target} if self.target else {}),
        }

    def run(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `fixturepipe` with these arguments."""
        return subprocess.run(
            command(*arguments),
            cwd=self.workdir.parent,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *arguments: object, **environment: str) -> str:
        """Run a command that must end with status 0; gives its stdout."""
        result = self.run(*arguments, **environment)
        assert result.returncode == 0, f"{arguments}: {result.returncode}\n{result.stderr}"
        return result.stdout

    def json(self, *arguments: object) -> Any:
        """Run a command that must end with status 0; gives its result."""
        return json.loads(self.done(*arguments, "--json"))

    def execute(self, statement: str) -> tuple[tuple[Any, ...], ...]:
        """Run one statement in the target, past fixturepipe; gives its rows."""
        settings = dj_database_url.parse(self.target)
        where = settings.get("OPTIONS") or {"host": settings["HOST"], "port": settings["PORT"]}
        connection = MySQLdb.connect(
            user=settings["USER"],
            password=settings["PASSWORD"],
            database=settings["NAME"],
            charset="utf8mb4",
            autocommit=True,
            **where,
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return tuple(cursor.fetchall())
        finally:
            connection.close()

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own, to be killed."""
        return subprocess.Popen(
            command(*arguments),
            cwd=self.workdir.parent,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def manage(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the project's manage.py."""
        return subprocess.run(
            [sys.executable, str(BOOKSHOP / "manage.py"), *map(str, arguments)],
            cwd=BOOKSHOP,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def command(*arguments: object) -> list[str]:
    """The command line of `fixturepipe` in this Python."""
    return [sys.executable, "-m", "fixturepipe", *map(str, arguments)]


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
