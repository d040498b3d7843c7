"""The scan of a source table: which columns are read, and which SQLite itself judges.

A condition in SQL finds the wrong numbers in a quarter of the time that reading them takes, and
`references` finds every foreign key value that is not a key. All other columns are read and
judged a page at a time. Databases other than SQLite enforce column types and need no condition:
there every column is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check.columntest import ASK, FINE, REFUSED, ColumnTest, TargetColumn, null_verdict
from fixturepipe.check.target import TargetServer
from fixturepipe.check.values import column_test
from fixturepipe.databases.fields import Field, Model, key_fields, root_field, stored_fields
from fixturepipe.databases.integrity import constrained_keys
from fixturepipe.databases.tables import Condition, Row, Table
from fixturepipe.databases.values import shown, shown_row
from fixturepipe.findings.finding import Example, Finding, RowCollector
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.fixes import NO_FIXES, Fixes
from fixturepipe.fixes.values import AfterFixes, FixedValue, Fixer, NewValue, Verdict

Transform = Callable[[Field, Row, AfterFixes], NewValue | None]


@dataclass(frozen=True)
class WrongValue:
    """A value with a problem: its column, its row's raw key, and the ids of the findings."""

    field: Field
    key: Row
    raw: Any
    verdict: Verdict


class TableScan:
    """Judges the values of one table: `ask` judges numbers, `read` everything else.

    The two may run in different threads, each with its own scan and connection.
    `fixes` are the declared fixes; `transform` gives what the project's transform makes of a
    field's value in the row with a raw key, None if it leaves it alone.
    """

    def __init__(
        self,
        model: Model,
        source: BaseDatabaseWrapper,
        target: TargetServer,
        fixes: Fixes = NO_FIXES,
        transform: Transform | None = None,
    ) -> None:
        self._transform = transform
        self._model = model
        self._source = source
        self._target = target
        self._fields = stored_fields(model)
        self._references: set[Field] = set(constrained_keys(model))
        self._unusual = {f for f in self._fields if target.is_unusual(f)}
        self._tests = {field: self._test_of(field) for field in self._fields}
        lengths = {field: test.length for field, test in self._tests.items()}
        self._fixer = Fixer(fixes, source, self._verdict, lengths)
        self._fixes = fixes

    def _test_of(self, field: Field) -> ColumnTest:
        target = self._target
        column = TargetColumn(
            target.column_type(field),
            target.limits,
            target.zones(self._source),
            field in self._unusual,
        )
        return column_test(field, column)

    def ask(self) -> Iterator[Finding]:
        """The findings that a query on the source gives."""
        return self._findings(self._asked(self._fields))

    def read(self) -> Iterator[Finding]:
        """The findings that reading the other columns gives."""
        return self._findings(self._read(self._fields))

    def fixed_values(self) -> Iterator[tuple[WrongValue, FixedValue]]:
        """Each value that declared fixes may change, and what they make of it.

        The caller may change a row as soon as it is given, except its key.
        """
        columns = [field for field in self._fields if self._fixes.may_change(self._model, field)]
        for wrong in chain(self._asked(columns), self._read(columns)):
            yield wrong, self._fixer.fix(wrong.field, wrong.raw, wrong.verdict)

    def _findings(self, found: Iterable[WrongValue]) -> Iterator[Finding]:
        sums: dict[tuple[Field, str], _Sum] = {}
        for wrong in found:
            fixed = self._fixed(wrong)
            for rule in wrong.verdict:
                sums.setdefault((wrong.field, rule), _Sum()).add(wrong, fixed.covers(rule))
        order = {field: number for number, field in enumerate(self._fields)}
        for (field, rule), each in sorted(sums.items(), key=lambda i: (order[i[0][0]], i[0][1])):
            fix = self._fixes.of(rule, self._model, (field,))
            by = fix.name if fix is not None else "transform"
            yield RULES[rule].finding(
                self._model._meta.label_lower,
                field.name,
                len(each.rows),
                each.rows.rows(),
                limit=self._tests[field].limit,
                fixed_by=by if each.covered == len(each.rows) else "",
            )

    def _fixed(self, wrong: WrongValue) -> FixedValue:
        """What the fixes make of a value, and the transform of what they leave."""
        fixed = self._fixer.fix(wrong.field, wrong.raw, wrong.verdict)
        if self._transform is None or not (fixed.after or not fixed.steps):
            return fixed
        new = self._transform(wrong.field, wrong.key, self._after_fixes)
        if new is None:
            return fixed
        after = FINE if new.dropped else self._verdict(wrong.field, new.raw)
        return FixedValue(wrong.verdict, fixed.steps, after)

    @property
    def alters(self) -> bool:
        """Whether fixes or a transform are declared."""
        return self._transform is not None or bool(self._fixes)

    def altered(self, key: Row, fields: Sequence[Field], raws: Row) -> Row | None:
        """What the fixes and the transform make of values of a row; None if they drop it."""
        found = []
        for field, raw in zip(fields, raws, strict=True):
            fixed = self._fixer.fix(field, raw, self._verdict(field, raw))
            new = NewValue(fixed.steps[-1].new if fixed.steps else raw, fixed.dropped)
            if self._transform is not None and not new.dropped:
                new = self._transform(field, key, self._after_fixes) or new
            if new.dropped:
                return None
            found.append(new.raw)
        return tuple(found)

    def _after_fixes(self, field: Field, raw: Any) -> Any:
        if field not in self._tests or not self._fixes.may_change(self._model, field):
            return raw
        fixed = self._fixer.fix(field, raw, self._verdict(field, raw))
        return fixed.steps[-1].new if fixed.steps and not fixed.dropped else raw

    def _conditions(self) -> dict[Field, str]:
        """The conditions that select suspect rows, by column."""
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
            yield from self._scan(list(conditions), Condition(_any_of([*conditions.values()])))

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
        """What is wrong with each value of a column; asks the target where only it knows."""
        judge, null = self._tests[field].judge, null_verdict(field)
        verdicts = [null if raw is None else judge(raw) for raw in raws]
        asked = [i for i, verdict in enumerate(verdicts) if ASK in verdict]
        for i, verdict in zip(
            asked, self._answers(field, tuple(raws[i] for i in asked)), strict=True
        ):
            verdicts[i] = [*(rule for rule in verdicts[i] if rule != ASK), *verdict]
        return verdicts

    def _answers(self, field: Field, raws: Row) -> list[Verdict]:
        """The target's verdict on values that only it can judge."""
        if field in self._unusual:
            return self._target.trial(field, self._source).verdicts(raws) if raws else []
        refused = (REFUSED.get(root_field(field).get_internal_type(), ""),)
        return [FINE if fine else refused for fine in self._target.takes(field, raws)]


class _Sum:
    """The values that one rule finds in one column of the table."""

    def __init__(self) -> None:
        self.covered = 0
        self.rows = RowCollector()

    def add(self, wrong: WrongValue, covered: bool) -> None:
        self.covered += covered
        self.rows.add(Example(shown_row(wrong.key), shown(wrong.raw)))


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


def _any_of(conditions: Sequence[str]) -> str:
    """SQL for one of these. SQLite takes expressions of depth 1,000; this one halves its parts."""
    middle = len(conditions) // 2
    if not middle:
        return conditions[0]
    return f"({_any_of(conditions[:middle])}) OR ({_any_of(conditions[middle:])})"
