"""The declared fixes, applied to the copy of the source that a dump reads.

The copy belongs to the run, so everything that follows sees the fixed values: a renamed natural
key is renamed in every reference to it, and a reference to a dropped row dangles. The steps are
those of `check`, and a row changes only where `check` finds a problem:

    values      applies the declared fixes to each wrong value
    references  applies null, drop or a default to dangling references, until no row is dropped
    duplicates  asks the target which rows are equal, until it finds none

The copy has no triggers, so that nothing else changes, and holds each fixed value as it is (see
`untyped`). Memory grows with the number of changed rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check.references import reference_rules
from fixturepipe.check.scan import TableScan
from fixturepipe.check.target import TargetServer
from fixturepipe.check.uniqueness import same_rows
from fixturepipe.check.untyped import is_kept, untype
from fixturepipe.databases.coverage import Tables
from fixturepipe.databases.endpoints import Endpoints
from fixturepipe.databases.expressions import unique_expressions
from fixturepipe.databases.fields import Field, Model, dumped_fields, key_fields
from fixturepipe.databases.integrity import ForeignKey, orphan_rows, unique_sets
from fixturepipe.databases.queries import executed, rows_of
from fixturepipe.databases.tables import Condition, Row, Table
from fixturepipe.databases.text import is_utf8
from fixturepipe.databases.values import shown, shown_row
from fixturepipe.errors import SourceDataError
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.fixes import Fix, Fixes, RowChange
from fixturepipe.fixes.values import default


class Repair:
    """Applies declared fixes to a copy of the source, as the target needs them.

    Raises ConfigurationError for declarations that cannot apply.
    """

    def __init__(self, endpoints: Endpoints, declarations: Sequence[Declaration]) -> None:
        self._target = TargetServer.registered()
        self._declarations = declarations
        self._target_name = endpoints.target.name if endpoints.target is not None else ""
        self._fixes = Fixes(declarations)

    def __call__(self, copy: BaseDatabaseWrapper, chosen: Sequence[Model]) -> list[RowChange]:
        """Repair a writable copy; returns the changes in order.

        Raises SourceDataError if the copy refuses a fixed value.
        """
        repairing = _Repairing(copy, self._target, self._fixes, chosen)
        pragmas = ("foreign_keys = OFF", "ignore_check_constraints = ON", "synchronous = OFF")
        for pragma in pragmas:
            executed(copy, f"PRAGMA {pragma}")
        with transaction.atomic(copy.alias):
            _drop_triggers(copy)
            repairing.run()
        return repairing.changes

    @property
    def unused(self) -> Sequence[Declaration]:
        """The declarations that have changed no row."""
        return self._fixes.unused

    @property
    def fingerprint_parts(self) -> list[Any]:
        """Everything that decides which rows change: the declarations and the target's server."""
        server = self._target.query("SELECT @@version, @@collation_database")
        return [self._declarations, server, self._target_name]


def _drop_triggers(copy: BaseDatabaseWrapper) -> None:
    """A fix changes the values that it names, and no others."""
    views = "SELECT name FROM sqlite_master WHERE type = 'view'"
    where = f"type = 'trigger' AND tbl_name NOT IN ({views})"
    for (name,) in rows_of(copy, f"SELECT name FROM sqlite_master WHERE {where}"):
        executed(copy, f"DROP TRIGGER {copy.ops.quote_name(name)}")


class _Repairing:
    """Repairs the chosen models of one copy; `changes` grows as it does."""

    def __init__(
        self, copy: BaseDatabaseWrapper, target: TargetServer, fixes: Fixes, chosen: Sequence[Model]
    ) -> None:
        self._copy = copy
        self._target = target
        self._fixes = fixes
        self._models = chosen
        # Rows with a suffix, and the text without it.
        self._renamed: dict[tuple[Field, Row], str] = {}
        self._numbers: Counter[tuple[Field, str]] = Counter()
        self.changes: list[RowChange] = []

    def run(self) -> None:
        """Values come first, as they decide which rows are equal; references after each drop."""
        for model in self._models:
            scan = TableScan(model, self._copy, self._target, self._fixes)
            for wrong, fixed in scan.fixed_values():
                for step in fixed.steps:
                    self._apply(step.fix, model, wrong.key, step.new)
        self._fix_references()
        for model in self._models:
            self._fix_duplicates(model)
        self._fix_references()

    def _apply(self, fix: Fix, model: Model, key: Row, new: Any = None) -> None:
        if fix.name == "drop":
            self._drop(fix, model, key)
        else:
            self._change(fix, model, key, new)

    def _fix_references(self) -> None:
        """Repeat until no row is dropped: other rows may refer to each one."""
        tables = Tables(self._copy)
        dropping = True
        while dropping:
            before = len(self.changes)
            for model in self._models:
                for finding, field in reference_rules(model, tables):
                    fix = self._fixes.of(finding, model, (field,))
                    if fix is not None:
                        self._fix_reference(fix, model, field)
            dropping = any(change.field is None for change in self.changes[before:])

    def _fix_reference(self, fix: Fix, model: Model, field: ForeignKey) -> None:
        for *key, _ in orphan_rows(field, self._copy):
            new = default(fix, self._copy) if fix.name == "default" else None
            self._apply(fix, model, tuple(key), new)

    def _fix_duplicates(self, model: Model) -> None:
        """Repeat until the target finds no equal rows that have a declared fix."""
        if not self._separates_rows(model):
            return
        width, before = len(key_fields(model)), -1
        while before != len(self.changes):
            before = len(self.changes)
            for same in same_rows(model, self._copy, self._target):
                fix = self._fixes.of(same.finding, model, same.fields)
                if fix is not None:
                    for group in list(same.groups()):
                        self._separate(fix, model, [row[:width] for row in group])

    def _separates_rows(self, model: Model) -> bool:
        expressions = (each.fields for each in unique_expressions(model))
        sets = (*self._target.unique_sets(model), *expressions)
        return any(self._fixes.of(f, model, s) for f in ("FP203", "FP208") for s in sets)

    def _separate(self, fix: Fix, model: Model, keys: list[Row]) -> None:
        """The first row keeps its value; a row that already has a suffix is never the first."""
        keys.sort(key=lambda key: (fix.field, key) in self._renamed)
        for key in keys[1:]:
            if fix.name == "rename":
                self._rename(fix, model, key)
            else:
                self._apply(fix, model, key)

    def _change(self, fix: Fix, model: Model, key: Row, new: Any) -> None:
        row = _TableRow(model, key, self._copy)
        old = row.read(fix.field)
        if old is None:
            return
        try:
            kept = row.write(fix.field, new)
        except IntegrityError as error:
            self._change_and_rename(fix, row, old[0], new, error)
            return
        self._record(fix, row, old[0], kept)

    def _change_and_rename(
        self, fix: Fix, row: _TableRow, old: Any, new: Any, error: IntegrityError
    ) -> None:
        """The copy refuses the new value because another row has it."""
        fields = next((s for s in unique_sets(row.model) if fix.field in s), (fix.field,))
        rename = self._fixes.of("FP203", row.model, fields)
        if rename is None or rename.name != "rename" or not isinstance(new, str):
            where = f"{row.model._meta.label_lower} {shown_row(row.key)}, {fix.field.name}"
            hint = "Drop one of the rows, or correct it in the source."
            if isinstance(new, str):
                hint = f'Declare "FP203:{row.model._meta.label}.{fix.field.name}" = "rename" too.'
            raise SourceDataError(
                f"{where}: {fix.name} makes it {shown(new)!r}, which the source refuses: {error}",
                hint=hint,
            )
        final = self._write_free(rename, row, new)
        self._record(fix, row, old, new)
        self._renamed[rename.field, row.key] = new
        self._record(rename, row, new, final)

    def _rename(self, fix: Fix, model: Model, key: Row) -> None:
        row = _TableRow(model, key, self._copy)
        old = row.value(fix.field)
        if not isinstance(old, str):
            return
        # If the target finds the new value equal to another one, start from the old text.
        new = self._write_free(fix, row, self._renamed.get((fix.field, key), old))
        self._renamed.setdefault((fix.field, key), old)
        self._record(fix, row, old, new)

    def _write_free(self, fix: Fix, row: _TableRow, old: str) -> str:
        """Give the column the old value with a suffix that no other row has."""
        column = self._target.text_column(fix.field)
        length = column.length if column is not None else fix.field.max_length
        while True:
            self._numbers[fix.field, old.casefold()] += 1
            new = suffixed(old, self._numbers[fix.field, old.casefold()] + 1, length)
            if row.has(fix.field, new):
                continue
            try:
                row.write(fix.field, new)
            except IntegrityError:
                continue
            return new

    def _drop(self, fix: Fix, model: Model, key: Row) -> None:
        row = _TableRow(model, key, self._copy)
        values = row.read(*dumped_fields(model))
        if values is None:
            return
        row.delete()
        self._fixes.used.add(fix.declaration.target)
        self.changes.append(RowChange(model, key, None, values, None, fix.name))

    def _record(self, fix: Fix, row: _TableRow, old: Any, new: Any) -> None:
        self._fixes.used.add(fix.declaration.target)
        self.changes.append(RowChange(row.model, row.key, fix.field, old, new, fix.name))


def suffixed(text: str, number: int, length: int | None) -> str:
    """The text followed by "-number", shortened to fit `length` characters.

    Raises SourceDataError if the suffix alone is too long.
    """
    suffix = f"-{number}"
    if length is None:
        return text + suffix
    if len(suffix) > length:
        raise SourceDataError(
            f"Cannot rename {text!r}: no unused value of {length} characters is left",
            hint="Declare drop for these rows, or correct them in the source.",
        )
    return text[: length - len(suffix)] + suffix


class _TableRow:
    """One row of the copy, by its raw key."""

    def __init__(self, model: Model, key: Row, copy: BaseDatabaseWrapper) -> None:
        self.model = model
        self.key = key
        self._table = Table(model, copy)
        conditions = (
            # Bytes that are not UTF-8 were read as lone surrogates: write them as bytes.
            f"{self._table.column(f)} = {'CAST(%s AS TEXT)' if _is_undecodable(part) else '%s'}"
            for f, part in zip(self._table.key, key, strict=True)
        )
        self._is_it = " AND ".join(conditions)
        self._parameters = tuple(
            part.encode("utf-8", "surrogateescape") if _is_undecodable(part) else part
            for part in key
        )

    def read(self, *fields: Field) -> Row | None:
        """The raw values of columns; None if the row is gone."""
        table = Table(self.model, self._table.connection, (*self._table.key, *fields))
        page = next(table.pages(condition=Condition(self._is_it, self._parameters)), [])
        return page[0][len(self.key) :] if page else None

    def value(self, field: Field) -> Any:
        """The raw value of a column; None if the row is gone."""
        values = self.read(field)
        return None if values is None else values[0]

    def write(self, field: Field, raw: Any) -> Any:
        """Store a value as it is, whatever the column's type; returns it as the column holds it.

        Raises IntegrityError if another row has the value in a unique column.
        """
        try:
            kept = self._write(field, raw)
        except IntegrityError as error:
            if "UNIQUE" in str(error):
                raise
        else:
            if is_kept(field, raw, kept):
                return kept
        untype(field, self._table.connection)
        return self._write(field, raw)

    def _write(self, field: Field, raw: Any) -> Any:
        column = self._table.column(field)
        statement = f"UPDATE {self._table.quoted} SET {column} = %s WHERE {self._is_it}"
        executed(self._table.connection, statement, (raw, *self._parameters))
        return self.value(field)

    def has(self, field: Field, raw: Any) -> bool:
        """Whether any row has exactly this value in the column."""
        return self._table.count(Condition(f"{self._table.column(field)} = %s", (raw,))) > 0

    def delete(self) -> None:
        """Delete the row."""
        statement = f"DELETE FROM {self._table.quoted} WHERE {self._is_it}"
        executed(self._table.connection, statement, self._parameters)


def _is_undecodable(raw: Any) -> bool:
    return isinstance(raw, str) and not is_utf8(raw)
