"""Which keys, values and texts a report may show.

A report is sent to people who may not see the data. Without `--values` it has no value, no key but
whole numbers and UUIDs (a text may be an address, or a session's secret), and of an error's text
only what is sure to hold no value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from fixturepipe.wording import cut

_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
# Servers quote values, and so do we; after " = " comes the value of a field.
_VALUE_BEGINS = re.compile(r"(?<!\w)['\"“]|\s= ")
_QUOTES = "'\"”"
# The end of a server's message, which names a column or a key.
_NAMES = re.compile(r" for (?:column|key) ['`][\w.`]+['`](?: at row \d+)?\.?$")
_LONGEST = 120


@dataclass(frozen=True)
class Disclosure:
    """What may be shown; `values` is the option."""

    values: bool = False

    def key(self, pk: Any) -> str:
        """A primary key as text, or "" if it may not be shown."""
        if isinstance(pk, list):
            parts = [self.key(part) for part in pk]
            return ", ".join(parts) if all(parts) else ""
        if self.values or isinstance(pk, int) or _UUID.fullmatch(str(pk)):
            return _shortened(pk)
        return ""

    def value(self, value: Any) -> str | None:
        """A value as text, cut where it is long, or None if it may not be shown."""
        return _shortened(value) if self.values else None

    def text(self, text: str) -> str:
        """A message; without `values`, with all that may be a value left out."""
        return text if self.values else without_values(text)


def without_values(text: str, value: str = "") -> str:
    """A message from its first to its last quote replaced by "…", and so `value`, if it is known.

    A quote may be in the value itself, so what is between two quotes may be part of one.
    """
    if value:
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", text)
    names = _NAMES.search(text)
    head, tail = (text[: names.start()], names[0]) if names else (text, "")
    begins = _VALUE_BEGINS.search(head)
    if begins is None:
        return text
    last = max(head.rfind(quote) for quote in _QUOTES)
    rest = head[last:] if last > begins.start() else ""
    return f"{head[: begins.start()]}{begins[0].rstrip()}…{rest}{tail}"


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return cut(text, _LONGEST)
