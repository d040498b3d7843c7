"""The statements that make tables on MySQL or MariaDB: as Django writes them, and taken apart.

Only the forms that Django's schema editor writes are known here (`sql_create_table` and the others
in django.db.backends.base.schema and django.db.backends.mysql.schema).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.fields import Model

_NAME = r"`((?:[^`]|``)+)`"
_CREATE = re.compile(rf"CREATE (?:TEMPORARY )?TABLE {_NAME} \(", re.DOTALL)
_COLUMN = re.compile(rf"{_NAME} ")
_ALTER = re.compile(rf"ALTER TABLE {_NAME} (.*?);?$", re.DOTALL)
_ADD_COLUMN = re.compile(rf"ADD COLUMN {_NAME} ")
_MODIFY = re.compile(rf"MODIFY {_NAME} ")
_INDEX = re.compile(
    rf"CREATE (UNIQUE |FULLTEXT |SPATIAL |)INDEX {_NAME} ON {_NAME} \((.*?)\)[^()]*;?$", re.DOTALL
)
_UNIQUE = re.compile(rf"(?:ADD )?CONSTRAINT {_NAME} UNIQUE \((.*)\)", re.DOTALL)
_CHECK = re.compile(rf"(?:ADD )?CONSTRAINT {_NAME} CHECK ", re.DOTALL)
_FOREIGN_KEY = re.compile(
    rf"ADD CONSTRAINT {_NAME} FOREIGN KEY \({_NAME}\)\s*REFERENCES {_NAME} ?\({_NAME}\)"
)


class UnwritableTableError(Exception):
    """Django or a field's own code fails to write the statements of a table."""


@dataclass(frozen=True)
class Index:
    """An index that a statement makes. `columns` is its SQL between parentheses; `kind` is "",
    "UNIQUE", "FULLTEXT" or "SPATIAL". Without a name the server makes one up.
    """

    table: str
    name: str
    columns: str
    kind: str = ""

    @property
    def unique(self) -> bool:
        """Whether it keeps its columns unique."""
        return self.kind == "UNIQUE"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns that it names, those in expressions included."""
        return tuple(name.replace("``", "`") for name in re.findall(_NAME, self.columns))

    def with_prefix(self, column: str, length: int) -> Index:
        """The same index on the first characters of a column."""
        quoted = f"`{column.replace('`', '``')}`"
        return replace(self, columns=self.columns.replace(quoted, f"{quoted}({length})", 1))

    @property
    def clause(self) -> str:
        """What makes it in an ALTER TABLE."""
        name = f" `{self.name}`" if self.name else ""
        kind = f"{self.kind} " if self.kind else ""
        return f"ADD {kind}INDEX{name} ({self.columns})"

    @property
    def statement(self) -> str:
        """What makes it."""
        return f"ALTER TABLE `{self.table}` {self.clause}"


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key constraint that a statement adds."""

    table: str
    name: str
    column: str
    to_table: str
    to_column: str


@dataclass(frozen=True)
class CreateTable:
    """A CREATE TABLE: `definitions` are its columns and constraints, `options` what follows."""

    table: str
    definitions: tuple[str, ...]
    options: str = ""

    def temporary(self) -> str:
        """The statement for a temporary table, which hides a real one of that name."""
        return (
            f"CREATE TEMPORARY TABLE `{self.table}` ({', '.join(self.definitions)}){self.options}"
        )

    @property
    def statement(self) -> str:
        """The statement as Django writes it."""
        return f"CREATE TABLE `{self.table}` ({', '.join(self.definitions)}){self.options}"

    def without(self, definitions: set[str]) -> CreateTable:
        """The table without some of its definitions."""
        left = tuple(each for each in self.definitions if each not in definitions)
        return replace(self, definitions=left)

    def apart(self) -> tuple[CreateTable, list[Index]]:
        """The table without the unique indexes among its definitions, and these."""
        left: list[str] = []
        indexes: list[Index] = []
        for definition in self.definitions:
            column = _COLUMN.match(definition)
            unique = _UNIQUE.match(definition)
            if unique:
                indexes.append(Index(self.table, unique[1], unique[2], "UNIQUE"))
            elif column and (bare := without_unique(definition)) != definition:
                indexes.append(Index(self.table, column[1], f"`{column[1]}`", "UNIQUE"))
                left.append(bare)
            else:
                left.append(definition)
        return replace(self, definitions=tuple(left)), indexes

    def checks(self) -> dict[str, str]:
        """The CHECK constraints among the definitions, by name."""
        return {m[1]: each for each in self.definitions if (m := _CHECK.match(each))}

    def columns(self) -> dict[str, str]:
        """The columns among the definitions, by name."""
        return {m[1]: each for each in self.definitions if (m := _COLUMN.match(each))}

    def needed_by(self, definition: str) -> dict[str, str]:
        """The columns that a definition names, and those that these are computed from: their
        definitions by name in lower case, in the order of the table.
        """
        columns = {name.lower(): each for name, each in self.columns().items()}
        needed: set[str] = set()
        more = {name.lower() for name in re.findall(_NAME, definition)} & columns.keys()
        while more:
            needed |= more
            names = {n.lower() for each in more for n in re.findall(_NAME, columns[each])}
            more = (names & columns.keys()) - needed
        return {name: each for name, each in columns.items() if name in needed}


@dataclass(frozen=True)
class TableStatements:
    """What makes one table: CREATE TABLE, its indexes and its foreign keys; `others` are
    statements of any other form.
    """

    create: CreateTable
    indexes: tuple[Index, ...]
    keys: tuple[ForeignKey, ...]
    others: tuple[str, ...]


def table_statements(model: Model, connection: BaseDatabaseWrapper) -> TableStatements | None:
    """The statements with which Django makes a model's table and no other; None if it has another
    form than all that is known here.

    Raises UnwritableTableError if Django cannot write them.
    """
    editor = connection.schema_editor(collect_sql=True)
    editor.deferred_sql = []
    try:
        with _default_engine(connection):
            editor.create_model(model)
    # The fields' own code may raise anything.
    except Exception as error:
        raise UnwritableTableError(f"{type(error).__name__}: {error}") from error
    statements = [*editor.collected_sql, *map(str, editor.deferred_sql)]
    create = parse_create(statements[0])
    if create is None:
        return None
    indexes, keys, checks, others = [], [], [], []
    for statement in statements[1:]:
        if index := parse_index(statement):
            indexes.append(index)
        elif key := parse_foreign_key(statement):
            keys.append(key)
        elif check := _parse_check(statement, create.table):
            checks.append(check)
        elif parse_create(statement) is None:
            others.append(statement)
    return TableStatements(
        replace(create, definitions=(*create.definitions, *checks)),
        tuple(each for each in indexes if each.table == create.table),
        tuple(each for each in keys if each.table == create.table),
        tuple(others),
    )


def statements_if_writable(model: Model, connection: BaseDatabaseWrapper) -> TableStatements | None:
    """As `table_statements`, but None if Django cannot write them."""
    with suppress(UnwritableTableError):
        return table_statements(model, connection)
    return None


@contextmanager
def _default_engine(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let Django take the server's default engine for that of any table.

    Its schema editor asks the server for each column that could have an index, though the server
    knows nothing of a table that is not made yet.
    """
    introspection: Any = connection.introspection
    engine = connection.features._mysql_storage_engine  # type: ignore[attr-defined]
    introspection.get_storage_engine = lambda *_: engine
    try:
        yield
    finally:
        del introspection.get_storage_engine


def parse_create(statement: str) -> CreateTable | None:
    """A CREATE TABLE taken apart; None for any other statement."""
    begin = _CREATE.match(statement)
    if begin is None:
        return None
    *definitions, rest = split_list(statement[begin.end() :].rstrip(";"))
    return CreateTable(begin[1], tuple(definitions), rest)


def parse_index(statement: str) -> Index | None:
    """The index that a statement of its own makes; None for any other statement."""
    if found := _INDEX.match(statement):
        return Index(found[3], found[2], found[4], found[1].strip())
    altered = _ALTER.match(statement)
    if altered and (unique := _UNIQUE.fullmatch(altered[2])):
        return Index(altered[1], unique[1], unique[2], "UNIQUE")
    return None


def parse_foreign_key(statement: str) -> ForeignKey | None:
    """The foreign key that a statement of its own adds; None for any other statement."""
    altered = _ALTER.match(statement)
    found = _FOREIGN_KEY.fullmatch(altered[2]) if altered else None
    if altered is None or found is None:
        return None
    return ForeignKey(altered[1], found[1], found[2], found[3], found[4])


def _parse_check(statement: str, table: str) -> str:
    """The CHECK constraint that a statement of its own adds to the table, or "": Django adds those
    of a table with generated columns so.
    """
    altered = _ALTER.match(statement)
    is_check = altered is not None and altered[1] == table and _CHECK.match(altered[2])
    return altered[2].removeprefix("ADD ") if altered is not None and is_check else ""


def parse_clauses(statement: str) -> tuple[str, list[str]]:
    """The table and the clauses of an ALTER TABLE; ("", []) for any other statement."""
    altered = _ALTER.match(statement)
    if altered is None:
        return "", []
    *clauses, _ = split_list(f"{altered[2]})")
    return altered[1], clauses


def added_column(clause: str) -> str:
    """The column that a clause of ALTER TABLE adds; "" for any other clause."""
    found = _ADD_COLUMN.match(clause)
    return found[1] if found else ""


def modified_column(clause: str) -> str:
    """The column that a clause of ALTER TABLE modifies; "" for any other clause."""
    found = _MODIFY.match(clause)
    return found[1] if found else ""


def without_unique(definition: str) -> str:
    """A column's definition without its UNIQUE."""
    plain, depth = [" "] * len(definition), 0
    for position, character in _outside_quotes(definition):
        depth += (character == "(") - (character == ")")
        if not depth:
            plain[position] = character
    found = re.search(r" UNIQUE(?= |$)", "".join(plain))
    return definition if found is None else definition[: found.start()] + definition[found.end() :]


def split_list(text: str) -> list[str]:
    """What commas separate up to the closing parenthesis, and what follows that."""
    items, depth, begin = [], 0, 0
    for position, character in _outside_quotes(text):
        if character == "(":
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        elif character in ",)" and not depth:
            items.append(text[begin:position].strip())
            begin = position + 1
            if character == ")":
                break
    return [*items, text[begin:]]


def _outside_quotes(text: str) -> Iterator[tuple[int, str]]:
    """The characters that are not in '…', "…" or `…`, with their positions."""
    quote, escaped = "", False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif quote:
            escaped = character == "\\" and quote != "`"
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        else:
            yield position, character
