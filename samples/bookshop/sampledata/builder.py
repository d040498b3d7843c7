"""Makes the sample's SQLite file: the schema by `migrate`, the rows by hand.

Rows go in through sqlite3 alone: a hundred times faster than through models, and
the models' own clocks and random keys would make each file different.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from zlib import crc32

import django
from django.core.management import call_command
from django.db import connections

from sampledata.forms import timestamp
from sampledata.keys import DELETED_PRODUCTS, DELETED_USERS
from sampledata.rows import accounts, catalog, framework, history, reviews, shop, staff
from sampledata.sizes import Sizes
from sampledata.table import Table

ALIAS = "sample_in_the_making"
PROJECT = Path(__file__).resolve().parent.parent

# Rows that were added last and then deleted: keys that must not be allocated twice.
DELETED_ROWS = {
    "accounts_user": DELETED_USERS,
    "catalog_product": DELETED_PRODUCTS,
    "catalog_tag": 10,
    "shop_orderline": 1000,
}

# Of an app that the project had once: its content type and permissions remain.
REMOVED_MODEL = ("newsletter", "campaign")


class SampleError(Exception):
    """The rows do not fit the schema: a mistake in this package."""


@dataclass(frozen=True)
class Stamp:
    """What a file was made from; two integers in the file's own header.

    In the header rather than in a table or another file: it arrives and leaves
    together with the rows, and is no table that a dump would have to mention.
    """

    thousandths: int
    recipe: int

    @classmethod
    def of(cls, scale: float, json_null: bool) -> Stamp:
        """The recipe covers this project's code and Django's version."""
        digest = crc32(f"{django.VERSION[:2]} {json_null}".encode())
        for source in sorted(PROJECT.rglob("*.py")):
            digest = crc32(source.read_bytes(), digest)
        # The header holds signed 32-bit numbers.
        return cls(round(scale * 1000), digest >> 1)

    @classmethod
    def read(cls, path: Path) -> Stamp | None:
        """None where there is no such file or it is no database."""
        if not path.exists():
            return None
        try:
            with closing(sqlite3.connect(path)) as file:
                thousandths = file.execute("PRAGMA user_version").fetchone()[0]
                recipe = file.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.DatabaseError:
            return None
        return cls(thousandths, recipe)

    def write(self, file: sqlite3.Connection) -> None:
        file.execute(f"PRAGMA user_version = {self.thousandths}")
        file.execute(f"PRAGMA application_id = {self.recipe}")


def build(path: Path, scale: float, json_null: bool) -> int:
    """Writes the sample to `path`, which appears complete or not at all.

    Returns the number of rows, those that `migrate` makes included.

    Raises:
        SampleError: a foreign key points at nothing, or a value does not fit.
    """
    draft = path.with_name(f"{path.name}.draft-{os.getpid()}")
    try:
        _migrate(draft)
        with closing(sqlite3.connect(draft, isolation_level=None)) as file:
            rows = _fill(file, Sizes.at(scale), json_null)
            Stamp.of(scale, json_null).write(file)
        draft.replace(path)
    except sqlite3.Error as error:
        raise SampleError(str(error)) from error
    finally:
        draft.unlink(missing_ok=True)
    return rows


def _migrate(draft: Path) -> None:
    """An alias of its own, so that the file in use is left alone meanwhile."""
    connections.settings[ALIAS] = {
        **connections.settings["default"],
        "NAME": str(draft),
    }
    try:
        call_command("migrate", database=ALIAS, verbosity=0, interactive=False)
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.settings[ALIAS]


def _fill(file: sqlite3.Connection, sizes: Sizes, json_null: bool) -> int:
    # The file is deleted on any failure, so it needs no journal.
    file.execute("PRAGMA journal_mode = OFF")
    file.execute("PRAGMA synchronous = OFF")
    # In KiB: 64 MB, whatever the scale.
    file.execute("PRAGMA cache_size = -64000")
    file.execute("BEGIN")
    indexes = _drop_indexes(file)
    _settle_migrated_rows(file)
    for table in _tables(file, sizes, json_null):
        _insert(file, table)
    for statement in indexes:
        file.execute(statement)
    _forget_nothing(file)
    file.execute("COMMIT")
    _require_whole(file)
    return _count(file)


def _drop_indexes(file: sqlite3.Connection) -> list[str]:
    """Returns the statements that make them again.

    An index is made in a fraction of the time once the rows are there. Those of
    primary keys and constraints belong to their tables and stay.
    """
    indexes = file.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
    ).fetchall()
    for name, _ in indexes:
        file.execute(f'DROP INDEX "{name}"')
    return [statement for _, statement in indexes]


def _settle_migrated_rows(file: sqlite3.Connection) -> None:
    """What `migrate` made becomes the same every time, and worn as by use."""
    file.execute("UPDATE django_migrations SET applied = ?", (timestamp(0),))
    file.execute(
        "UPDATE django_site SET name = 'Bookshop 📚', domain = 'bookshop.example' WHERE id = 1"
    )
    file.execute("UPDATE shop_shippingmethod SET price = '5.40' WHERE id = 1")
    file.execute("UPDATE shop_shippingmethod SET active = 0 WHERE id = 2")
    _renumber_content_types(file)


def _renumber_content_types(file: sqlite3.Connection) -> None:
    """Content types and permissions get other keys than a new database gives them.

    So in any old project, whose apps came and went in another order: a key that
    is carried over as it is then means another model.
    """
    permissions = file.execute(
        "SELECT t.app_label, t.model, p.codename, p.name FROM auth_permission p"
        " JOIN django_content_type t ON t.id = p.content_type_id"
    ).fetchall()
    permissions += [
        (*REMOVED_MODEL, f"{verb}_{REMOVED_MODEL[1]}", f"Can {verb} {REMOVED_MODEL[1]}")
        for verb in ("add", "change", "delete", "view")
    ]
    models = set(file.execute("SELECT app_label, model FROM django_content_type"))
    keys = {model: key for key, model in enumerate(sorted(models | {REMOVED_MODEL}), start=1)}
    file.execute("DELETE FROM auth_permission")
    file.execute("DELETE FROM django_content_type")
    file.executemany(
        "INSERT INTO django_content_type (id, app_label, model) VALUES (?, ?, ?)",
        [(key, *model) for model, key in keys.items()],
    )
    file.executemany(
        "INSERT INTO auth_permission (id, content_type_id, codename, name) VALUES (?, ?, ?, ?)",
        [
            (key, keys[app, model], codename, name)
            for key, (app, model, codename, name) in enumerate(sorted(permissions), start=1)
        ],
    )


def _tables(file: sqlite3.Connection, sizes: Sizes, json_null: bool) -> Iterator[Table]:
    content_types = {
        (app, model): key
        for key, app, model in file.execute("SELECT id, app_label, model FROM django_content_type")
    }
    permissions = [key for (key,) in file.execute("SELECT id FROM auth_permission ORDER BY id")]
    return chain(
        accounts.tables(sizes, permissions, json_null),
        catalog.tables(sizes),
        shop.tables(sizes),
        staff.tables(sizes),
        reviews.tables(sizes, content_types),
        history.tables(sizes),
        framework.tables(sizes, content_types),
    )


def _insert(file: sqlite3.Connection, table: Table) -> None:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    marks = ", ".join("?" * len(table.columns))
    file.executemany(f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})', table.rows)


def _forget_nothing(file: sqlite3.Connection) -> None:
    """Sets each sequence to the highest key its table ever held."""
    sequences = file.execute("SELECT name FROM sqlite_sequence").fetchall()
    for (table,) in sequences:
        file.execute(
            "UPDATE sqlite_sequence"
            f' SET seq = (SELECT COALESCE(MAX(id), 0) FROM "{table}") + ?'
            " WHERE name = ?",
            (DELETED_ROWS.get(table, 0), table),
        )


def _require_whole(file: sqlite3.Connection) -> None:
    orphan = file.execute("PRAGMA foreign_key_check").fetchone()
    if orphan is not None:
        raise SampleError(f"{orphan[0]} row {orphan[1]} has no row in {orphan[2]}")


def _count(file: sqlite3.Connection) -> int:
    tables = file.execute(
        "SELECT name FROM sqlite_master"
        " WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    return sum(file.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0] for (table,) in tables)
