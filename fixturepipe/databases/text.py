"""Text that Python can hold and UTF-8 cannot: lone surrogates.

SQLite's driver returns them for bytes that are not UTF-8 (PEP 383), and JSON can escape them.
"""

from __future__ import annotations


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can encode the text, so that no lone surrogate is in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    r"""The text with `\xff` for each byte that is not UTF-8, `\ud800` for other lone surrogates."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


def shortened(text: str, length: int = 200) -> str:
    """The text, or its beginning and the number of its characters if it is longer."""
    return text if len(text) <= length else f"{text[:length]}… ({len(text):,} characters)"
