"""What `arrange` can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OnOrphan = Literal["stop", "reject", "null"]


@dataclass(frozen=True)
class ArrangeOptions:
    """Where to cut, and what to do about dangling references and unknown names.

    `chunk_objects` and `chunk_bytes` are the largest number of objects and bytes in a chunk.
    `on_orphan` decides about an object that refers to one that is nowhere: "stop", "reject" the
    object, or write "null" where the column allows it and reject the object where it does not.
    `ignorenonexistent` leaves out models and fields that the project does not have.
    """

    chunk_objects: int = 5000
    chunk_bytes: int = 8 * 2**20
    on_orphan: OnOrphan = "stop"
    ignorenonexistent: bool = False
