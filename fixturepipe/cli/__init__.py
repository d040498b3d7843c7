"""The command line: the one parser, and the only place that prints and exits.

Results go to stdout, progress and log to stderr. Exit status: 0 done; 1 done, and problems
were found; 2 wrong use or configuration; 3 stopped by a failure from which the same command
continues; 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from fixturepipe.cli.commandtable import Command, all_options, command_named
from fixturepipe.cli.failures import failure_of
from fixturepipe.cli.interrupts import handled, ignore, is_interrupted
from fixturepipe.cli.nextcommand import NextCommand, next_command
from fixturepipe.cli.parser import build_parser, complete
from fixturepipe.cli.progress import Progress
from fixturepipe.cli.terminal import (
    flush_stdout,
    forget_stdout,
    say,
    set_up_streams,
    stdout_for_results,
    use_color,
)
from fixturepipe.config import read_file, resolve

WRONG_USE, INTERRUPTED = 2, 130
TRACEBACKS = 3

# Rows are tuples and strings, which make no cycles: looking for some every 700 objects, as
# Python does, takes a tenth of a dump's time. Imports alone make 100,000, which stay.
_OBJECTS_BETWEEN_COLLECTIONS = 200_000


def script(arguments: Sequence[str] | None = None, prog: str = "fixturepipe") -> NoReturn:
    """The program: run `main`, and exit with its status."""
    set_up_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    repeated = next_command(prog, arguments, os.environ)
    try:
        with handled(lambda: _say_interrupted(repeated)):
            status = main(arguments, prog)
    except KeyboardInterrupt:
        ignore()  # an interrupt that was raised again may come twice
        _say_interrupted(repeated)
        flush_stdout()
        # At once: Python's own end waits for each thread and each worker.
        os._exit(INTERRUPTED)
    # The process ends, and all objects with it: looking for cycles among them takes 0.1 s.
    gc.freeze()
    sys.exit(status)


def main(arguments: Sequence[str] | None = None, prog: str = "fixturepipe") -> int:
    """Run one command, and return its exit status. Raises KeyboardInterrupt."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = build_parser(prog)
    complete(parser)
    if not arguments:
        parser.print_help(sys.stderr)
        return WRONG_USE
    flags = vars(parser.parse_args(arguments))
    command = command_named(flags.pop("command"))
    next_ = next_command(prog, arguments, os.environ)
    # Until the environment and the file are read there are only the flags.
    verbosity = int(flags.get("verbosity", 1))
    use_color(flags.get("color", "auto"))
    try:
        values = _values(command, flags)
        verbosity = values.get("verbosity", verbosity)
        use_color(values.get("color", "auto"))
        # Imported late: `--help` and wrong use must not wait for it.
        from fixturepipe.cli.commands import COMMANDS, Call

        quiet = values.get("no_progress", False)
        with stdout_for_results(), Progress(verbosity, next_, quiet=quiet) as progress:
            status = COMMANDS[command.name](Call(command, values, progress, next_))
        flush_stdout()
        return status
    except Exception as error:  # a user gets a sentence, whatever happened
        if is_interrupted():
            raise KeyboardInterrupt from error
        if verbosity >= TRACEBACKS:
            traceback.print_exc()
        return _say_failure(error, next_)


def _values(command: Command, flags: dict[str, Any]) -> dict[str, Any]:
    """The options and arguments that are given anywhere, by their names in Python."""
    file = read_file(Path.cwd(), [option.name for option in all_options()])
    arguments = {each.name: flags[each.name] for each in command.arguments}
    return resolve(command.all_options, flags, os.environ, file) | arguments


def _say_failure(error: Exception, next_: NextCommand) -> int:
    failure = failure_of(error)
    if isinstance(error, OSError):
        # Perhaps it is stdout that is full: what it still holds must not fail again at the end.
        forget_stdout()
    say(f"error: {next_.completed(failure.message)}")
    if failure.hint:
        say(f"  next: {next_.completed(failure.hint)}")
    return failure.exit_code


def _say_interrupted(repeated: NextCommand) -> None:
    say(f"Interrupted. The same command continues from here: {repeated.repeated}")
