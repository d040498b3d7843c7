"""Counts, lists and long values, as every message writes them."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str = "") -> str:
    """ "1 error", "2,000 errors"; `plural` is for a noun that takes more than an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[str], most: int, total: int | None = None) -> str:
    """ "a, b and 3 more": at most so many of the names, out of `total`."""
    shown = ", ".join(names[:most])
    more = (len(names) if total is None else total) - min(len(names), most)
    return f"{shown} and {more:,} more" if more > 0 else shown


def in_lines(items: Sequence[object], most: int) -> list[str]:
    """At most so many of the items, each on an indented line of its own."""
    more = len(items) - most
    rest = [f"  … and {more:,} more"] if more > 0 else []
    return [*(f"  {item}" for item in items[:most]), *rest]


def cut(text: str, length: int) -> str:
    """The text, or its beginning and "…": at most so many characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def size_text(value: float) -> str:
    """Bytes for people: "512 bytes", "1.5 MiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:,.0f} {unit}" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TiB"
