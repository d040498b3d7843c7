"""One model at both endpoints, compared row by row.

The source is read in key order, a page at a time, and for each page the target's rows with the
same keys. Rows are matched by key exactly, in Python, and never by a database's collation: keys
that sort differently, or that the target's collation sees as equal, stay distinct. Extra rows of
the target show in the counts, and are searched for only if the counts disagree.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db import models

from fixturepipe.artifacts.accounts import Accounts
from fixturepipe.artifacts.records import key_text
from fixturepipe.databases.endpoints import SOURCE, TARGET, connection_to
from fixturepipe.databases.fields import (
    BUILT_IN,
    Field,
    Model,
    generated_fields,
    key_fields,
    root_field,
    stored_fields,
    without_code,
)
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.tables import Bounds, Condition, Key, Row, Table, reads_as_text
from fixturepipe.databases.values import (
    Column,
    Reader,
    Unreadable,
    canonical_json,
    same,
    shown,
)
from fixturepipe.verify.comparison import (
    ColumnPair,
    Difference,
    ModelComparison,
    RowPair,
    Sink,
)
from fixturepipe.verify.naturalrows import NaturalRows, generic_keys
from fixturepipe.verify.options import VerifyOptions
from fixturepipe.verify.rowkeys import by_key, key_of, prepared, shown_key, with_integers

# The number of keys that one query looks up, and of a sample's rows that one query reads.
_LOOKED_UP, _SAMPLED_ROWS = 2_000, 500


class ModelPair:
    """A model's table at both endpoints. Each method returns a comparison of its own.

    `links_by_ends` compares the rows of an automatic many-to-many table by the objects that
    they link and not by their ids, which only fixturepipe keeps. `sink` is called with every row
    that differs, whatever the accounts say of it.
    """

    def __init__(
        self,
        model: Model,
        natural: NaturalRows,
        accounts: Accounts | None = None,
        options: VerifyOptions = VerifyOptions(),
        *,
        links_by_ends: bool = False,
        sink: Sink | None = None,
    ) -> None:
        accounts = accounts or Accounts()
        source, target = connection_to(SOURCE), connection_to(TARGET)
        self.label = model._meta.label_lower
        key = linking_keys(model) if links_by_ends else key_fields(model)
        fields = key if links_by_ends else (*stored_fields(model), *generated_fields(model))
        as_text = _is_all_built_in(model)
        self.source, self.target, self._source_keys, self._target_keys = (
            Table(model, end, columns, key=key, as_text=as_text)
            for columns in (fields, key)
            for end in (source, target)
        )
        self._natural = natural
        self._generic = generic_keys(model, self.source.fields)
        self._columns = [
            Column(
                field,
                Reader(field, source, self.source.name, as_text=as_text and reads_as_text(source)),
                Reader(field, target, self.target.name, as_text=as_text and reads_as_text(target)),
                natural.translation(field),
            )
            for field in self.source.fields
        ]
        self._key = self._columns[: len(self.source.key)]
        self._integer_key = self.source.has_integer_key and not self._key[0].is_translated
        self._rejected = accounts.rejected.get(self.label, ())
        self._changed = accounts.changed.get(self.label, {})
        self._options = options
        self._sink = sink
        # Every database makes such rows for itself: the target may hold more of them.
        self._may_hold_more = self.label in NATURAL_PRIMARY
        self._start()

    def compare(
        self, bounds: Bounds, condition: Condition | None, advanced: Callable[[int], None]
    ) -> ModelComparison:
        """Compare the source's rows within bounds that meet a condition, or a sample of them.

        `advanced` is called with the number of rows in each page.
        """
        for page in self._pages(bounds, condition):
            self._compare_page(page)
            advanced(len(page))
        return self._result()

    def counted(self, target: int) -> ModelComparison:
        """The number of rows at both endpoints, the target's as counted before."""
        self._counts.update(source=self.source.count(), target=target)
        return self._result()

    def has_extra_rows(self, found: ModelComparison) -> bool:
        """Whether the target holds more rows than a comparison of all rows matched."""
        matched = found.equal + found.differing + found.changed
        return not self._may_hold_more and matched != found.target

    def find_extra(self) -> ModelComparison:
        """Search the target for rows whose keys the source lacks."""
        for page in self._target_keys.pages(rows=_LOOKED_UP):
            self._note_extra(self._absent(page))
        return self._result()

    def compare_keys(self, keys: Sequence[Key]) -> None:
        """Compare the rows of the source that have these raw keys."""
        for start in range(0, len(keys), _SAMPLED_ROWS):
            for rows in self.source.with_keys(keys[start : start + _SAMPLED_ROWS]):
                if rows:
                    in_order = sorted(rows, key=lambda row: row[0]) if self._integer_key else rows
                    self._compare_page(in_order)

    def find_gone(self, keys: Sequence[Key]) -> None:
        """Search the target for rows with these raw keys, which the source has no more."""
        ours = sorted(keys) if self._integer_key else list(keys)
        held = [row for row in self._counterparts(ours, self._target_keys) if row is not None]
        if held:
            self._note_extra(self._absent(held))

    def find_missing(self) -> ModelComparison:
        """Search the source for rows whose keys the target lacks."""
        for page in self._source_keys.pages(rows=_LOOKED_UP):
            found = zip(page, self._counterparts(page, self._target_keys), strict=True)
            self._note_missing([row for row, counterpart in found if counterpart is None])
        return self._result()

    def row(self, key: Key) -> RowPair:
        """One row at both endpoints, by its key as Django reads it."""
        ours = next((row for row in self._with_key(self.source, key)), None)
        if ours is None:
            theirs = next((row for row in self._with_key(self.target, key)), None)
        else:
            (theirs,) = self._counterparts([ours], self.target)
            if self._generic:
                (ours,) = self._natural.translate_generic([ours], self._generic)
        columns = tuple(
            _column_pair(
                column, ours and ours[number : number + 1], theirs and theirs[number : number + 1]
            )
            for number, column in enumerate(self._columns)
        )
        where = (self.label, self.target.name, shown_key(key))
        return RowPair(*where, ours is not None, theirs is not None, columns)

    def _with_key(self, table: Table, key: Key) -> list[Row]:
        return [row for rows in table.with_keys(prepared([key], table)) for row in rows]

    def _start(self) -> None:
        self._counts: Counter[str] = Counter()
        self._differences: list[Difference] = []

    def _result(self) -> ModelComparison:
        counts, differences = self._counts, tuple(self._differences)
        self._start()
        return ModelComparison(self.label, self.target.name, differences=differences, **counts)

    def _note(self, difference: Difference) -> None:
        if len(self._differences) < self._options.limit:
            self._differences.append(difference)

    def _pages(self, bounds: Bounds, condition: Condition | None) -> Iterator[list[Row]]:
        sample, seed = self._options.sample, self._options.seed
        if sample is None:
            yield from self.source.pages(bounds, condition)
            return
        chosen = random.Random(f"{seed}:{self.label}:{bounds.after}")  # noqa: S311  (repeatable)
        for keys in self._source_keys.pages(bounds, condition, 20_000):
            some = [key for key in keys if chosen.random() < sample]
            for start in range(0, len(some), _SAMPLED_ROWS):
                yield from self.source.with_keys(some[start : start + _SAMPLED_ROWS])

    def _compare_page(self, ours: list[Row]) -> None:
        self._counts["compared"] += len(ours)
        counterparts = self._counterparts(ours, self.target)
        theirs = [row for row in counterparts if row is not None]
        if len(theirs) < len(ours):
            found = list(zip(ours, counterparts, strict=True))
            self._note_missing([row for row, counterpart in found if counterpart is None])
            ours = [row for row, counterpart in found if counterpart is not None]
        if ours:
            self._compare_rows(ours, theirs)

    def _compare_rows(self, ours: list[Row], theirs: list[Row]) -> None:
        """Compare rows with the same keys, a column at a time."""
        expected = self._natural.translate_generic(ours, self._generic) if self._generic else ours
        differing: dict[int, list[int]] = {}
        our_columns, their_columns = (
            list(zip(*expected, strict=True)),
            list(zip(*theirs, strict=True)),
        )
        for number, column in enumerate(self._columns):
            for position in column.differing(our_columns[number], their_columns[number]):
                differing.setdefault(position, []).append(number)
        for position, numbers in sorted(differing.items()):
            self._sink_values(ours[position], theirs[position], numbers)
            self._note_values(expected[position], theirs[position], numbers)
        self._counts["equal"] += len(ours) - len(differing)

    def _note_values(self, ours: Row, theirs: Row, numbers: list[int]) -> None:
        if self._changed or len(self._differences) < self._options.limit:
            key = self._source_key(ours)
            if self._is_declared(key, theirs, numbers):
                self._counts["changed"] += 1
                return
            for number in numbers:
                column = self._columns[number]
                where = (self.label, self.target.name, shown_key(key), column.name)
                self._note(Difference("value", *where, *column.both(ours[number], theirs[number])))
        self._counts["differing"] += 1

    def _sink_values(self, ours: Row, theirs: Row, numbers: list[int]) -> None:
        if self._sink is not None:
            width = len(self._key)
            names = [self._columns[number].field.name for number in numbers]
            self._sink.differing(self.label, ours[:width], theirs[:width], names)

    def _note_extra(self, rows: Sequence[Row]) -> None:
        if self._sink is not None and rows:
            self._sink.extras(self.label, rows)
        for row in rows:
            self._counts["extra"] += 1
            key = key_of(row, [column.target for column in self._key])
            self._note(Difference("extra", self.label, self.target.name, shown_key(key)))

    def _note_missing(self, rows: Sequence[Row]) -> None:
        if self._sink is not None and rows:
            self._sink.missing(self.label, [row[: len(self._key)] for row in rows])
        for row in rows:
            key = self._source_key(row)
            if key_text(key) in self._rejected:
                self._counts["rejected"] += 1
                continue
            self._counts["missing"] += 1
            self._note(Difference("missing", self.label, self.target.name, shown_key(key)))

    def _source_key(self, row: Row) -> Key:
        return key_of(row, [column.source for column in self._key])

    def _is_declared(self, key: Key, theirs: Row, numbers: list[int]) -> bool:
        """Whether each of these columns holds exactly what a fix or the transform put there."""
        declared = self._changed.get(key_text(key))
        if declared is None:
            return False
        for number in numbers:
            column = self._columns[number]
            if column.field.name not in declared:
                return False
            found = column.target.value(theirs[number])
            new = declared[column.field.name]
            # A fixture's null is JSON's null as well as SQL's.
            if new is None and column.target.is_json and found == "null":
                continue
            if not same(found, self._as_found(column, new)):
                return False
        return True

    def _as_found(self, column: Column, new: Any) -> Any:
        """A fixture's value as the target's column reads it, or Unreadable."""
        field: Any = column.field
        if new is None:
            return None
        try:
            if column.target.is_json:
                return canonical_json(json.dumps(new))
            if isinstance(new, list) and isinstance(field, models.ForeignKey):
                manager: Any = field.remote_field.model._default_manager
                rows = manager.db_manager(self.target.connection.alias)
                return getattr(rows.get_by_natural_key(*new), field.target_field.attname)
            plain = without_code(field, self.target.connection)
            value = new if plain is None else plain.to_python(new)
        except Exception:  # noqa: BLE001  (natural keys and fields are the project's own code)
            return Unreadable(new)
        return value.tobytes() if isinstance(value, memoryview) else value

    def _keys(self, rows: Sequence[Row]) -> list[Key]:
        """The keys of the source's rows, in comparable form, as the target should hold them."""
        raws = list(zip(*rows, strict=True))
        return list(zip(*(c.expected(raws[i]) for i, c in enumerate(self._key)), strict=True))

    def _counterparts(self, ours: list[Row], table: Table) -> list[Row | None]:
        """The target's row for each of the source's, or None."""
        if self._integer_key:
            integers = [row[0] for row in ours]
            by_integer = {row[0]: row for row in with_integers(integers, table)}
            return [by_integer.get(key) for key in integers]
        keys = self._keys(ours)
        found = by_key(table, keys, [column.found for column in self._key])
        return [found.get(key) for key in keys]

    def _absent(self, theirs: list[Row]) -> list[Row]:
        """The rows of the target whose key no row of the source has."""
        table = self._source_keys
        if self._integer_key:
            integers = [row[0] for row in theirs]
            present = {row[0] for row in with_integers(integers, table)}
            return [row for row in theirs if row[0] not in present]
        raws = list(zip(*theirs, strict=True))
        keys = list(zip(*(c.at_source(raws[i]) for i, c in enumerate(self._key)), strict=True))
        found = by_key(table, keys, [column.source.comparable for column in self._key])
        return [row for row, key in zip(theirs, keys, strict=True) if key not in found]


def linking_keys(model: Model) -> tuple[Field, ...]:
    """The two foreign keys of an automatic many-to-many table."""
    keys = [f for f in model._meta.local_concrete_fields if isinstance(f, models.ForeignKey)]
    return tuple(keys)


def _is_all_built_in(model: Model) -> bool:
    """Whether every column has the type that Django gives a field of its kind."""
    roots: list[Any] = [root_field(field) for field in stored_fields(model)]
    roots += [getattr(field, "output_field", field) for field in generated_fields(model)]
    return all(
        type(root).db_type is models.Field.db_type and root.get_internal_type() in BUILT_IN
        for root in roots
    )


def _column_pair(column: Column, ours: Row | None, theirs: Row | None) -> ColumnPair:
    """A column of a row of which each endpoint has one value or, without the row, None."""
    if ours is not None and theirs is not None:
        if column.differing(ours, theirs):
            return ColumnPair(column.name, *column.both(ours[0], theirs[0]), equal=False)
        value = shown(column.source.value(ours[0]))
        return ColumnPair(column.name, value, value, equal=True)
    source = None if ours is None else shown(column.source.value(ours[0]))
    target = None if theirs is None else shown(column.target.value(theirs[0]))
    return ColumnPair(column.name, source, target, equal=False)
