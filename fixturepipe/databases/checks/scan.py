"""One scan over a table of the source, a page at a time, judged column by column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.checks.rules import RULES
from fixturepipe.databases.checks.target import Target
from fixturepipe.databases.checks.values import (
    ASK,
    REFUSED,
    column_test,
    null_verdict,
)
from fixturepipe.databases.findings import EXAMPLES, Example, Finding
from fixturepipe.databases.tables import Row, Table, root_field
from fixturepipe.databases.values import shown


class TableScan:
    """Looks at every value of one table. `findings` does the work."""

    def __init__(
        self, model: type[models.Model], source: BaseDatabaseWrapper, target: Target
    ) -> None:
        self.table = Table(model, source)
        self._target = target
        self._tests = [
            column_test(field, target.limits, target.column_type(field))
            for field in self.table.fields
        ]
        self._counts: Counter[tuple[str, int]] = Counter()
        self._examples: dict[tuple[str, int], list[Example]] = {}
        self._asked: list[tuple[int, Any, Any]] = []

    def findings(self) -> Iterator[Finding]:
        """Scan, and tell what was found, columns in order."""
        for page in self.table.pages():
            for number, raws in enumerate(zip(*page, strict=True)):
                if not self._is_fine(number, raws):
                    self._judge(number, raws, page)
            self._ask_target()
        for (rule, number), count in sorted(self._counts.items(), key=lambda item: item[0][::-1]):
            yield RULES[rule].finding(
                self.table.model._meta.label_lower,
                self.table.fields[number].name,
                count,
                self._examples[rule, number],
                limit=self._tests[number].limit,
            )

    def _is_fine(self, number: int, raws: Row) -> bool:
        present = list(raws)
        if None in present:
            if null_verdict(self.table.fields[number]):
                return False
            present = [raw for raw in raws if raw is not None]
        try:
            return not present or self._tests[number].fine(present)
        except Exception:  # noqa: BLE001  (dirty values fail in whatever way they like)
            return False

    def _judge(self, number: int, raws: Row, page: list[Row]) -> None:
        judge, null = self._tests[number].judge, null_verdict(self.table.fields[number])
        for raw, row in zip(raws, page, strict=True):
            for rule in null if raw is None else judge(raw):
                if rule == ASK:
                    self._asked.append((number, row[: len(self.table.key)], raw))
                else:
                    self._note(rule, number, row[: len(self.table.key)], raw)

    def _ask_target(self) -> None:
        for number in {number for number, _, _ in self._asked}:
            asked = [(key, raw) for column, key, raw in self._asked if column == number]
            field = self.table.fields[number]
            taken = self._target.takes(field, [raw for _, raw in asked])
            rule = REFUSED[root_field(field).get_internal_type()]
            for (key, raw), fine in zip(asked, taken, strict=True):
                if not fine:
                    self._note(rule, number, key, raw)
        self._asked.clear()

    def _note(self, rule: str, number: int, key: Row, raw: Any) -> None:
        self._counts[rule, number] += 1
        examples = self._examples.setdefault((rule, number), [])
        if len(examples) < EXAMPLES:
            pk = shown(key[0]) if len(key) == 1 else [shown(part) for part in key]
            examples.append(Example(pk, shown(raw)))
