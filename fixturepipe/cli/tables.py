"""Plain text tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lines of a table: numbers to the right with thousands separators, the rest to the left."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    right = [all(not row[i] or row[i][0].isdigit() for row in cells) for i in range(len(head))]

    def line(parts: Sequence[str]) -> str:
        padded = (
            part.rjust(width) if to_the_right else part.ljust(width)
            for part, width, to_the_right in zip(parts, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, cells)])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
