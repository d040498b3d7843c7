"""Primary keys as text: how files, messages and comparisons name an object."""

from __future__ import annotations

from typing import Any


def key_text(pk: Any) -> str:
    """A primary key as text, the same for what Django reads and for what a fixture holds.

    The parts of a composite key (a list or a tuple) are joined by "|".
    """
    parts = pk if isinstance(pk, list | tuple) else [pk]
    return "|".join(p.isoformat() if hasattr(p, "isoformat") else str(p) for p in parts)
