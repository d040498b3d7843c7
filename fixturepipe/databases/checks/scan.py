"""The scan over a table of the source: which columns are read, and which the database judges.

Numbers are left to a condition in SQLite's own SQL, which costs a quarter of reading them;
foreign keys to `references`, which finds every value that is not a key over there. What is
read is looked at a column of a page at a time. Other databases keep their columns' types and
have no such condition: there all columns are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.checks.rules import RULES
from fixturepipe.databases.checks.target import Target
from fixturepipe.databases.checks.values import (
    ASK,
    REFUSED,
    ColumnTest,
    column_test,
    null_verdict,
)
from fixturepipe.databases.comparing.integrity import constrained_keys
from fixturepipe.databases.findings import EXAMPLES, Example, Finding
from fixturepipe.databases.tables import (
    Condition,
    Field,
    Row,
    Table,
    key_fields,
    root_field,
    stored_fields,
)
from fixturepipe.databases.values import shown


class TableScan:
    """Looks at the values of one table: at numbers by `ask`, at all others by `read`.

    The two may run on different threads, each with a scan and a connection of its own.
    """

    def __init__(
        self, model: type[models.Model], source: BaseDatabaseWrapper, target: Target
    ) -> None:
        self._model = model
        self._source = source
        self._target = target
        self._fields = stored_fields(model)
        self._references: set[Field] = set(constrained_keys(model))
        self._tests = {
            field: column_test(field, target.limits, target.column_type(field))
            for field in self._fields
        }
        self._counts: Counter[tuple[Field, str]] = Counter()
        self._examples: dict[tuple[Field, str], list[Example]] = {}

    def ask(self) -> Iterator[Finding]:
        """What the source's own SQL finds."""
        conditions = self._conditions()
        if conditions:
            self._scan(list(conditions), Condition(" OR ".join(conditions.values())))
        yield from self._findings()

    def read(self) -> Iterator[Finding]:
        """What reading the other columns finds."""
        left = {*self._conditions(), *self._references}
        columns = [field for field in self._fields if field not in left]
        if columns:
            self._scan(columns)
        yield from self._findings()

    def _findings(self) -> Iterator[Finding]:
        order = {field: number for number, field in enumerate(self._fields)}
        found = sorted(self._counts.items(), key=lambda item: (order[item[0][0]], item[0][1]))
        for (field, rule), count in found:
            yield RULES[rule].finding(
                self._model._meta.label_lower,
                field.name,
                count,
                self._examples[field, rule],
                limit=self._tests[field].limit,
            )

    def _conditions(self) -> dict[Field, str]:
        """The conditions that select the rows in question, by column."""
        if self._source.vendor != "sqlite":
            return {}
        found = {}
        for field, test in self._tests.items():
            column = self._source.ops.quote_name(field.column).replace("%", "%%")
            parts = [f"{column} IS NULL"] if null_verdict(field) else []
            if field not in self._references and test.suspect:
                parts.append(test.suspect.format(c=column))
            if parts and (test.suspect or field in self._references):
                found[field] = f"({' OR '.join(parts)})"
        return found

    def _scan(self, columns: Sequence[Field], condition: Condition | None = None) -> None:
        key = key_fields(self._model)
        others = [field for field in columns if field not in key]
        table = Table(self._model, self._source, (*key, *others))
        judged = [(table.fields.index(f), f, self._tests[f]) for f in columns]
        for page in table.pages(condition=condition, as_stored=True):
            raws = list(zip(*page, strict=True))
            for number, field, test in judged:
                if condition is not None or not _is_fine(raws[number], field, test):
                    self._judge(raws[number], field, page)

    def _judge(self, raws: Row, field: Field, page: list[Row]) -> None:
        judge, null = self._tests[field].judge, null_verdict(field)
        asked: list[tuple[Row, Any]] = []
        for raw, row in zip(raws, page, strict=True):
            for rule in null if raw is None else judge(raw):
                if rule == ASK:
                    asked.append((row, raw))
                else:
                    self._note(field, rule, row, raw)
        taken = self._target.takes(field, [raw for _, raw in asked])
        for (row, raw), fine in zip(asked, taken, strict=True):
            if not fine:
                self._note(field, REFUSED[root_field(field).get_internal_type()], row, raw)

    def _note(self, field: Field, rule: str, row: Row, raw: Any) -> None:
        self._counts[field, rule] += 1
        examples = self._examples.setdefault((field, rule), [])
        if len(examples) < EXAMPLES:
            key = [shown(part) for part in row[: len(key_fields(self._model))]]
            examples.append(Example(key[0] if len(key) == 1 else key, shown(raw)))


def _is_fine(raws: Row, field: Field, test: ColumnTest) -> bool:
    present = list(raws)
    if None in present:
        if null_verdict(field):
            return False
        present = [raw for raw in raws if raw is not None]
    try:
        return not present or test.fine(present)
    except Exception:  # noqa: BLE001  (dirty values fail in whatever way they like)
        return False
