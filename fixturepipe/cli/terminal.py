"""The standard streams, whatever they are: closed, full, not UTF-8, or a terminal that obeys.

Color is for the words that say how it went: errors, warnings, success, the next step. The styles
are those of Django's own commands, so DJANGO_COLORS changes them, too.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

_color = "auto"
_results: TextIO | None = None

# The part of a line that is colored, and its role in a palette of Django's.
_ROLES = (
    (
        re.compile(
            r"^(?:FP\d+ )?error:|^problem:|^(?:value|missing|extra): |^check: [1-9].*", re.MULTILINE
        ),
        "ERROR",
    ),
    (re.compile(r"^(?:FP\d+ )?warning:", re.MULTILINE), "WARNING"),
    (re.compile(r"^FP\d+ note:|^Next: |^ +next: |^ +hint: ", re.MULTILINE), "MIGRATE_LABEL"),
    (
        re.compile(r"^check: 0 errors.*|^verify: .*; nothing differs\.|^Done: .*", re.MULTILINE),
        "SUCCESS",
    ),
)

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


def is_colored(stream: TextIO, choice: str, environment: Mapping[str, str]) -> bool:
    """Whether a stream gets color: as chosen; for "auto" as https://no-color.org says, and on a
    terminal alone unless FORCE_COLOR is set.
    """
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def colored(text: str) -> str:
    """A text with its telling words in color."""
    # Imported late: without color there is no need for it.
    from django.utils.termcolors import colorize, parse_color_setting

    palette: dict[str, Any] = parse_color_setting(os.environ.get("DJANGO_COLORS", "")) or {}
    styles = [(pattern, palette[role]) for pattern, role in _ROLES if palette.get(role)]
    for pattern, style in styles:
        # The style goes around \g<0>, the words that are found.
        text = pattern.sub(colorize(r"\g<0>", **style), text)
    return text


def say(text: str) -> None:
    """A line on stderr. That it cannot be written must not stop the work."""
    with contextlib.suppress(OSError, ValueError):
        print(shown(text, sys.stderr), file=sys.stderr, flush=True)


@contextlib.contextmanager
def stdout_for_results() -> Iterator[None]:
    """In the block, only results go to stdout: what the project's own code prints goes to stderr.

    Settings, `AppConfig.ready()` and migrations print, and would spoil the JSON of a result.
    """
    global _results
    _results = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _results = None


def results() -> TextIO:
    """The stream that results go to."""
    return _results or sys.stdout


def flush_stdout(content: bytes = b"") -> None:
    """Put a result on stdout; a reader who is gone, as in `inspect | head`, wants no more."""
    stream = results()
    try:
        stream.flush()
        stream.buffer.write(content)
        stream.buffer.flush()
    except BrokenPipeError:
        forget_stdout()


def forget_stdout() -> None:
    """Write the rest to the null device, where stdout cannot be written to."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), results().fileno())
