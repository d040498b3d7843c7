"""The errors that fixturepipe raises, and the exit status that each stands for.

    FixturepipeError             3  stopped; the same command continues from here
    ├── UsageError               2  wrong use or configuration: nothing was done
    │   ├── ConfigurationError      settings, aliases, URLs, servers, privileges
    │   └── RunDirectoryError       a run directory that this command cannot use
    ├── FixtureError             2  a file that is not a fixture
    │   └── ChunkFileError       3  a chunk whose file is damaged or missing
    ├── SourceDataError          1  rows of the source that cannot be written as they are
    ├── DanglingReferenceError   1  objects that refer to objects that do not exist
    └── LoadError                3  the target refused a chunk
        └── TransientLoadError      the server was away: worth trying again

An error is raised with its fields and writes its message from them: what happened, where, and
in `hint` what to do next. `str(error)` is the message without the hint. The command line prints
both and exits with the class's `exit_code`. Errors pickle whole, so that one raised in a worker
process is the same error in the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar


class FixturepipeError(Exception):
    """Base of all errors. `hint` is the next step, a sentence or a command."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception pickles as its class called with `args`, and the fields of ours are not
        # its arguments.
        return _rebuilt, (type(self), self.args), self.__dict__


class UsageError(FixturepipeError):
    """The command or call makes no sense as it was given."""

    exit_code = 2


class ConfigurationError(UsageError):
    """Settings, an alias, a URL, a server or a privilege is not as it must be."""


class RunDirectoryError(UsageError):
    """The run directory is missing, another run's, of a newer version or not writable."""


class FixtureError(FixturepipeError):
    """A file is not a fixture, or is cut off.

    `path` names the file, `problem` says what is wrong with it, and `position` where in it (a
    byte offset or a line), if known.
    """

    exit_code = 2
    usual_hint: ClassVar[str] = "Write the file again with `manage.py dumpdata`."

    def __init__(self, path: object, problem: str, *, position: str = "", hint: str = "") -> None:
        where = f"{path}, {position}" if position else f"{path}"
        super().__init__(f"{where}: {problem}", hint=hint or self.usual_hint)
        self.path = str(path)
        self.problem = problem
        self.position = position


class ChunkFileError(FixtureError):
    """A chunk's file is damaged or missing. The chunks before it are loaded."""

    exit_code = 3
    usual_hint = (
        "Correct the file, or write it again with `fixturepipe arrange`; then continue with"
        " `fixturepipe load`."
    )


class SourceDataError(FixturepipeError):
    """Rows of the source hold values that a fixture or the target cannot carry unchanged."""

    exit_code = 1


class DanglingReferenceError(FixturepipeError):
    """Objects refer to objects that are neither in the dumps nor in the target."""

    exit_code = 1


class LoadError(FixturepipeError):
    """The target refused a chunk, whose transaction was rolled back.

    `chunk` is the chunk's file within the run directory and `problems` has a sentence for each
    refused object, which names it; both are empty where the error is not about one chunk.
    """

    def __init__(
        self, message: str, *, hint: str = "", chunk: str = "", problems: Sequence[str] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.chunk = chunk
        self.problems = tuple(problems)


class TransientLoadError(LoadError):
    """The server went away or asked to try again. Nothing is wrong with the data."""


_Error = TypeVar("_Error", bound=FixturepipeError)


def _rebuilt(kind: type[_Error], args: tuple[Any, ...]) -> _Error:
    """An error without its fields, which pickle adds."""
    error = kind.__new__(kind)
    error.args = args
    return error
