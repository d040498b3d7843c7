"""Which tables and columns of a database the project's models cover, and what the others are.

Each table and each column of the source is dumped, excluded by name, or named as not covered:
this module decides which.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.apps import apps
from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import strip_quotes
from django.db.migrations.recorder import MigrationRecorder

from fixturepipe.artifacts.manifest import NotCovered
from fixturepipe.databases.fields import Field, Model
from fixturepipe.databases.queries import rows_of, value_of

LEDGER_PREFIX = "fixturepipe_"
NO_MODEL = "no model has this table"


@dataclass(frozen=True)
class TableInfo:
    """A table or view: its name as the database spells it, and what it is.

    `made_by` says what keeps its own data in the table, empty for the site's tables.
    `partition_of` is the table that the rows of a partition belong to.
    """

    name: str
    kind: Literal["table", "view", "virtual"] = "table"
    made_by: str = ""
    partition_of: str = ""


class Tables:
    """The tables and views of one database, found by name as the database compares names."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self._ignores_case = bool(connection.features.ignores_table_name_case)
        self._tables = {self._key(table.name): table for table in _listed(connection)}

    def __iter__(self) -> Iterator[TableInfo]:
        return iter(self._tables.values())

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def get(self, name: str) -> TableInfo | None:
        """The table that a model's `db_table` means; None if there is none.

        Some databases take a name that is in quotes already, as in db_table='"schema"."table"'.
        """
        return self._tables.get(self._key(name)) or self._tables.get(self._key(strip_quotes(name)))

    def quoted(self, shown: str) -> str:
        """A table as SQL takes it, whose name is as `NotCovered` shows it."""
        names = {_shown(table.name): table.name for table in self}
        return quoted_table(names.get(shown, shown), self.connection)

    def _key(self, name: str) -> str:
        return name.lower() if self._ignores_case else name


@dataclass(frozen=True)
class Coverage:
    """The models to dump, in the order of INSTALLED_APPS, and what is left out."""

    models: list[Model]
    not_covered: list[NotCovered]


def coverage(
    connection: BaseDatabaseWrapper, alias: str, target: BaseDatabaseWrapper | None = None
) -> Coverage:
    """Every concrete model that has a table here, through models included.

    `alias` is the name by which the project's routers know this database. `target` is asked
    about models over virtual tables alone.
    """
    tables = Tables(connection)
    owners: dict[TableInfo, Model] = {}
    left_out: list[NotCovered] = []
    named: set[TableInfo | None] = set()
    candidates = [m for m in apps.get_models(include_auto_created=True) if not m._meta.proxy]
    # A table that two models share belongs to the one that migrations made it for.
    for model in sorted(candidates, key=lambda m: not m._meta.managed):
        table = tables.get(model._meta.db_table)
        reason = _reason_to_leave_out(model, table, owners, alias)
        if table is not None and not reason and _lacks_virtual(target, table):
            reason = f"{table.name} is a virtual table of SQLite, which the target does not have"
        if table is None or reason:
            left_out.append(NotCovered(model._meta.label_lower, reason))
            named.add(table)
        else:
            owners[table] = model
    order = {model: position for position, model in enumerate(candidates)}
    left_out += _other_tables(tables, owners, named)
    return Coverage(sorted(owners.values(), key=order.__getitem__), left_out)


def _reason_to_leave_out(
    model: Model, table: TableInfo | None, owners: Mapping[TableInfo, Model], alias: str
) -> str:
    """Empty for a model whose rows are dumped."""
    if table is not None and table in owners:
        return f"its table {table.name} belongs to {owners[table]._meta.label_lower}"
    if not router.allow_migrate_model(alias, model):
        return f"a database router excludes it from {alias!r}"
    if table is None:
        return f"it has no table ({_shown(model._meta.db_table)}) in this database"
    if table.kind == "view":
        return f"{_shown(table.name)} is a view"
    if table.made_by:
        return f"{_shown(table.name)} is {table.made_by}"
    return ""


def _lacks_virtual(target: BaseDatabaseWrapper | None, table: TableInfo) -> bool:
    """Whether the table is virtual and nobody has made one of its name in the target.

    A migration makes a virtual table with SQL of SQLite's own, which it does not run elsewhere,
    even if the model is managed (as that of wagtail's search index is).
    """
    return table.kind == "virtual" and (target is None or table.name not in Tables(target))


def models_of_virtual_tables(connection: BaseDatabaseWrapper) -> set[Model]:
    """The models whose table is a virtual one here, such as a full-text index."""
    tables = Tables(connection)
    found = {m: tables.get(m._meta.db_table) for m in apps.get_models() if not m._meta.proxy}
    return {model for model, table in found.items() if table and table.kind == "virtual"}


def _other_tables(
    tables: Tables, owners: Mapping[TableInfo, Model], named: Container[TableInfo | None]
) -> Iterator[NotCovered]:
    """The tables that no model covers, and why; without those `named` with a model left out."""
    known = _djangos_tables()
    for table in sorted(tables, key=lambda table: table.name):
        if table in owners or table in named:
            continue
        if table.kind == "view" or table.name.startswith(LEDGER_PREFIX):
            continue
        reason = known.get(table.name) or table.made_by or NO_MODEL
        if tables.get(table.partition_of) in owners:
            reason = f"a partition of {_shown(table.partition_of)}, with which its rows are dumped"
        yield NotCovered(_shown(table.name), reason)


def _djangos_tables() -> dict[str, str]:
    """The tables of Django itself that no model has."""
    found = {MigrationRecorder.Migration._meta.db_table: "each database records its migrations"}
    for name in caches.settings:
        # A cache may want a package that is not installed here.
        with contextlib.suppress(Exception):
            cache = caches[name]
            if isinstance(cache, BaseDatabaseCache):
                table: str = cache._table  # type: ignore[attr-defined]
                found[table] = f"the table of the database cache {name!r}"
    return found


def quoted_table(name: str, connection: BaseDatabaseWrapper) -> str:
    """A table's name as SQL takes it, as the database lists it.

    Django's own quoting takes quotes in a name for those of a schema, as they are on PostgreSQL.
    """
    if connection.vendor == "postgresql":
        return str(connection.ops.quote_name(name))
    quote = "`" if connection.vendor == "mysql" else '"'
    return f"{quote}{name.replace(quote, 2 * quote)}{quote}"


def _shown(name: str) -> str:
    """A name with its schema as people write it: a model's `archive"."others` is archive.others."""
    return name.replace('"."', ".")


def _listed(connection: BaseDatabaseWrapper) -> Iterable[TableInfo]:
    if connection.vendor == "sqlite":
        return _sqlite_tables(connection)
    if connection.vendor == "postgresql":
        return _postgresql_tables(connection)
    with connection.cursor() as cursor:
        found = connection.introspection.get_table_list(cursor)
    return [TableInfo(info.name, "view" if info.type == "v" else "table") for info in found]


def _sqlite_tables(connection: BaseDatabaseWrapper) -> Iterator[TableInfo]:
    """Shadow tables are those that SQLite made for virtual ones, such as full-text indexes.

    https://www.sqlite.org/vtab.html#the_xshadowname_method
    """
    listed = rows_of(connection, "PRAGMA table_list")
    found = {name: kind for schema, name, kind, *_ in listed if schema == "main"}
    spatial = {"geometry_columns", "spatial_ref_sys"} <= {name.lower() for name in found}
    for name, kind in found.items():
        if name.lower() in ("sqlite_schema", "sqlite_master", "sqlite_sequence"):
            continue
        made_by = "a part of a virtual table of SQLite" if kind == "shadow" else ""
        if spatial and _is_of_spatialite(name, kind):
            made_by = "a table of SpatiaLite"
        for prefix, tool in _PREFIXES.items():
            if name.lower().startswith(prefix):
                made_by = tool
        yield TableInfo(name, kind if kind in ("view", "virtual") else "table", made_by)


_PREFIXES = {
    "sqlite_stat": "a statistic of SQLite's query planner",
    "_litestream_": "a table of Litestream",
}

# https://www.gaia-gis.it/gaia-sins/spatialite-cookbook/html/metadata.html
_OF_SPATIALITE = re.compile(
    r"spatial_ref_sys(_aux|_all)?|geom_cols_ref_sys|vector_layers\w*|spatialite_history"
    r"|(views_|virts_)?geometry_columns\w*|sql_statements_log|data_licenses"
    r"|spatialindex|elementarygeometries|knn2?",
    re.IGNORECASE,
)


def _is_of_spatialite(name: str, kind: str) -> bool:
    is_index = kind == "virtual" and name.lower().startswith("idx_")
    return is_index or _OF_SPATIALITE.fullmatch(name) is not None


def _postgresql_tables(connection: BaseDatabaseWrapper) -> Iterator[TableInfo]:
    """Those outside of the search path are named as models name them, `schema"."table`.

    https://www.postgresql.org/docs/current/catalog-pg-class.html
    """
    for kind, schema, name, visible, *root, in_extension in rows_of(
        connection,
        "SELECT c.relkind, n.nspname, c.relname, pg_table_is_visible(c.oid),"
        " rn.nspname, r.relname, pg_table_is_visible(r.oid), EXISTS (SELECT FROM pg_depend"
        " WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid)"
        " LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace"
        " WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v')"
        " AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'",
    ):
        yield TableInfo(
            name if visible else f'{schema}"."{name}',
            "view" if kind in ("m", "v") else "table",
            "a table of a PostgreSQL extension" if in_extension else "",
            _named(*root),
        )


def _named(schema: str | None, name: str | None, visible: bool | None) -> str:
    if name is None:
        return ""
    return name if visible else f'{schema}"."{name}'


@dataclass(frozen=True)
class UnknownColumn:
    """A column of a covered table that no field has; `rows` hold a value in it, not ''."""

    model: Model
    name: str
    rows: int


def unknown_columns(
    connection: BaseDatabaseWrapper, covered: Sequence[Model]
) -> list[UnknownColumn]:
    """The columns of covered tables that no field has; computed ones left out."""
    found = []
    for model in covered:
        fields = {_column_key(f.column, connection) for f in model._meta.local_concrete_fields}
        for name in _columns(connection, model):
            if _column_key(name, connection) not in fields:
                found.append(UnknownColumn(model, name, _rows_with(connection, model, name)))
    return found


def missing_columns(connection: BaseDatabaseWrapper, covered: Sequence[Model]) -> list[Field]:
    """The fields whose column the table lacks, as after a migration that was faked.

    The catalog is asked: SQLite takes the quoted name of a missing column for a text
    (https://www.sqlite.org/quirks.html#double_quoted_string_literals_are_accepted).
    """
    missing: list[Field] = []
    for model in covered:
        there = {_column_key(n, connection) for n in _columns(connection, model, computed=True)}
        fields = model._meta.local_concrete_fields
        missing += [f for f in fields if _column_key(f.column, connection) not in there]
    return missing


def has_tables_of(connection: BaseDatabaseWrapper, app_labels: Container[str]) -> bool:
    """Whether no table and no column is missing of those that migrations make for these apps."""
    tables = Tables(connection)
    made = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in app_labels and model._meta.can_migrate(connection)
    ]
    complete = all(model._meta.db_table in tables for model in made)
    return complete and not missing_columns(connection, made)


def _columns(connection: BaseDatabaseWrapper, model: Model, *, computed: bool = False) -> list[str]:
    """The names of a table's columns; with `computed` the generated ones too."""
    table = connection.ops.quote_name(model._meta.db_table)
    if connection.vendor == "sqlite":
        # "hidden" is 1 for a virtual table's own, 2 and 3 for generated columns.
        found = rows_of(connection, f"PRAGMA table_xinfo({table})")
        return [name for _, name, *_, hidden in found if computed or not hidden]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} LIMIT 0")
        return [column[0] for column in cursor.description]


def _column_key(name: str, connection: BaseDatabaseWrapper) -> str:
    return name if connection.vendor == "postgresql" else name.lower()


def _rows_with(connection: BaseDatabaseWrapper, model: Model, name: str) -> int:
    table = connection.ops.quote_name(model._meta.db_table)
    column = connection.ops.quote_name(name)
    empty = "" if connection.vendor == "postgresql" else f" AND {column} <> ''"
    question = f"SELECT COUNT(*) FROM {table} WHERE {column} IS NOT NULL{empty}"
    return int(value_of(connection, question))
