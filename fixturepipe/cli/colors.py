"""Color for the words of a text that say how it went: errors, warnings, success, the next step.

The styles are those of Django's own commands, so DJANGO_COLORS changes them, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, TextIO

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
