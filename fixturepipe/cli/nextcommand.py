"""The next command: a line that can be pasted and does what the message says.

Stages write the bare command between backticks, as in "Continue with `fixturepipe load`." Only the
command line knows how it was called, so it completes each of these: the program as it was
started, and the options that name the project, the databases and the run directory, quoted for a
shell. No password is on such a line; a target that the run directory records is left out.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fixturepipe.artifacts.manifest import read_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.cli.commandtable import COMMANDS
from fixturepipe.cli.options import PROJECT
from fixturepipe.config import Project
from fixturepipe.databases.urls import hidden_parts, shown_url
from fixturepipe.errors import RunDirectoryError

PROGRAM = "fixturepipe"
_OF_FILES = frozenset(command.name for command in COMMANDS if command.of_files)
_COMMAND = re.compile(r"`fixturepipe ([a-z][^`]*)`")


@dataclass(frozen=True)
class NextCommand:
    """Completes commands. `options` has the project's options that were given, by name, and
    `own` the rest of this call: the command with its own options.
    """

    program: str
    options: Mapping[str, str]
    own: tuple[str, ...] = ()

    @property
    def repeated(self) -> str:
        """This call once more."""
        return self.line(shlex.join(self.own))

    def run_after_check(self) -> str:
        """`run` with the options of this `check`, unless it is about some findings only."""
        own = list(self.own)
        if "check" not in own or any(part.startswith("--only") for part in own):
            return self.line("run")
        own[own.index("check")] = "run"
        return self.line(shlex.join(own))

    def line(self, command: str) -> str:
        """The whole line of a command, which may have options of its own: "load --rejects"."""
        given = [
            part
            for name, value in self.options.items()
            if self._is_needed(name, command)
            for part in (f"--{name}", value)
        ]
        return " ".join([self.program, *map(shlex.quote, given), command])

    def completed(self, text: str) -> str:
        """A text whose commands between backticks are whole lines."""
        return _COMMAND.sub(lambda found: f"`{self.line(found[1])}`", text)

    def _is_needed(self, name: str, command: str) -> bool:
        if command.partition(" ")[0] in _OF_FILES:
            return name == "workdir"
        return name != "target" or not self._is_target_recorded()

    def _is_target_recorded(self) -> bool:
        directory = RunDirectory(Path(self.options.get("workdir", Project.workdir)))
        try:
            return bool(read_manifest(directory).target)
        except RunDirectoryError:
            return False


def next_command(
    prog: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> NextCommand:
    """How the next command of this call is written.

    A URL in the environment stays there if it has parts that may not be shown.
    """
    flags, own = _split(arguments)
    options = {}
    for option in PROJECT:
        value = flags.get(option.name) or environment.get(option.variable) or ""
        if value and (option.name in flags or not hidden_parts(value)):
            options[option.name] = shown_url(value) if option.metavar == "DB" else value
    return NextCommand(program(prog), options, tuple(own))


def _split(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The project's options among the arguments, and the rest."""
    names = {f"--{option.name}": option.name for option in PROJECT}
    flags: dict[str, str] = {}
    own: list[str] = []
    left = iter(arguments)
    for argument in left:
        flag, equals, value = argument.partition("=")
        if flag in names:
            flags[names[flag]] = value if equals else next(left, "")
        else:
            own.append(argument)
    return flags, own


def program(prog: str = PROGRAM) -> str:
    """How to start this program again from a shell, as it was started."""
    python, script = shlex.quote(sys.orig_argv[0]), sys.argv[0]
    if prog != PROGRAM:
        return f"{python} {prog}" if script.endswith(".py") else prog
    match Path(script).name:
        case "__main__.py":
            return f"{python} -m {PROGRAM}"
        case "fixturepipe" if shutil.which(PROGRAM) != script:
            return shlex.quote(script)
        case _:
            return PROGRAM
