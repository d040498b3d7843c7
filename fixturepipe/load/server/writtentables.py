"""Which tables `migrate` writes rows into, recorded before it does.

Migrations and the receivers of `post_migrate` insert rows. A run replaces those with the source's,
and has to know them from rows that others insert.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_NAME = r"(?:[`\"]?\w+[`\"]?\.)?[`\"]?([^`\"\s(;]+)[`\"]?"
_INSERTS = (
    re.compile(
        r"\s*(?:INSERT|REPLACE)(?:\s+(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE))*"
        rf"\s+(?:INTO\s+)?{_NAME}",
        re.IGNORECASE,
    ),
    re.compile(rf"\s*LOAD\s+DATA\b.*?\bINTO\s+TABLE\s+{_NAME}", re.IGNORECASE | re.DOTALL),
    re.compile(
        rf"\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}(?=.*\bSELECT\b)",
        re.IGNORECASE | re.DOTALL,
    ),
)
_RENAME = re.compile(
    rf"\s*(?:ALTER|RENAME)\s+TABLE\s+{_NAME}\s+(?:RENAME\s+)?(?:(?:TO|AS)\s+)?{_NAME}\s*$",
    re.IGNORECASE,
)


class WrittenTables:
    """For `execute_wrapper`: calls `record` with each table before the first INSERT into it.

    A table that is renamed takes its rows along. Rows that a trigger or a procedure of the server
    inserts are not seen.
    """

    def __init__(self, record: Callable[[str], None]) -> None:
        self._record = record
        self._written: set[str] = set()

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        for table in self._written_by(str(sql)) - self._written:
            self._record(table)
            self._written.add(table)
        return execute(sql, params, many, context)

    def _written_by(self, sql: str) -> set[str]:
        renamed = _RENAME.match(sql)
        if renamed and renamed[1] in self._written:
            return {renamed[2]}
        return {found[1] for pattern in _INSERTS if (found := pattern.match(sql))}
