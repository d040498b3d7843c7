"""Template filters: numbers, durations, sizes, datetimes and statuses as the page writes them."""

from __future__ import annotations

from collections.abc import Sized
from datetime import datetime

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString

from fixturepipe.wording import size_text

_MARKS = {"equal": "✓", "excepted": "▲", "different": "✕", "open": "○"}
_MARKS |= {"sampled": "▲", "stopped": "✕", "unverified": "○", "unfinished": "○"}
_MARKS |= {"error": "✕", "warning": "▲", "note": "○"}
_TONES = {"✓": "good", "▲": "warn", "✕": "bad", "○": "open"}
_UNKNOWN = "\N{EN DASH}"
_WORDS = {
    "equal": "equal",
    "excepted": "exceptions",
    "different": "differs",
    "open": "not compared",
    "missing": "missing in the target",
    "extra": "in the target only",
    "value": "another value",
}

register = Library()
register.filter("size", size_text)


@register.filter
def number(value: int | float | None) -> str:
    """A count with separators; a dash for one that is not known."""
    return _UNKNOWN if value is None else f"{value:,}"


@register.filter
def some(value: int) -> str:
    """A count, or nothing for 0."""
    return f"{value:,}" if value else ""


@register.filter
def duration(value: float) -> str:
    """A duration for people."""
    if value < 60:
        return f"{value:.{2 if value < 10 else 1}f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


@register.filter
def when(text: str) -> str:
    """An ISO datetime for people, in UTC."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC" if text else _UNKNOWN


@register.filter
def less(count: int, rows: Sized) -> str:
    """How many are left after these rows."""
    return f"{count - len(rows):,}"


@register.filter
def mark(status: str) -> str:
    """The sign of a status or a level."""
    return _MARKS[status]


@register.filter
def tone(status: str) -> str:
    """The class that colors a status or a level."""
    return _TONES[mark(status)]


@register.filter
def word(status: str) -> str:
    """A status or the kind of a difference in words."""
    return _WORDS[status]


@register.filter
def label(name: str) -> SafeString:
    """A model's label, with its app in the background."""
    app, dot, model = name.rpartition(".")
    if not dot:
        return format_html("<span>{}</span>", model)
    return format_html('<span><span class="app">{}.</span><wbr>{}</span>', app, model)
