"""Rows that the target may find equal: chosen in the source, compared by the target.

Collations differ in case, accents, trailing spaces and emoji, from server to server and from
version to version. So nothing is compared here: values go into a temporary table with the real
collation, and the server says which of them are equal. The source only selects the values that are
worth asking about, and selects too many rather than too few: text of printable ASCII characters can
be equal only but for case and trailing spaces; with any other text, the whole column is selected.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain, count, groupby
from operator import itemgetter

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check.target import TargetServer, TextColumn
from fixturepipe.databases.expressions import UniqueExpressions
from fixturepipe.databases.fields import Field, Model, key_fields
from fixturepipe.databases.packets import inserts, last_result
from fixturepipe.databases.queries import rows_of
from fixturepipe.databases.tables import Condition, Row, Table
from fixturepipe.databases.text import is_utf8
from fixturepipe.databases.values import shown

_TEMPORARY = "fixturepipe_same"


class Candidates:
    """The rows of one unique set, or of unique expressions, that the target compares."""

    def __init__(
        self,
        model: Model,
        fields: Sequence[Field],
        texts: dict[Field, TextColumn],
        source: BaseDatabaseWrapper,
        target: TargetServer,
        expressions: UniqueExpressions | None = None,
    ) -> None:
        key = key_fields(model)
        self._model = model
        self._fields = fields
        self._texts = texts
        self._target = target
        self._width = len(key)
        self._table = Table(model, source, (*key, *fields))
        self._columns = {field: self._table.column(field) for field in fields}
        self._expressions = expressions
        assert target.connection is not None
        self._connection = target.connection
        # The temporary table, the names of its columns, and what of them is compared.
        self._asked = _TEMPORARY
        self._names = {field: f"c{number}" for number, field in enumerate(fields)}
        self._compared = ", ".join(self._names.values())
        if expressions is not None:
            self._names = {f: self._connection.ops.quote_name(f.column) for f in fields}
            compared = expressions.compiled(self._connection)
            self._compared = ", ".join(compared)
            # Rows whose expressions are NULL are never equal.
            self._asked += _present(compared)

    def groups(self) -> Iterator[list[Row]]:
        """The rows that the target takes as equal: raw keys, and values as they are shown.

        Only where there are some does the temporary table hold them as text, which costs space.
        """
        condition, columns = self._condition(), self._compared
        if condition is None:
            return
        groups = f"SELECT 1 FROM {self._asked} GROUP BY {columns} HAVING COUNT(*) > 1 LIMIT 1"
        if not self._ask(condition, groups):
            return
        numbered = (
            f"SELECT shown__, number__, COUNT(*) OVER (PARTITION BY {columns}) k,"
            f" MIN(number__) OVER (PARTITION BY {columns}) first__ FROM {self._asked}"
        )
        question = (
            f"SELECT first__, shown__ FROM ({numbered}) g WHERE k > 1 ORDER BY first__, number__"
        )
        rows = self._ask(condition, question, with_text=True)
        for _, group in groupby(rows, itemgetter(0)):
            yield [tuple(json.loads(text)) for _, text in group]

    def _condition(self) -> Condition | None:
        """The rows to ask about; None if no two can be equal."""
        if self._expressions is not None:
            return self._condition_of(self._expressions)
        present = " AND ".join(f"{column} IS NOT NULL" for column in self._columns.values())
        if self._table.connection.vendor != "sqlite" or self._any(self._beyond_ascii()):
            return Condition(present)
        if not self._any(" OR ".join(self._folds(field) for field in self._texts)):
            return None
        folded = ", ".join(
            f"LOWER(RTRIM({column}))" if field in self._texts else column
            for field, column in self._columns.items()
        )
        return Condition(
            f"({folded}) IN (SELECT {folded} FROM {self._table.quoted} WHERE {present}"
            f" GROUP BY {folded} HAVING COUNT(*) > 1)"
        )

    def _condition_of(self, expressions: UniqueExpressions) -> Condition | None:
        source = self._table.connection
        parts = expressions.compiled(source)
        present = _present(parts)
        where = present.removeprefix(" WHERE ").replace("%", "%%")
        if source.vendor != "sqlite" or (self._texts and self._any(self._beyond_ascii())):
            return Condition(where)
        same = ", ".join(f"LOWER(RTRIM({part}))" if self._texts else part for part in parts)
        groups = f"SELECT {same} FROM {self._table.quoted}{present} GROUP BY {same}"
        condition = f"({same}) IN ({groups} HAVING COUNT(*) > 1)"
        return Condition(condition.replace("%", "%%")) if self._any(condition) else None

    def _beyond_ascii(self) -> str:
        """The condition that a text has a character that is not printable ASCII."""
        return " OR ".join(f"{self._columns[field]} GLOB '*[^ -~]*'" for field in self._texts)

    def _folds(self, field: Field) -> str:
        column = self._columns[field]
        return f"({column} <> LOWER({column}) OR {column} <> RTRIM({column}))"

    def _any(self, condition: str) -> bool:
        statement = f"SELECT 1 FROM {self._table.quoted} WHERE {condition} LIMIT 1"
        return bool(rows_of(self._table.connection, statement))

    def _ask(self, condition: Condition, question: str, *, with_text: bool = False) -> list[Row]:
        """The answer to a question about the temporary table, filled with these rows.

        A small table costs one round trip, and one without rows none.
        """
        connection = self._connection
        statements = inserts(connection, _TEMPORARY, self._rows(condition, with_text))
        first = next(statements, None)
        if first is None:
            return []
        columns = "".join(f", {name} {self._type(f)}" for f, name in self._names.items())
        begin = (
            f"DROP TEMPORARY TABLE IF EXISTS {_TEMPORARY}",
            f"CREATE TEMPORARY TABLE {_TEMPORARY}"
            f" (number__ BIGINT PRIMARY KEY, shown__ LONGTEXT{columns})",
        )
        return last_result(connection, chain(begin, [first], statements, [question]))

    def _type(self, field: Field) -> str:
        if field in self._texts:
            return self._texts[field].definition
        kind = self._target.column_type(field) or ""
        # A long text cannot be in a unique index, but may be in an expression.
        if "text" in kind or "json" in kind:
            return "LONGTEXT CHARACTER SET utf8mb4"
        return "LONGBLOB" if "blob" in kind else "VARBINARY(512)"

    def _rows(self, condition: Condition, with_text: bool) -> Iterator[Row]:
        """The rows of the temporary table."""
        width, numbers = self._width, count()
        for page in self._table.pages(condition=condition):
            for row in page:
                values = row[width:]
                if self._fits(values):
                    text = None
                    if with_text:
                        text = json.dumps([*row[:width], *map(shown, values)], default=shown)
                    yield (next(numbers), text, *values)

    def _fits(self, values: Row) -> bool:
        """Whether the temporary table takes a row; if not, another finding names it."""
        for field, value in zip(self._fields, values, strict=True):
            if isinstance(value, str) and not is_utf8(value):
                return False
            text = self._texts.get(field)
            if text is not None and (not isinstance(value, str) or len(value) > text.length):
                return False
        return True


def _present(parts: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(f'{part} IS NOT NULL' for part in parts)}"
