"""The command line: the one parser, and the only place that prints and exits.

Results go to stdout, progress and log to stderr. Exit status: 0 done; 1 done, and problems
were found; 2 wrong use or configuration; 3 stopped by a failure that the next load goes on
from; 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from fixturepipe.cli.options import COMMON, all_options, build_parser, command_named
from fixturepipe.cli.progress import Progress
from fixturepipe.config import read_file, resolve
from fixturepipe.errors import FixturepipeError

INTERRUPTED = 130
TRACEBACKS = 3

# Rows are tuples and texts, which make no cycles: to look for some at every 700 objects, as
# Python does, takes a tenth of a dump's time.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def script() -> NoReturn:
    """The program: `main`, and the end of the process with its status."""
    try:
        status = main()
    except KeyboardInterrupt:
        status = _interrupted()
    # All that is left goes with the process: to look through it for cycles takes 0.1 s.
    gc.freeze()
    sys.exit(status)


def main(arguments: Sequence[str] | None = None, prog: str = "fixturepipe") -> int:
    """Run one command; gives its exit status."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    flags = vars(build_parser(prog).parse_args(arguments))
    # Before the options are known there is only what the flag says.
    verbosity = int(flags.get("verbosity", 1))
    try:
        values = _values(flags)
        verbosity = values["verbosity"]
        # Imported late: `--help` and wrong use must not wait for Django.
        from fixturepipe.cli.commands import COMMANDS, Call

        with Progress(verbosity, quiet=values["no_progress"]) as progress:
            return COMMANDS[flags["command"]](Call(values, progress, prog))
    except FixturepipeError as error:
        if verbosity >= TRACEBACKS:
            traceback.print_exc()
        _print_error(error)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output has gone, as in `inspect | head`: nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        # A full disk, a directory that was taken away: what is written is whole or absent.
        return _print_unexpected(error, verbosity, "Mend that, then give the same command again.")
    except Exception as error:  # noqa: BLE001  (a user gets a sentence, whatever happened)
        hint = "This is a fault of fixturepipe: the traceback (-v 3) belongs into its report."
        return _print_unexpected(error, verbosity, hint)
    except KeyboardInterrupt:
        return _interrupted()


def _interrupted() -> int:
    print("Interrupted. The same command goes on from here.", file=sys.stderr)
    return INTERRUPTED


def _values(flags: dict[str, Any]) -> dict[str, Any]:
    command = command_named(flags["command"])
    file = read_file(Path.cwd(), [option.name for option in all_options()])
    values = resolve((*COMMON, *command.options), flags, os.environ, file)
    return values | {name: flags[name] for name, _, _ in command.arguments}


def _print_error(error: FixturepipeError) -> None:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  next: {error.hint}", file=sys.stderr)


def _print_unexpected(error: Exception, verbosity: int, hint: str) -> int:
    if verbosity >= TRACEBACKS:
        traceback.print_exc()
    _print_error(FixturepipeError(f"{type(error).__name__}: {error}", hint=hint))
    return FixturepipeError.exit_code
