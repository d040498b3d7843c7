"""The standard streams, whatever they are: closed, full, not UTF-8, or a terminal that obeys."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from typing import TextIO

from fixturepipe.cli.colors import colored, is_colored

_color = "auto"

# Control characters, which a terminal would obey; a text has lines and tabs.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def set_up_streams() -> None:
    """Make the standard streams safe to write to.

    A closed one becomes the null device: otherwise the next file that is opened would take its
    number. What an encoding lacks is written as an escape.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """A text whose control characters are escapes, as in a string of Python."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def use_color(choice: str) -> None:
    """Color what is shown from now on: "auto", "always" or "never"."""
    global _color
    _color = choice


def shown(text: str, stream: TextIO) -> str:
    """A text as this stream shows it: no control characters, and color where it has that."""
    text = printable(text)
    return colored(text) if is_colored(stream, _color, os.environ) else text


def say(text: str) -> None:
    """A line on stderr. That it cannot be written must not stop the work."""
    with contextlib.suppress(OSError, ValueError):
        print(shown(text, sys.stderr), file=sys.stderr, flush=True)


def flush_stdout(content: bytes = b"") -> None:
    """Put a result on stdout; a reader who is gone, as in `inspect | head`, wants no more."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        forget_stdout()


def forget_stdout() -> None:
    """Write the rest to the null device, where stdout cannot be written to."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
