"""Statements that make tables are taken apart, and put together as they were."""

from __future__ import annotations

import pytest

from fixturepipe.databases.tablesql import (
    Index,
    parse_clauses,
    parse_create,
    parse_foreign_key,
    parse_index,
    without_unique,
)

CREATE = (
    "CREATE TABLE `a` (`id` bigint NOT NULL PRIMARY KEY,"
    " `s` varchar(9) DEFAULT 'a, UNIQUE (' NOT NULL UNIQUE, `n` numeric(3, 2) NOT NULL,"
    " CONSTRAINT `u` UNIQUE (`s`, `n`), CONSTRAINT `c` CHECK (`s` IN ('x, y', ')')))"
)


def test_a_table_is_its_definitions() -> None:
    create = parse_create(f"{CREATE};")
    assert create is not None
    assert create.statement == CREATE
    assert list(create.columns()) == ["id", "s", "n"]
    assert list(create.checks()) == ["c"]


def test_unique_indexes_are_taken_out_of_a_table() -> None:
    create = parse_create(CREATE)
    assert create is not None
    bare, indexes = create.apart()
    assert indexes == [Index("a", "s", "`s`", "UNIQUE"), Index("a", "u", "`s`, `n`", "UNIQUE")]
    assert bare.definitions[1] == "`s` varchar(9) DEFAULT 'a, UNIQUE (' NOT NULL"
    assert len(bare.definitions) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE UNIQUE INDEX `i` ON `a` (`s`, (LOWER(`n`)));",
        "ALTER TABLE `a` ADD CONSTRAINT `i` UNIQUE (`s`, (LOWER(`n`)))",
    ],
)
def test_a_unique_index_is_read_from_either_statement(statement: str) -> None:
    index = parse_index(statement)
    assert index == Index("a", "i", "`s`, (LOWER(`n`))", "UNIQUE")
    assert index.column_names == ("s", "n")


def test_an_index_can_cover_the_first_characters() -> None:
    index = parse_index("CREATE INDEX `i` ON `a` (`s` DESC, `n`)")
    assert index is not None
    shorter = index.with_prefix("s", 100)
    assert shorter.statement == "ALTER TABLE `a` ADD INDEX `i` (`s`(100) DESC, `n`)"


def test_a_foreign_key_and_a_column_that_are_added_together_are_two_clauses() -> None:
    table, clauses = parse_clauses(
        "ALTER TABLE `a` ADD COLUMN `s` varchar(9) DEFAULT 'a,b' NOT NULL UNIQUE ,"
        " ADD CONSTRAINT `f` FOREIGN KEY (`s`) REFERENCES `b`(`id`);"
    )
    assert (table, len(clauses)) == ("a", 2)
    assert without_unique(clauses[0]) == "ADD COLUMN `s` varchar(9) DEFAULT 'a,b' NOT NULL"
    key = parse_foreign_key(f"ALTER TABLE `a` {clauses[1]}")
    assert key is not None
    assert (key.column, key.to_table, key.to_column) == ("s", "b", "id")


def test_other_statements_are_left_alone() -> None:
    for statement in ("RENAME TABLE `a` TO `b`", "DROP INDEX `i` ON `a`", "SELECT 1"):
        assert parse_create(statement) is None
        assert parse_index(statement) is None
        assert parse_foreign_key(statement) is None
        assert parse_clauses(statement) == ("", [])
