"""Text that Python can hold and UTF-8 cannot: lone surrogates.

They come from bytes that are not UTF-8, which SQLite's driver hands out so (PEP 383), and from
JSON, which can escape half of a surrogate pair.
"""

from __future__ import annotations


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can encode the text, so that no lone surrogate is in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
