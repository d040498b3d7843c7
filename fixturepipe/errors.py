"""The errors that fixturepipe raises, and the exit status that each stands for.

    FixturepipeError             3  stopped; the same command goes on from here
    ├── UsageError               2  wrong use or configuration: nothing was begun
    │   ├── ConfigurationError      settings, aliases, URLs, servers, privileges
    │   └── RunDirectoryError       a run directory that this command cannot use
    ├── FixtureError             2  a file that is not a fixture
    │   └── ChunkFileError       3  a chunk that is damaged or gone
    ├── SourceDataError          1  rows of the source that cannot be written as they are
    ├── DanglingReferenceError   1  objects that point at nothing
    └── LoadError                3  the target refused a chunk
        └── TransientLoadError      the server was gone: worth trying again

Every error is built from fields and writes its own message: what happened, where, and
in `hint` what to do next. The command line prints both and exits with `exit_code`.
"""

from __future__ import annotations


class FixturepipeError(Exception):
    """Base of all errors. `hint` is the next step, a sentence or a command."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(FixturepipeError):
    """The command cannot mean anything as it was given."""

    exit_code = 2


class ConfigurationError(UsageError):
    """Settings, an alias, a URL, a server or a privilege is not as it must be."""


class RunDirectoryError(UsageError):
    """The run directory is missing, of another run, of a newer version or not writable."""


class FixtureError(FixturepipeError):
    """A file is not a fixture, or is cut off.

    `path` names the file; `position` says where in it (a byte offset or a line), if known.
    """

    exit_code = 2

    def __init__(self, path: object, problem: str, *, position: str = "", hint: str = "") -> None:
        where = f"{path}, {position}" if position else f"{path}"
        usual = "A fixture is what `manage.py dumpdata` writes; make the file anew."
        super().__init__(f"{where}: {problem}", hint=hint or usual)


class ChunkFileError(FixtureError):
    """A chunk's file is damaged or gone; the chunks before it are in."""

    exit_code = 3

    def __init__(self, path: object, problem: str, *, position: str = "") -> None:
        hint = (
            "Mend the file, or write it again with `fixturepipe arrange`; then `fixturepipe load`"
            " goes on."
        )
        super().__init__(path, problem, position=position, hint=hint)


class SourceDataError(FixturepipeError):
    """Rows of the source hold values that a fixture cannot carry unchanged."""

    exit_code = 1


class DanglingReferenceError(FixturepipeError):
    """Objects refer to objects that are neither in the dumps nor in the target."""

    exit_code = 1


class LoadError(FixturepipeError):
    """The target refused a chunk; its transaction was rolled back."""

    exit_code = 3


class TransientLoadError(LoadError):
    """The server went away or asked to try again; nothing is wrong with the data."""
