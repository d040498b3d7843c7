"""The data that is moved: the bookshop's SQLite file at a scale, and fixtures to arrange.

The same arguments give the same bytes; an existing file is reused.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.measuring import ROOT, Step, measured

BOOKSHOP = ROOT / "samples" / "bookshop"
MANAGE = (sys.executable, str(BOOKSHOP / "manage.py"))

# Stock dumpdata aborts at a dangling reference, even if the model allows it.
_DELETE_ORPHANS = """
DELETE FROM history_pricechange
WHERE product_id NOT IN (SELECT id FROM catalog_product)
OR changed_by_id NOT IN (SELECT id FROM accounts_user)
"""
# A thousand rows of five tables: 800 with other values, 100 more, 100 fewer.
_EDITS = (
    "UPDATE catalog_product SET price = price + 1 WHERE id IN {sample}",
    "UPDATE shop_order SET note = note || '.' WHERE id IN {sample}",
    "UPDATE shop_orderline SET quantity = quantity % 9 + 1 WHERE id IN {sample}",
    "UPDATE reviews_review SET body = body || '.' WHERE id IN {sample}",
    "DELETE FROM django_session WHERE rowid IN (SELECT rowid FROM django_session LIMIT 100)",
    "INSERT INTO django_session SELECT hex(randomblob(16)), session_data, expire_date"
    " FROM django_session LIMIT 100",
)
_NO_OBJECTS = ("django_migrations", "sqlite_sequence")

# The shares of the objects in the worst case.
TREE, CYCLES = 0.3, 0.01


def sample(place: Path, scale: float) -> Path:
    """The complete bookshop, made in the directory unless it exists."""
    path = place / f"bookshop-{scale:g}.sqlite3"
    environment = {"BOOKSHOP_DB": str(path), "DJANGO_SETTINGS_MODULE": "bookshop.settings"}
    make = (*MANAGE, "make_sample", "--scale", f"{scale:g}")
    measured(Step("sample", make, environment), place)
    return path


def sample_for_all(place: Path, scale: float) -> Path:
    """The bookshop without its few orphans, so that all contestants can run."""
    complete = sample(place, scale)
    path = place / f"bookshop-{scale:g}-for-all.sqlite3"
    if not path.exists() or path.stat().st_mtime < complete.stat().st_mtime:
        draft = path.with_suffix(".draft")
        shutil.copyfile(complete, draft)
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute(_DELETE_ORPHANS)
            connection.commit()
        draft.rename(path)
    return path


def edit(path: Path) -> None:
    """Change a thousand rows of a bookshop, spread over five of its large tables."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in _EDITS:
            table = statement.split()[1]
            sample = f"(SELECT id FROM {table} ORDER BY random() LIMIT 200)"
            connection.execute(statement.format(sample=sample))


def count_objects(path: Path) -> int:
    """The number of rows of all tables, Django's record of migrations excepted."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = [name for (name,) in tables if name not in _NO_OBJECTS]
        counts = [connection.execute(f'SELECT count(*) FROM "{name}"') for name in names]
        return sum(count for ((count,),) in counts)


def ordinary_fixture(place: Path, count: int) -> Path:
    """`count` objects of models without self-references and cycles."""
    return _fixture(place / f"ordinary-{count}.json", _ordinary(count))


def worst_fixture(place: Path, count: int) -> Path:
    """`count` objects: 30 % a tree, each child before its parent, and 1 % cycles of two."""
    return _fixture(place / f"worst-{count}.json", _worst(count))


def _fixture(path: Path, objects: Iterable[dict[str, Any]]) -> Path:
    if not path.exists():
        draft = path.with_suffix(".draft")
        with draft.open("w", encoding="utf-8") as file:
            file.write("[")
            for number, each in enumerate(objects):
                file.write(",\n" if number else "\n")
                file.write(json.dumps(each))
            file.write("\n]\n")
        draft.rename(path)
    return path


def _object(model: str, pk: int, **fields: Any) -> dict[str, Any]:
    return {"model": model, "pk": pk, "fields": fields}


def _ordinary(count: int) -> Iterator[dict[str, Any]]:
    """Tags, a hundred of them, and authors."""
    tags = min(100, count)
    for pk in range(1, tags + 1):
        yield _object("catalog.tag", pk, slug=f"tag-{pk}", label=f"Tag {pk}")
    for pk in range(1, count - tags + 1):
        yield _object(
            "catalog.author",
            pk,
            name=f"Author {pk} of the ordinary fixture",
            born_on=f"19{pk % 90 + 10}-{pk % 12 + 1:02}-{pk % 28 + 1:02}",
            biography=f"Wrote {pk % 17} books, and read {pk}. " * 2,
            deleted_at=None,
        )


def _worst(count: int) -> Iterator[dict[str, Any]]:
    tree, pairs = int(count * TREE), int(count * CYCLES) // 2
    # From the last to the first: the parent of n is (n - 1) // 3, which comes later.
    for n in range(tree - 1, -1, -1):
        yield _object(
            "catalog.category",
            n + 1,
            name=f"Category {n}",
            slug=f"category-{n}",
            parent=(n - 1) // 3 + 1 if n else None,
            position=n % 100,
        )
    for pk in range(1, pairs + 1):
        yield _object(
            "catalog.publisher",
            pk,
            name=f"Publisher {pk}",
            country="AT",
            founded_on=None,
            flagship_imprint=pk,
        )
    for pk in range(1, pairs + 1):
        yield _object("catalog.imprint", pk, name=f"Imprint {pk}", publisher=pk)
    yield from _ordinary(count - tree - 2 * pairs)
