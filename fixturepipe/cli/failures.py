"""What is said of an exception that is no FixturepipeError.

Most of them are the world's: a full disk, a server that went away, a file that somebody damaged.
Only the rest is a fault of fixturepipe.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

from fixturepipe.errors import FixturepipeError

_AGAIN = "Correct that, then run the same command again."
_OURS = "This is a fault of fixturepipe. Please report it with the traceback (-v 3)."

# https://dev.mysql.com/doc/mysql-errors/9.4/en/: the connection was refused, lost or closed.
_AWAY = frozenset((1040, 1053, 1077, 1079, 1152, 1159, 1161, 1203, 1927))
_AWAY |= frozenset((2002, 2003, 2005, 2006, 2012, 2013, 2026, 2055, 3159, 4031))
_LIMITED = 1226
# A statement that the server does not understand: ours.
_MISTAKES = frozenset((1054, 1064, 1136, 1146, 1149))
_OPERATIONAL = ("OperationalError", "InterfaceError", "InternalError")


def failure_of(error: BaseException) -> FixturepipeError:
    """The exception as an error with a message and the next step."""
    if isinstance(error, FixturepipeError):
        return error
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError):
        return FixturepipeError(
            "There is not enough memory",
            hint="Run the command again with fewer --workers or smaller chunks (--chunk-bytes).",
        )
    if _is_of_database(error):
        return _of_database(error)
    if type(error).__module__.partition(".")[0] == "msgspec":
        return FixturepipeError(
            f"A file in the run directory is damaged: {error}",
            hint="Undo the last edit, or write the file again with `fixturepipe dump` or"
            " `fixturepipe arrange`.",
        )
    return FixturepipeError(_described(error), hint=_OURS)


def _of_system(error: OSError) -> FixturepipeError:
    where = f"{error.filename}: " if error.filename else ""
    message = f"{where}{error.strerror or _described(error)}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FixturepipeError(message, hint="Make room, then run the same command again.")
    return FixturepipeError(message, hint=_AGAIN)


def _is_of_database(error: BaseException) -> bool:
    """Whether a driver raised it, or Django for one. Neither is imported for the question."""
    names = (("django.db.utils", "Error"), ("sqlite3", "Error"), ("MySQLdb", "Error"))
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in names)
    return any(isinstance(error, kind) for kind in kinds if kind is not None)


def _of_database(error: BaseException) -> FixturepipeError:
    code, text = _code_and_text(error)
    if code in _AWAY:
        return FixturepipeError(
            f"The server does not answer: {text} (error {code})",
            hint="Run the same command again. If that does not help, look at the server's log,"
            " its wait_timeout and its max_allowed_packet.",
        )
    if code == _LIMITED:
        return FixturepipeError(
            f"The account has reached a limit: {text} (error {code})",
            hint="Raise the limit (ALTER USER … WITH …), or wait until its hour is over. Then run"
            " the same command again.",
        )
    if "malformed" in text or "not a database" in text or "disk I/O error" in text:
        return FixturepipeError(
            f"SQLite cannot read the source: {text}",
            hint="`PRAGMA integrity_check` shows what is damaged; `sqlite3 old.sqlite3 .recover |"
            " sqlite3 new.sqlite3` saves what can be read.",
        )
    if "is locked" in text or "is full" in text:
        return FixturepipeError(f"SQLite: {text}", hint=_AGAIN)
    if isinstance(code, int) and code not in _MISTAKES and type(error).__name__ in _OPERATIONAL:
        return FixturepipeError(
            f"The server refused a statement: {text} (error {code})", hint=_AGAIN
        )
    return FixturepipeError(_described(error), hint=_OURS)


def _code_and_text(error: BaseException) -> tuple[Any, str]:
    """The server's error number, None for SQLite, and its message."""
    if len(error.args) > 1 and isinstance(error.args[0], int):
        return error.args[0], str(error.args[1])
    return None, str(error)


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
