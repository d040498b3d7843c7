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
