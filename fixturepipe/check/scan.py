"""The scan over a table of the source: which columns are read, and which the database judges.

Numbers are left to a condition in SQLite's own SQL, which costs a quarter of reading them;
foreign keys to `references`, which finds every value that is not a key over there. What is
read is looked at a column of a page at a time. Other databases keep their columns' types and
have no such condition: there all columns are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check.target import Target
from fixturepipe.check.values import (
    ASK,
    FINE,
    REFUSED,
    ColumnTest,
    column_test,
    null_verdict,
)
from fixturepipe.databases.fields import Field, key_fields, root_field, stored_fields
from fixturepipe.databases.integrity import constrained_keys
from fixturepipe.databases.tables import Condition, Row, Table
from fixturepipe.databases.values import shown
from fixturepipe.findings.finding import EXAMPLES, Example, Finding
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.fixes import NO_FIXES, Fixes
from fixturepipe.fixes.values import FixedValue, Fixer, Verdict


@dataclass(frozen=True)
class WrongValue:
    """A value that is a problem: its column, its row's raw key, and the ids of what is wrong."""

    field: Field
    key: Row
    raw: Any
    verdict: Verdict


class TableScan:
    """Looks at the values of one table: at numbers by `ask`, at all others by `read`.

    The two may run on different threads, each with a scan and a connection of its own.
    `fixes` are the declared remedies.
    """

    def __init__(
        self,
        model: type[models.Model],
        source: BaseDatabaseWrapper,
        target: Target,
        fixes: Fixes = NO_FIXES,
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
        lengths = {field: test.length for field, test in self._tests.items()}
        self._mender = Fixer(fixes, source, self._verdict, lengths)
        self._fixes = fixes

    def ask(self) -> Iterator[Finding]:
        """What the source's own SQL finds."""
        return self._findings(self._asked(self._fields))

    def read(self) -> Iterator[Finding]:
        """What reading the other columns finds."""
        return self._findings(self._read(self._fields))

    def mended(self) -> Iterator[tuple[WrongValue, FixedValue]]:
        """Every value that declared remedies may change, and what they make of it.

        Rows may be changed meanwhile, a value at a time as it is given, but for their keys.
        """
        columns = [field for field in self._fields if self._fixes.may_change(self._model, field)]
        for wrong in chain(self._asked(columns), self._read(columns)):
            yield wrong, self._mender.mend(wrong.field, wrong.raw, wrong.verdict)

    def _findings(self, found: Iterable[WrongValue]) -> Iterator[Finding]:
        sums: dict[tuple[Field, str], _Sum] = {}
        for wrong in found:
            mended = self._mender.mend(wrong.field, wrong.raw, wrong.verdict)
            for rule in wrong.verdict:
                sums.setdefault((wrong.field, rule), _Sum()).add(wrong, mended.covers(rule))
        order = {field: number for number, field in enumerate(self._fields)}
        for (field, rule), each in sorted(sums.items(), key=lambda i: (order[i[0][0]], i[0][1])):
            fix = self._fixes.of(rule, self._model, (field,))
            yield RULES[rule].finding(
                self._model._meta.label_lower,
                field.name,
                each.count,
                each.examples,
                limit=self._tests[field].limit,
                fixed_by=fix.name if fix is not None and each.covered == each.count else "",
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

    def _asked(self, among: Sequence[Field]) -> Iterator[WrongValue]:
        conditions = {f: sql for f, sql in self._conditions().items() if f in among}
        if conditions:
            yield from self._scan(list(conditions), Condition(" OR ".join(conditions.values())))

    def _read(self, among: Sequence[Field]) -> Iterator[WrongValue]:
        left = {*self._conditions(), *self._references}
        columns = [field for field in among if field not in left]
        if columns:
            yield from self._scan(columns)

    def _scan(
        self, columns: Sequence[Field], condition: Condition | None = None
    ) -> Iterator[WrongValue]:
        key = key_fields(self._model)
        others = [field for field in columns if field not in key]
        table = Table(self._model, self._source, (*key, *others))
        judged = [(table.fields.index(f), f, self._tests[f]) for f in columns]
        for page in table.pages(condition=condition, as_stored=True):
            raws = list(zip(*page, strict=True))
            for number, field, test in judged:
                if condition is not None or not _is_fine(raws[number], field, test):
                    yield from self._judged(raws[number], field, page)

    def _judged(self, raws: Row, field: Field, page: list[Row]) -> Iterator[WrongValue]:
        width = len(key_fields(self._model))
        for raw, row, verdict in zip(raws, page, self._verdicts(field, raws), strict=True):
            if verdict:
                yield WrongValue(field, row[:width], raw, verdict)

    def _verdict(self, field: Field, raw: Any) -> Verdict:
        return self._verdicts(field, (raw,))[0]

    def _verdicts(self, field: Field, raws: Row) -> list[Verdict]:
        """What is wrong with each value of a column, the target's word included."""
        judge, null = self._tests[field].judge, null_verdict(field)
        verdicts = [null if raw is None else judge(raw) for raw in raws]
        asked = [i for i, verdict in enumerate(verdicts) if ASK in verdict]
        taken = self._target.takes(field, [raws[i] for i in asked])
        for i, fine in zip(asked, taken, strict=True):
            verdicts[i] = FINE if fine else (REFUSED[root_field(field).get_internal_type()],)
        return verdicts


class _Sum:
    """The values that one rule finds in one column."""

    def __init__(self) -> None:
        self.count = self.covered = 0
        self.examples: list[Example] = []

    def add(self, wrong: WrongValue, covered: bool) -> None:
        self.count += 1
        self.covered += covered
        if len(self.examples) < EXAMPLES:
            key = [shown(part) for part in wrong.key]
            self.examples.append(Example(key[0] if len(key) == 1 else key, shown(wrong.raw)))


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
