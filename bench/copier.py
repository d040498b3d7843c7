"""sqlite3-to-mysql, in an environment of its own: fixturepipe does not depend on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

VERSION = "2.6.1"


class NotInstalledError(Exception):
    """sqlite3-to-mysql cannot be installed here; the text says why."""


def installed() -> Path:
    """Its program, installed into the user's cache on the first call.

    Raises NotInstalledError.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    place = cache / "fixturepipe-bench" / f"sqlite3-to-mysql-{VERSION}-py{python}"
    program = place / "bin" / "sqlite3mysql"
    # pip writes the program last.
    if program.exists():
        return program
    _run(sys.executable, "-m", "venv", "--clear", str(place))
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "-q")
    _run(str(place / "bin" / "python"), *pip, f"sqlite3-to-mysql=={VERSION}")
    return program


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotInstalledError(str(error)) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise NotInstalledError(said[-1])
