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

from fixturepipe.cli.options import Command, all_options, build_parser, command_named
from fixturepipe.cli.progress import Progress
from fixturepipe.config import read_file, resolve
from fixturepipe.errors import FixturepipeError

INTERRUPTED = 130
TRACEBACKS = 3

# Rows are tuples and strings, which make no cycles: looking for some every 700 objects, as
# Python does, takes a tenth of a dump's time.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def script() -> NoReturn:
    """The program: run `main`, and exit with its status."""
    try:
        status = main()
    except KeyboardInterrupt:
        status = _interrupted()
    # The process ends, and all objects with it: looking for cycles among them takes 0.1 s.
    gc.freeze()
    sys.exit(status)


def main(arguments: Sequence[str] | None = None, prog: str = "fixturepipe") -> int:
    """Run one command, and return its exit status."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    flags = vars(build_parser(prog).parse_args(arguments))
    command = command_named(flags.pop("command"))
    # Until the environment and the file are read there is only the flag.
    verbosity = int(flags.get("verbosity", 1))
    try:
        values = _values(command, flags)
        verbosity = values.get("verbosity", verbosity)
        # Imported late: `--help` and wrong use must not wait for it.
        from fixturepipe.cli.commands import COMMANDS, Call

        with Progress(verbosity, quiet=values.get("no_progress", False)) as progress:
            return COMMANDS[command.name](Call(command, values, progress, prog))
    except FixturepipeError as error:
        if verbosity >= TRACEBACKS:
            traceback.print_exc()
        _print_error(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output is gone, as in `inspect | head`: nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a directory that was removed: each file is complete or absent.
        return _print_unexpected(error, verbosity, "Correct that, then repeat the command.")
    except Exception as error:  # noqa: BLE001  (a user gets a sentence, whatever happened)
        hint = "This is a fault of fixturepipe. Please report it with the traceback (-v 3)."
        return _print_unexpected(error, verbosity, hint)
    except KeyboardInterrupt:
        return _interrupted()


def _interrupted() -> int:
    print("Interrupted. The same command continues from here.", file=sys.stderr)
    return INTERRUPTED


def _values(command: Command, flags: dict[str, Any]) -> dict[str, Any]:
    """The options and arguments that are given anywhere, by their names in Python."""
    file = read_file(Path.cwd(), [option.name for option in all_options()])
    arguments = {each.name: flags[each.name] for each in command.arguments}
    return resolve(command.all_options, flags, os.environ, file) | arguments


def _print_error(error: FixturepipeError) -> None:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  next: {error.hint}", file=sys.stderr)


def _print_unexpected(error: Exception, verbosity: int, hint: str) -> int:
    if verbosity >= TRACEBACKS:
        traceback.print_exc()
    _print_error(FixturepipeError(f"{type(error).__name__}: {error}", hint=hint))
    return FixturepipeError.exit_code
