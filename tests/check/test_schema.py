"""check names what is wrong with the target's tables and server, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import django
import pytest
from django.apps import apps
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from fixturepipe.check.server import buffer_pool, granted, read_only, space
from fixturepipe.check.stage import CheckOptions, CheckResult, check
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoint, Endpoints
from fixturepipe.events import ignore
from fixturepipe.findings.finding import Finding
from tests import servers
from tests.apps.dirty.models import Name, Values
from tests.dirty import values

# What Django connects with where OPTIONS name none; empty for one that has every character.
DEFAULT_CHARSET = "" if django.VERSION >= (5, 2) else "utf8"
EXPECTED = {"FP303", "FP304", "FP312", "FP313", "FP314", "FP326"}


@pytest.fixture
def both(migrated: Endpoints) -> Endpoints:
    migrated.open()
    return migrated


@contextmanager
def changed(statement: str, back: str, alias: str = TARGET) -> Iterator[None]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
    try:
        yield
    finally:
        with connections[alias].cursor() as cursor:
            cursor.execute(back)


@contextmanager
def modified(column: str, other: str, own: str) -> Iterator[None]:
    """A column of dirty_values has another definition than its own."""
    modify = f"ALTER TABLE dirty_values MODIFY `{column}`"
    with changed(f"{modify} {other}", f"{modify} {own}"):
        yield


def checked(endpoints: Endpoints) -> CheckResult:
    return check(endpoints, CheckOptions(labels=("dirty",)), ignore)


def test_rows_that_no_run_has_written_are_named(both: Endpoints) -> None:
    with changed("INSERT INTO dirty_name (id, name) VALUES (7, 'x')", "DELETE FROM dirty_name"):
        (finding,) = [f for f in checked(both).findings if f.id == "FP336"]
        with changed("CREATE TABLE fixturepipe_ledger (n INT)", "DROP TABLE fixturepipe_ledger"):
            assert "FP336" not in {each.id for each in checked(both).findings}
    assert (finding.model, finding.level, finding.count) == ("dirty.name", "warning", 1)
    assert [each.pk for each in finding.examples] == [7]


def unexpected(result: CheckResult) -> list[Finding]:
    """Without what every migrated target of the tests' project has."""
    return [finding for finding in result.findings if finding.id not in EXPECTED]


def findings_of(endpoints: Endpoints) -> list[tuple[str, str, str]]:
    return [(f.id, f.model, f.field) for f in unexpected(checked(endpoints))]


def test_a_target_that_was_just_migrated_is_in_order(both: Endpoints) -> None:
    assert findings_of(both) == []
    assert checked(both).ok


def test_a_target_without_tables_is_a_note(both: Endpoints, empty_target: Endpoint) -> None:
    endpoints = Endpoints("default", both.source, empty_target)
    result = checked(endpoints)
    assert [(f.id, f.level) for f in unexpected(result)] == [("FP301", "note")]
    assert result.ok


def test_each_table_costs_at_most_two_questions_to_an_empty_target(
    both: Endpoints, empty_target: Endpoint
) -> None:
    asked: dict[str, list[str]] = {SOURCE: [], TARGET: []}

    def noted(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        asked[context["connection"].alias].append(sql)
        return execute(sql, parameters, many, context)

    endpoints = Endpoints("default", both.source, empty_target)
    endpoints.open()
    with ExitStack() as stack:
        for alias in asked:
            stack.enter_context(connections[alias].execute_wrapper(noted))
        checked(endpoints)
    models = apps.get_models(include_auto_created=True)
    assert 0 < len(asked[TARGET]) < 2 * len(models) + 60
    lists = [sql for sql in asked[SOURCE] if "FROM sqlite_master" in sql or "table_list" in sql]
    assert len([sql for sql in lists if "(" not in sql or "FROM" in sql]) < 6


def test_without_a_target_the_source_alone_is_checked(both: Endpoints) -> None:
    connections[TARGET].close()
    target = connections.settings.pop(TARGET)
    try:
        result = checked(Endpoints("default", both.source))
    finally:
        connections.settings[TARGET] = target
    assert unexpected(result) == []


def test_other_migrations_are_named(both: Endpoints) -> None:
    name = ("auth", "0012_alter_user_first_name_max_length")
    with changed(
        f"DELETE FROM django_migrations WHERE name = '{name[1]}'",
        f"INSERT INTO django_migrations (app, name, applied) VALUES {(*name, '2020-01-01')}",
    ):
        (finding,) = unexpected(checked(both))
    assert finding.id == "FP302"
    assert [(e.pk, e.value) for e in finding.examples] == [(".".join(name), "source only")]


def test_recorded_migrations_that_no_code_has_are_in_order(both: Endpoints) -> None:
    name = ("auth", "0001_before_the_squash")
    with changed(
        f"INSERT INTO django_migrations (app, name, applied) VALUES {(*name, '2020-01-01')}",
        f"DELETE FROM django_migrations WHERE name = '{name[1]}'",
        SOURCE,
    ):
        assert findings_of(both) == []


def test_a_table_that_is_missing_is_named(both: Endpoints) -> None:
    with changed(
        "RENAME TABLE dirty_mark TO dirty_elsewhere", "RENAME TABLE dirty_elsewhere TO dirty_mark"
    ):
        (finding,) = unexpected(checked(both))
    assert (finding.id, finding.model) == ("FP305", "dirty.mark")
    assert "leave the model out: --exclude dirty.mark" in finding.hint


def test_a_column_that_is_missing_is_named(both: Endpoints) -> None:
    with changed(
        "ALTER TABLE dirty_mark RENAME COLUMN object_id TO object_ids",
        "ALTER TABLE dirty_mark RENAME COLUMN object_ids TO object_id",
    ):
        assert findings_of(both) == [
            ("FP305", "dirty.mark", "object_id"),
            ("FP306", "dirty.mark", "object_ids"),
        ]


def test_columns_that_only_the_models_or_only_the_source_have_are_named(both: Endpoints) -> None:
    with (
        changed(
            "ALTER TABLE dirty_tag RENAME COLUMN word TO words",
            "ALTER TABLE dirty_tag RENAME COLUMN words TO word",
            SOURCE,
        ),
        changed("INSERT INTO dirty_tag (words) VALUES ('red')", "DELETE FROM dirty_tag", SOURCE),
    ):
        assert sorted(findings_of(both)) == [
            ("FP324", "dirty.tag", "words"),
            ("FP325", "dirty.tag", "word"),
        ]


@pytest.mark.parametrize("more", ["INT NULL", "INT NOT NULL DEFAULT 5"])
def test_a_column_that_may_be_left_out_is_no_finding(both: Endpoints, more: str) -> None:
    with changed(
        f"ALTER TABLE dirty_mark ADD COLUMN more {more}", "ALTER TABLE dirty_mark DROP COLUMN more"
    ):
        assert findings_of(both) == []


@pytest.mark.parametrize(
    ("column", "other", "own"),
    [
        ("char", "VARCHAR(4) NOT NULL", "VARCHAR(5) NOT NULL"),
        ("timestamp", "DATETIME NOT NULL", "DATETIME(6) NOT NULL"),
        ("`decimal`", "DECIMAL(5, 2) NOT NULL", "DECIMAL(6, 2) NOT NULL"),
        ("`float`", "FLOAT NOT NULL", "DOUBLE NOT NULL"),
    ],
)
def test_a_column_that_takes_less_is_named(
    both: Endpoints, column: str, other: str, own: str
) -> None:
    name = column.strip("`")
    with modified(name, other, own):
        assert findings_of(both) == [("FP307", "dirty.values", name)]


@pytest.mark.parametrize(
    ("column", "other", "own"),
    [
        ("small", "TINYINT NOT NULL", "SMALLINT NOT NULL"),
        ("positive", "INTEGER NOT NULL", "INTEGER UNSIGNED NOT NULL"),
    ],
)
def test_an_integer_column_that_takes_less_is_a_warning(
    both: Endpoints, column: str, other: str, own: str
) -> None:
    with modified(column, other, own):
        assert findings_of(both) == [("FP316", "dirty.values", column)]
        assert checked(both).ok


@pytest.mark.parametrize(
    ("column", "other", "own"),
    [
        ("char", "VARCHAR(50) NOT NULL", "VARCHAR(5) NOT NULL"),
        ("char", "LONGTEXT NOT NULL", "VARCHAR(5) NOT NULL"),
        ("small", "BIGINT NOT NULL", "SMALLINT NOT NULL"),
    ],
)
def test_a_column_that_takes_more_is_no_finding(
    both: Endpoints, column: str, other: str, own: str
) -> None:
    with modified(column, other, own):
        assert findings_of(both) == []


def test_a_column_that_refuses_null_is_named(both: Endpoints) -> None:
    with changed(
        "ALTER TABLE dirty_child MODIFY loose_id BIGINT NOT NULL",
        "ALTER TABLE dirty_child MODIFY loose_id BIGINT NULL",
    ):
        assert findings_of(both) == [("FP307", "dirty.child", "loose")]


def test_an_engine_without_transactions_is_named(both: Endpoints) -> None:
    with changed(
        "ALTER TABLE dirty_pair ENGINE = MyISAM", "ALTER TABLE dirty_pair ENGINE = InnoDB"
    ):
        assert findings_of(both) == [("FP308", "dirty.pair", "")]


def test_a_character_set_without_emoji_is_named(both: Endpoints) -> None:
    default = connections[TARGET].cursor()
    default.execute(
        "SELECT TABLE_COLLATION FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'dirty_pair'"
    )
    (collation,) = default.fetchone()
    with changed(
        "ALTER TABLE dirty_pair CONVERT TO CHARACTER SET utf8mb3",
        f"ALTER TABLE dirty_pair CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}",
    ):
        assert findings_of(both) == [("FP309", "dirty.pair", ""), ("FP310", "", "")]


@pytest.mark.parametrize("charset", ["utf8mb3", "latin1"])
def test_a_database_of_another_character_set_is_checked_too(
    both: Endpoints, server: servers.Server, empty_target: Endpoint, charset: str
) -> None:
    server.execute(f"ALTER DATABASE `{empty_target.settings['NAME']}` CHARACTER SET {charset}")
    endpoints = Endpoints("default", both.source, empty_target)
    try:
        Name.objects.using(SOURCE).create(name="emoji 🎉")
        assert [f.id for f in unexpected(checked(endpoints))] == ["FP405", "FP301"]
        MigrationRecorder(connections[TARGET]).ensure_schema()
        with connections[TARGET].cursor() as cursor:
            cursor.execute("CREATE TABLE dirty_name (id BIGINT, name VARCHAR(20) UNIQUE)")
        found = {f.id for f in unexpected(checked(endpoints)) if f.model in ("", "dirty.name")}
    finally:
        Name.objects.using(SOURCE).all().delete()
        connections[TARGET].close()
    assert "FP309" in found


def test_a_short_row_format_is_named(both: Endpoints) -> None:
    with changed(
        "ALTER TABLE dirty_pair ROW_FORMAT = COMPACT", "ALTER TABLE dirty_pair ROW_FORMAT = DYNAMIC"
    ):
        assert findings_of(both) == [("FP311", "dirty.pair", "")]


def test_rows_of_a_table_without_a_model_stay_behind(both: Endpoints) -> None:
    with changed("CREATE TABLE old_stuff AS SELECT 1 AS a", "DROP TABLE old_stuff", SOURCE):
        found = [f for f in check(both, CheckOptions(), ignore).findings if f.id == "FP304"]
    assert [(f.field, f.count, f.level) for f in found] == [("old_stuff", 1, "warning")]


def test_what_sqlite_keeps_a_search_index_in_is_not_asked_for(both: Endpoints) -> None:
    with changed("CREATE VIRTUAL TABLE words USING fts5(a)", "DROP TABLE words", SOURCE):
        found = [f for f in check(both, CheckOptions(), ignore).findings if f.id == "FP304"]
    assert found == []


@pytest.mark.parametrize(
    ("grant", "held"),
    [
        ("GRANT ALL PRIVILEGES ON *.* TO `u`@`%`", {"ALL PRIVILEGES"}),
        ("GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%` WITH GRANT OPTION", {"ALL PRIVILEGES"}),
        ("GRANT SELECT, INSERT ON `shop`.* TO `u`@`%`", {"SELECT", "INSERT"}),
        ("GRANT SELECT ON `sh%`.* TO `u`@`%`", {"SELECT"}),
        ("GRANT SELECT ON `sh_p`.* TO `u`@`%`", {"SELECT"}),
        (r"GRANT SELECT ON `sh\_p`.* TO `u`@`%`", set()),
        ("GRANT SELECT ON `other`.* TO `u`@`%`", set()),
        ("GRANT SELECT ON `shop`.`one` TO `u`@`%`", set()),
        ("GRANT USAGE ON *.* TO `u`@`%`", {"USAGE"}),
    ],
)
def test_privileges_are_read_from_the_servers_grants(grant: str, held: set[str]) -> None:
    assert granted([grant], "shop") == held


def test_a_user_who_may_not_load_learns_what_is_missing(
    both: Endpoints, server: servers.Server
) -> None:
    assert both.target is not None
    database = both.target.settings["NAME"]
    # Called as the database is, a name that no other run of the tests has at a shared server.
    for host in ("%", "localhost"):
        server.execute(f"CREATE USER '{database}'@'{host}' IDENTIFIED BY 'fp_reader'")
        server.execute(f"GRANT SELECT, INSERT, UPDATE ON `{database}`.* TO '{database}'@'{host}'")
    reader = {**both.target.settings, "USER": database, "PASSWORD": "fp_reader"}
    endpoints = Endpoints("default", both.source, Endpoint("reader", reader))
    try:
        for name in ("Zed", "zed"):  # unique, so that the server is asked
            Name.objects.using(SOURCE).create(name=name)
        missing, temporary = unexpected(checked(endpoints))
        connections[TARGET].close()
        for finding in (missing, temporary):
            server.execute(finding.hint)
        assert {f.id for f in unexpected(checked(endpoints))} == {"FP203"}
    finally:
        Name.objects.using(SOURCE).all().delete()
        connections[TARGET].close()
        for host in ("%", "localhost"):
            server.execute(f"DROP USER '{database}'@'{host}'")
    assert (missing.id, temporary.id) == ("FP402", "FP322")
    assert "DELETE, CREATE, ALTER, DROP, INDEX" in missing.consequence


@pytest.mark.parametrize(
    ("options", "charset"),
    [
        ({"charset": "utf8mb3"}, "utf8mb3"),
        ({"charset": "latin1"}, "latin1"),
        ({"init_command": "SET names 'utf8', sql_mode='STRICT_ALL_TABLES'"}, "utf8"),
        ({"init_command": "SET sql_mode='STRICT_ALL_TABLES'"}, DEFAULT_CHARSET),
        ({"charset": "utf8mb4"}, ""),
    ],
)
def test_settings_that_connect_in_another_character_set_are_named(
    both: Endpoints, options: dict[str, str], charset: str
) -> None:
    assert both.target is not None
    there = Endpoint("there", {**both.target.settings, "OPTIONS": options})
    endpoints = Endpoints("default", both.source, there)
    try:
        found = unexpected(checked(endpoints))
        # Whatever was asked for, every character goes there and comes back.
        with connections[TARGET].cursor() as cursor:
            cursor.execute("SELECT %s", ["ż 🎉"])
            assert cursor.fetchone() == ("ż 🎉",)
    finally:
        connections[TARGET].close()
    assert [f.id for f in found] == (["FP404"] if charset else [])
    assert all(charset in f.consequence for f in found)


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    (finding,) = space(tmp_path / "not" / "yet", 10**15)
    assert (finding.id, finding.level) == ("FP403", "error")
    assert "909.5 TiB" in finding.consequence
    assert list(space(tmp_path, 1)) == []


@pytest.mark.parametrize(
    ("variable", "value", "finding"),
    [
        ("sql_mode", "'NO_ENGINE_SUBSTITUTION'", "FP401"),
        ("default_storage_engine", "MyISAM", "FP408"),
    ],
)
def test_settings_of_the_server_that_hurt_the_site_are_named(
    both: Endpoints, server: servers.Server, variable: str, value: str, finding: str
) -> None:
    ((before,),) = server.execute(f"SELECT @@GLOBAL.{variable}")
    if server.name != "embedded":
        pytest.skip("a server that others use keeps its settings")
    server.execute(f"SET GLOBAL {variable} = {value}")
    try:
        assert findings_of(both) == [(finding, "", "")]
    finally:
        server.execute(f"SET GLOBAL {variable} = '{before}'")


@pytest.mark.parametrize(
    ("state", "grant", "found"),
    [
        ("0", "ALL PRIVILEGES ON `shop`.*", 0),
        ("00", "ALL PRIVILEGES ON `shop`.*", 0),
        ("1", "ALL PRIVILEGES ON `shop`.*", 1),
        ("10", "CONNECTION_ADMIN ON *.*", 0),
        ("11", "CONNECTION_ADMIN ON *.*", 1),
        ("1", "READ_ONLY ADMIN ON *.*", 0),
        ("1", "USAGE ON *.*", 1),
        ("OFF", "USAGE ON *.*", 0),
    ],
)
def test_a_server_that_takes_no_rows_of_the_user_is_named(
    both: Endpoints, state: str, grant: str, found: int
) -> None:
    both.open()
    target = TargetServer.registered()
    facts = replace(target.facts, read_only=state, grants=(f"GRANT {grant} TO `u`@`%`",))
    assert len(list(read_only(TargetServer(target.connection, facts)))) == found


def test_a_constraint_that_the_target_does_not_enforce_is_named(both: Endpoints) -> None:
    (finding,) = [f for f in checked(both).findings if f.id == "FP326"]
    assert (finding.level, finding.model) == ("warning", "dirty.limited")
    assert "because it has a condition" in finding.consequence


def test_a_default_character_set_that_lacks_characters_is_named(
    both: Endpoints, empty_target: Endpoint, server: servers.Server
) -> None:
    name = empty_target.settings["NAME"]
    server.execute(f"ALTER DATABASE `{name}` CHARACTER SET latin1")
    (finding,) = [
        f
        for f in checked(Endpoints("default", both.source, empty_target)).findings
        if f.id == "FP405"
    ]
    assert finding.hint == f"ALTER DATABASE `{name}` CHARACTER SET utf8mb4"
    server.execute(finding.hint)
    result = checked(Endpoints("default", both.source, empty_target))
    assert "FP405" not in {f.id for f in result.findings}


def test_a_target_of_another_copier_is_named_and_nothing_else(
    both: Endpoints, empty_target: Endpoint, server: servers.Server
) -> None:
    server.execute(
        "CREATE TABLE django_migrations (id INTEGER, app TEXT, name TEXT, applied TEXT)",
        empty_target.settings["NAME"],
    )
    result = checked(Endpoints("default", both.source, empty_target))
    assert [(f.id, f.level) for f in unexpected(result)] == [("FP327", "error")]


def test_questions_stay_open_without_temporary_tables(
    both: Endpoints, empty_target: Endpoint, server: servers.Server
) -> None:
    user, name = "fixturepipe_no_temp", empty_target.settings["NAME"]
    privileges = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES"
    server.execute(f"CREATE USER {user} IDENTIFIED BY 'p'")
    try:
        server.execute(f"GRANT {privileges} ON `{name}`.* TO {user}")
        settings = {**empty_target.settings, "USER": user, "PASSWORD": "p"}
        endpoints = Endpoints("default", both.source, Endpoint("target", settings))
        result = checked(endpoints)
    finally:
        connections[TARGET].close()
        server.execute(f"DROP USER {user}")
    assert [(f.id, f.level) for f in unexpected(result)] == [
        ("FP322", "warning"),
        ("FP301", "note"),
    ]


@pytest.mark.parametrize("time_zone", ["Europe/Berlin", None])
def test_an_hour_that_the_targets_clock_repeats_is_named(
    both: Endpoints, empty_target: Endpoint, time_zone: str | None
) -> None:
    settings = {**empty_target.settings, "TIME_ZONE": time_zone}
    endpoints = Endpoints("default", both.source, Endpoint("target", settings))
    endpoints.open()
    for pk, timestamp in enumerate(("00:30:00", "01:30:00", "03:30:00"), 1):
        values(pk, timestamp=f"'2024-10-27 {timestamp}'")
    try:
        found = [f for f in checked(endpoints).findings if f.id == "FP123"]
    finally:
        Values.objects.using(SOURCE).all().delete()
        connections[TARGET].close()
    assert [[e.pk for e in f.examples] for f in found] == ([[2]] if time_zone else [])


def test_a_buffer_pool_smaller_than_the_data_is_noted_with_the_statement(
    shared_target: Endpoint,
) -> None:
    Endpoints("default", shared_target, shared_target).open()
    target = TargetServer(connections[TARGET])
    assert list(buffer_pool(target, 1 << 20)) == []
    (finding,) = buffer_pool(target, (1 << 40) + 1)
    assert "1.0 TiB" in finding.consequence
    wanted = (1 << 40) + (128 << 20)
    assert finding.hint.endswith(f"SET GLOBAL innodb_buffer_pool_size = {wanted};")
