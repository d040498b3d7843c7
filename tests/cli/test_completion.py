"""A shell completes commands, options and their values."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.shop import command

# What bash itself sets before it calls the function that `complete` names.
ASKED = """
eval "$(fixturepipe completion bash)"
COMP_WORDS=($COMP_LINE)
[[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
COMP_POINT=${#COMP_LINE} COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_TYPE=9
_python_argcomplete fixturepipe "${COMP_WORDS[COMP_CWORD]}" fixturepipe
echo "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A search path with a program `fixturepipe`."""
    program = tmp_path_factory.mktemp("bin") / "fixturepipe"
    program.write_text(f'#!/bin/sh\nexec {" ".join(command())} "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fixturepipe ver", "verify "),
        ("fixturepipe run --snaps", "--snapshot "),
        ("fixturepipe run --snapshot ", "backup transaction"),
        ("fixturepipe report --target", ""),  # it reads the run directory alone
    ],
)
def test_bash_completes(line: str, expected: str, path: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", ASKED],
        env=os.environ | {"PATH": path, "COMP_LINE": line},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.rstrip("\n") == expected, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_takes_its_script(shell: str, path: str) -> None:
    script = subprocess.run(
        ["fixturepipe", "completion", shell],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "_ARGCOMPLETE" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
