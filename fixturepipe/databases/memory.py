"""The memory of this machine, and the share of it that the embedded server takes."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

MIB = 1 << 20
# MariaDB's own default, and the unit in which the buffer pool grows.
_SMALLEST = 128 * MIB
# The limits of a container, in versions 2 and 1 of Linux's control groups
# (https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files).
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def buffer_pool_bytes() -> int:
    """A quarter of the memory, or half of what is free if that is less; at least 128 MiB."""
    total, free = _memory()
    return max(_SMALLEST, min(total // 4, free // 2) // _SMALLEST * _SMALLEST)


def _memory() -> tuple[int, int]:
    """Bytes of the machine or of its container, and how many of them are available."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = total
    with suppress(OSError):
        found = re.search(r"MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text())
        free = int(found[1]) * 1024 if found else total
    for path in _LIMITS:
        # Version 2 writes "max" for no limit, version 1 a very large number.
        with suppress(OSError, ValueError):
            total = min(total, int(path.read_text()))
    return total, min(total, free)
