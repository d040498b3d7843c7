"""Draws docs/images/*.svg: what the commands of the tutorial show on a terminal.

    .venv/bin/python docs/terminal.py

Each picture is the output of a real command, run as in docs/tutorial.md. Nothing in it is loaded
from another server.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
WIDTH = 96
_SITE = """\
django-admin startproject mysite .
python manage.py migrate -v 0
python manage.py createsuperuser --username anna --email anna@example.com --noinput
python manage.py createsuperuser --username Anna --email other@example.com --noinput
"""
_FIX = '[tool.fixturepipe.fix]\n"auth.User.username" = "rename"\n'


def main() -> None:
    """Draw all pictures."""
    with tempfile.TemporaryDirectory() as directory:
        site = Path(directory)
        for line in _SITE.splitlines():
            subprocess.run(shlex.split(line), cwd=site, env=_environment(), check=True)
        draw("check", "fixturepipe check", site)
        (site / "pyproject.toml").write_text(_FIX)
        draw("run", "fixturepipe run", site)


def draw(name: str, command: str, directory: Path) -> None:
    """Run a command on a terminal, and draw what it shows."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(shown(command, directory)))
    picture = console.export_svg(title=name)
    # The terminal's own fonts: a page asks no other server for one.
    picture = re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    picture = picture.replace("Fira Code", "ui-monospace, DejaVu Sans Mono, Menlo, Consolas")
    (HERE / "images" / f"{name}.svg").write_text(picture, encoding="utf-8")


def shown(command: str, directory: Path) -> str:
    """What a command writes to a terminal, without progress bars."""
    ours, its = pty.openpty()
    environment = _environment() | {"FIXTUREPIPE_NO_PROGRESS": "1", "COLUMNS": str(WIDTH)}
    process = subprocess.Popen(
        shlex.split(command), cwd=directory, env=environment, stdin=its, stdout=its, stderr=its
    )
    os.close(its)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's sign that nobody writes any more
            break
        if not part:
            break
        parts.append(part)
    process.wait()
    return b"".join(parts).decode().replace("\r\n", "\n")


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FIXTUREPIPE_", "DJANGO_"))}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "TERM": "xterm-256color",
    }


if __name__ == "__main__":
    main()
