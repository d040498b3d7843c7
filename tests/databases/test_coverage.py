"""Nothing of the source is overlooked: each table and each column is covered, or named.

db_table ──as the database compares names──▶ table ──▶ model │ whose it is │ "no model …"
"""

import pytest
from django.db import connections
from django.test import override_settings

from fixturepipe.databases.coverage import (
    Tables,
    coverage,
    missing_columns,
    models_of_virtual_tables,
    unknown_columns,
)
from fixturepipe.databases.tables import Table
from fixturepipe.errors import ConfigurationError
from tests.apps.hidden.models import Ghost, Legacy
from tests.dumping import Dumped


def execute(*statements):
    with connections["default"].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def reasons():
    found = coverage(connections["default"], "default")
    return {each.name: each.reason for each in found.not_covered}


def test_a_table_named_in_another_case_is_that_of_its_model(source, tmp_path):
    Ghost.everything.create(pk=9, name="Boo").delete()
    Ghost.everything.create(name="Casper")
    execute(
        "ALTER TABLE hidden_ghost RENAME TO other",
        "ALTER TABLE other RENAME TO Hidden_GHOST",
    )
    dumped = Dumped(tmp_path / "run", source)
    assert dumped("hidden").models["hidden.ghost"] == 1
    assert dumped.manifest.sequences["hidden_ghost"] == 10
    assert not {name for name in reasons() if name.lower() == "hidden_ghost"}


CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "site_cache",
    },
    "missing": {"BACKEND": "not.installed.Cache"},
}


@override_settings(CACHES=CACHES)
def test_tables_that_are_no_data_of_the_site_are_named_as_what_they_are(source):
    execute(
        "CREATE TABLE site_cache (cache_key text)",
        "CREATE TABLE _litestream_seq (id integer)",
        "CREATE VIRTUAL TABLE words USING fts5(a)",
        "ANALYZE",
        "CREATE TABLE geometry_columns (x)",
    )
    found = reasons()
    assert found["site_cache"] == "the table of the database cache 'default'"
    assert found["_litestream_seq"] == "a table of Litestream"
    assert found["words_data"] == "a part of a virtual table of SQLite"
    assert found["sqlite_stat1"] == "a statistic of SQLite's query planner"
    assert found["words"] == found["geometry_columns"] == "no model has this table"
    execute("CREATE TABLE spatial_ref_sys (x)")
    assert reasons()["geometry_columns"] == "a table of SpatiaLite"


def test_a_model_over_a_virtual_table_that_the_target_lacks_is_left_out(source):
    execute(
        "CREATE VIRTUAL TABLE hidden_legacy USING fts5(id, name)",
        "DROP TABLE hidden_ghost",
        "CREATE VIRTUAL TABLE hidden_ghost USING fts5(name)",
    )
    assert "virtual table of SQLite" in reasons()["hidden.legacy"]
    assert "virtual table of SQLite" in reasons()["hidden.ghost"]
    assert "hidden_ghost" not in reasons()
    assert models_of_virtual_tables(connections["default"]) == {Ghost, Legacy}


def test_columns_that_no_field_has_are_named_with_the_rows_that_hold_something(source, tmp_path):
    execute(
        "CREATE TABLE hidden_legacy (ID integer PRIMARY KEY, name varchar(20), old text, vat int,"
        " double int GENERATED ALWAYS AS (id * 2))",
        "INSERT INTO hidden_legacy (id, name, old) VALUES (1, '', 'x'), (2, '', ''), (3, '', NULL)",
    )
    found = unknown_columns(connections["default"], [Legacy])
    assert [(each.name, each.rows) for each in found] == [("old", 1), ("vat", 0)]
    left_out = {each.name: each.reason for each in Dumped(tmp_path / "run", source)().not_covered}
    assert "1 rows" in left_out["hidden_legacy.old"]


def test_a_field_without_a_column_stops_the_dump_by_name(source, tmp_path):
    execute("CREATE TABLE hidden_legacy (id integer PRIMARY KEY, other text)")
    (field,) = missing_columns(connections["default"], [Legacy])
    assert field.name == "name"
    dumped = Dumped(tmp_path / "run", source)
    with pytest.raises(ConfigurationError, match=r"hidden.legacy.name \(name\)"):
        dumped("hidden")
    assert "hidden.legacy" not in dumped("hidden", exclude=("hidden.legacy",)).models


@pytest.mark.parametrize(
    "definition",
    [
        "(id integer PRIMARY KEY, name varchar(20)) WITHOUT ROWID",
        "(id varchar(9) PRIMARY KEY, name varchar(20), rowid text DEFAULT 'r', oid text)",
        "(id varchar(9) PRIMARY KEY, name varchar(20), rowid text, oid text, _rowid_ text)",
    ],
)
def test_a_table_without_a_rowid_is_read_and_one_with_a_column_of_that_name(source, definition):
    execute(
        f"CREATE TABLE hidden_legacy {definition}",
        "INSERT INTO hidden_legacy (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    )
    pages = Table(Legacy, connections["default"]).pages(rows=2, as_stored=True)
    assert [[row[1] for row in page] for page in pages] == [["a", "b"], ["c"]]


def test_schemas_and_partitions_of_postgresql_are_known(postgresql_source):
    execute(
        "CREATE SCHEMA archive",
        "CREATE TABLE archive.others (id integer)",
        "CREATE TABLE parts (id integer) PARTITION BY RANGE (id)",
        "CREATE TABLE parts_one PARTITION OF parts FOR VALUES FROM (0) TO (10)",
    )
    connection = connections["default"]
    tables = Tables(connection)
    assert 'archive"."others' in tables
    assert "others" not in tables
    assert "Parts" not in tables
    assert tables.get("parts_one").partition_of == "parts"
    assert reasons()["archive.others"] == "no model has this table"


def test_a_partition_is_dumped_with_its_table(postgresql_source):
    execute(
        "CREATE TABLE hidden_legacy (id integer, name text) PARTITION BY RANGE (id)",
        "CREATE TABLE legacy_one PARTITION OF hidden_legacy FOR VALUES FROM (0) TO (10)",
    )
    assert "a partition of hidden_legacy" in reasons()["legacy_one"]
