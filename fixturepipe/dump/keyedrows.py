"""Objects by their keys, each as a dump of its database writes it.

This is how `sync` reads the rows that differ: the source's with the run's transform, the
target's as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fixturepipe.artifacts.changes import Change
from fixturepipe.databases.fields import key_fields
from fixturepipe.databases.packets import in_batches
from fixturepipe.databases.pages import PAGE_ROWS, Row
from fixturepipe.databases.tables import Key, Table
from fixturepipe.databases.text import is_utf8
from fixturepipe.dump.rowplan import RowPlan
from fixturepipe.dump.rowquery import rows_with_keys
from fixturepipe.dump.serializer import Problem, Refused, refusal_of
from fixturepipe.dump.transform import Transform


@dataclass(frozen=True)
class Written:
    """A row as an object of a fixture.

    `line` is None if the transform leaves the object out, which `changes` then say, and if a
    fixture cannot hold it, for which `problems` has the reasons.
    """

    line: bytes | None
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()


class KeyedRows:
    """The rows of one model in one database."""

    def __init__(
        self, plan: RowPlan, transform: Transform | None = None, *, lock: bool = False
    ) -> None:
        """`lock` keeps rows that are read as they are until the transaction ends."""
        self.plan = plan
        self._transform = transform
        self._lock = lock
        self._width = len(key_fields(plan.model))

    def of(self, keys: Sequence[Key]) -> list[Written | None]:
        """The row of each raw key; None where there is no such row (any more)."""
        found = {comparable_key(row[: self._width]): row for row in self._rows(keys)}
        return [self._written(found.get(comparable_key(key)) or self._alone(key)) for key in keys]

    def transformed(self) -> Iterator[list[Key]]:
        """Yield the keys of the rows that the transform changes or leaves out."""
        if self._transform is None:
            return
        plan = self.plan
        for page in Table(plan.model, plan.connection, key_fields(plan.model)).pages():
            pairs = zip(page, self.of(page), strict=True)
            yield [key for key, written in pairs if written is not None and written.changes]

    def _rows(self, keys: Sequence[Key]) -> Iterator[Row]:
        usable = [key for key in keys if _is_usable(key)]
        connection = self.plan.connection
        most = (connection.features.max_query_params or PAGE_ROWS) // self._width
        for part in in_batches(connection, usable, min(most, PAGE_ROWS)):
            yield from rows_with_keys(self.plan, part, lock=self._lock)

    def _alone(self, key: Key) -> Row | None:
        """The row of a key that reads otherwise here than where it came from (a datetime)."""
        if not _is_usable(key):
            return None
        rows = rows_with_keys(self.plan, [key], lock=self._lock)
        return rows[0] if len(rows) == 1 else None

    def _written(self, row: Row | None) -> Written | None:
        if row is None:
            return None
        try:
            (line,) = self.plan.lines([(value,) for value in row])
        except Exception as error:
            refused = refusal_of(self.plan, row)
            if not refused.problems:
                raise error
            return self._refused(refused)
        if self._transform is None:
            return Written(line)
        made = self._transform(line)
        return Written(made.line, tuple(made.changes))

    def _refused(self, refused: Refused) -> Written:
        """What the transform makes of a row that no fixture can hold as it is, if it does."""
        if self._transform is not None:
            made = self._transform(refused.line, refused.raws)
            if not made.unchanged:
                return Written(made.line, tuple(made.changes))
        return Written(None, problems=tuple(refused.problems))


def comparable_key(key: Sequence[Any]) -> tuple[Any, ...]:
    """A raw key in a form in which keys of one database can be compared and kept on disk."""
    plain = (int, str, bytes, float, type(None))
    return tuple(part if isinstance(part, plain) else str(part) for part in key)


def _is_usable(key: Key) -> bool:
    return all(is_utf8(part) for part in key if isinstance(part, str))
