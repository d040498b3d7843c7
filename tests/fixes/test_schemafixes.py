"""A statement that the server refuses is fixed as declared; all others run as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints, connection_to
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.fixes.schemafixes import schema_fixes

# An index that no server takes: it names a column twice.
TWICE = "`name`, `name`"
DROP = Declaration("dirty.Name.name", "drop-index")


@pytest.fixture
def target(empty_target: Endpoint) -> Iterator[BaseDatabaseWrapper]:
    Endpoints("default", empty_target, empty_target).open()
    yield connection_to(TARGET)
    connections[TARGET].close()


def execute(connection: BaseDatabaseWrapper, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def indexes_of(connection: BaseDatabaseWrapper, table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW INDEX FROM {table}")
        return {row[2] for row in cursor.fetchall()}


def is_mysql(connection: BaseDatabaseWrapper) -> bool:
    return not connection.mysql_is_mariadb  # type: ignore[attr-defined]


def test_a_refused_index_is_left_out_where_that_is_declared(target: BaseDatabaseWrapper) -> None:
    with schema_fixes(target, [DROP]) as changes:
        execute(
            target,
            "CREATE TABLE `dirty_name` (`id` bigint PRIMARY KEY, `name` varchar(20) NOT NULL)",
            "CREATE INDEX `good` ON `dirty_name` (`name`)",
            f"CREATE INDEX `bad` ON `dirty_name` ({TWICE})",
            f"ALTER TABLE `dirty_name` ADD CONSTRAINT `worse` UNIQUE ({TWICE})",
            "DROP INDEX `bad` ON `dirty_name`",
            "ALTER TABLE `dirty_name` DROP INDEX `worse`",
        )
    assert indexes_of(target, "dirty_name") == {"PRIMARY", "good"}
    assert [(c.model, c.fields, c.index, c.unique, c.fix) for c in changes] == [
        ("dirty.name", ("name",), "bad", False, "drop-index"),
        ("dirty.name", ("name",), "worse", True, "drop-index"),
    ]


def test_a_refused_unique_constraint_is_left_out_of_its_table(target: BaseDatabaseWrapper) -> None:
    with schema_fixes(target, [DROP]) as changes:
        execute(
            target,
            "CREATE TABLE `dirty_name` (`id` bigint PRIMARY KEY, `name` varchar(20) UNIQUE,"
            f" CONSTRAINT `bad` UNIQUE ({TWICE}))",
        )
    assert indexes_of(target, "dirty_name") == {"PRIMARY", "name"}
    assert [change.index for change in changes] == ["bad"]


def test_what_is_refused_without_a_declaration_is_an_error(target: BaseDatabaseWrapper) -> None:
    other = Declaration("dirty.Pair.left", "drop-index")
    with schema_fixes(target, [other]) as changes:
        execute(target, "CREATE TABLE `dirty_name` (`id` bigint, `name` varchar(20))")
        with pytest.raises(DatabaseError):
            execute(target, f"CREATE INDEX `bad` ON `dirty_name` ({TWICE})")
    assert changes == []


def test_duplicate_rows_are_no_refusal_of_the_index(target: BaseDatabaseWrapper) -> None:
    with schema_fixes(target, [DROP]):
        execute(
            target,
            "CREATE TABLE `dirty_name` (`id` bigint, `name` varchar(20))",
            "INSERT INTO `dirty_name` VALUES (1, 'a'), (2, 'a')",
        )
        with pytest.raises(DatabaseError):
            execute(target, "CREATE UNIQUE INDEX `u` ON `dirty_name` (`name`)")


def test_a_foreign_key_gets_the_type_of_what_it_refers_to(target: BaseDatabaseWrapper) -> None:
    with schema_fixes(target) as changes:
        execute(
            target,
            "CREATE TABLE `dirty_values` (`id` integer NOT NULL PRIMARY KEY)",
            "CREATE TABLE `dirty_child` (`id` bigint PRIMARY KEY, `values_id` bigint NOT NULL)",
            "ALTER TABLE `dirty_child` ADD CONSTRAINT `f` FOREIGN KEY (`values_id`)"
            " REFERENCES `dirty_values` (`id`)",
            "ALTER TABLE `dirty_child` ADD COLUMN `loose_id` bigint NULL,"
            " ADD CONSTRAINT `g` FOREIGN KEY (`loose_id`) REFERENCES `dirty_values`(`id`)",
        )
    assert [(c.model, c.fields, c.index, c.fix) for c in changes] == [
        ("dirty.child", ("values",), "f", "key-type"),
        ("dirty.child", ("loose",), "g", "key-type"),
    ]
    with target.cursor() as cursor:
        cursor.execute("SHOW COLUMNS FROM dirty_child")
        columns = {row[0]: (row[1][:3], row[2]) for row in cursor.fetchall()}
    assert columns["values_id"] == ("int", "NO")
    assert columns["loose_id"] == ("int", "YES")


def test_a_long_index_covers_the_first_characters(target: BaseDatabaseWrapper) -> None:
    if not is_mysql(target):
        pytest.skip("MariaDB shortens a long index itself")
    with schema_fixes(target, [Declaration("dirty.Name.name", "prefix")]) as changes:
        execute(
            target,
            "CREATE TABLE `dirty_name` (`id` bigint PRIMARY KEY, `name` varchar(1000))",
            "CREATE INDEX `long` ON `dirty_name` (`name`)",
            "CREATE INDEX `with` ON `dirty_name` (`id`, `name`)",
            "ALTER TABLE `dirty_name` MODIFY `name` varchar(2000) NULL",
        )
    assert [change.statement for change in changes] == [
        "ALTER TABLE `dirty_name` ADD INDEX `long` (`name`(768))",
        "ALTER TABLE `dirty_name` ADD INDEX `with` (`id`, `name`(512))",
    ]


def test_a_column_that_becomes_too_long_loses_its_index(target: BaseDatabaseWrapper) -> None:
    if not is_mysql(target):
        pytest.skip("MariaDB keeps a long unique column in a hash")
    with schema_fixes(target, [DROP]) as changes:
        execute(
            target,
            "CREATE TABLE `dirty_name` (`id` bigint PRIMARY KEY, `name` varchar(20) UNIQUE)",
            "ALTER TABLE `dirty_name` MODIFY `name` varchar(1000) NOT NULL",
        )
    assert indexes_of(target, "dirty_name") == {"PRIMARY"}
    assert [(change.index, change.unique) for change in changes] == [("name", True)]


def test_the_migrations_that_the_project_needs_are_written(target: BaseDatabaseWrapper) -> None:
    declared = [DROP, Declaration("dirty.Pair", "drop-index")]
    with schema_fixes(target, declared) as changes:
        execute(
            target,
            "CREATE TABLE `dirty_name` (`id` bigint, `name` char(9), UNIQUE KEY (`name`))",
            f"CREATE INDEX `bad` ON `dirty_name` ({TWICE})",
            "CREATE TABLE `dirty_pair` (`left` char(9), `right` integer)",
            "ALTER TABLE `dirty_pair` ADD CONSTRAINT `b` UNIQUE (`left`, `left`, `right`)",
        )
    assert sorted(filter(None, (change.migration for change in changes))) == [
        'migrations.AlterField("name", "name", models.CharField(max_length=20))',
        'migrations.AlterUniqueTogether("pair", set())',
    ]
