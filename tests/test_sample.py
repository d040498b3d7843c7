"""The sample bookshop: the same rows for the same scale, and every hazard among them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parent.parent / "samples" / "bookshop"
SCALE = "0.05"

# Each asks for a number of rows, which must be above 0.
FEATURES = {
    "a parent category whose key is above its child's": (
        "SELECT COUNT(*) FROM catalog_category WHERE parent_id > id"
    ),
    "a parent category whose key is below its child's": (
        "SELECT COUNT(*) FROM catalog_category WHERE parent_id < id"
    ),
    "a root category": "SELECT COUNT(*) FROM catalog_category WHERE parent_id IS NULL",
    "a user invited by a later one": (
        "SELECT COUNT(*) FROM accounts_user WHERE invited_by_id > id"
    ),
    "a group with permissions": "SELECT COUNT(*) FROM auth_group_permissions",
    "a user in a group": "SELECT COUNT(*) FROM accounts_user_groups",
    "a user with permissions": "SELECT COUNT(*) FROM accounts_user_user_permissions",
    "a permission of the project's own": (
        "SELECT COUNT(*) FROM auth_permission WHERE codename = 'set_price'"
    ),
    "a content type of a removed app": (
        "SELECT COUNT(*) FROM django_content_type WHERE app_label = 'newsletter'"
    ),
    "a tagged product": "SELECT COUNT(*) FROM catalog_product_tags",
    "a symmetrical link in both directions": (
        "SELECT COUNT(*) FROM catalog_product_related a JOIN catalog_product_related b"
        " ON a.from_product_id = b.to_product_id AND a.to_product_id = b.from_product_id"
    ),
    "an explicit through row": "SELECT COUNT(*) FROM catalog_authorship WHERE position > 1",
    "a book, a row in two tables": (
        "SELECT COUNT(*) FROM catalog_book JOIN catalog_product ON id = product_ptr_id"
    ),
    "a magazine, a row in two tables": (
        "SELECT COUNT(*) FROM catalog_magazine JOIN catalog_product ON id = product_ptr_id"
    ),
    "a book by a deleted author": (
        "SELECT COUNT(*) FROM catalog_authorship JOIN catalog_author a ON a.id = author_id"
        " WHERE deleted_at IS NOT NULL"
    ),
    "an order with a deleted coupon": (
        "SELECT COUNT(*) FROM shop_order_coupons JOIN shop_coupon c ON c.id = coupon_id"
        " WHERE deleted_at IS NOT NULL"
    ),
    "a publisher and an imprint that need each other": (
        "SELECT COUNT(*) FROM catalog_publisher p JOIN catalog_imprint i"
        " ON i.id = p.flagship_imprint_id AND i.publisher_id = p.id"
    ),
    "a warehouse led by one of its employees": (
        "SELECT COUNT(*) FROM shop_warehouse w JOIN staff_employee e"
        " ON e.id = w.manager_id AND e.warehouse_id = w.id"
    ),
    "a moved chapter": (
        "SELECT COUNT(*) FROM catalog_chapter a JOIN catalog_chapter b"
        " ON a.book_id = b.book_id AND a.id < b.id AND a._order > b._order"
    ),
    "a review of a book": (
        "SELECT COUNT(*) FROM reviews_review r JOIN catalog_book ON object_id = product_ptr_id"
        " JOIN django_content_type t ON t.id = content_type_id WHERE t.model = 'book'"
    ),
    "a review of an order by its UUID": (
        "SELECT COUNT(*) FROM reviews_review JOIN shop_order o"
        " ON REPLACE(object_id, '-', '') = o.id"
    ),
    "a guest's order": "SELECT COUNT(*) FROM shop_order WHERE customer_id IS NULL",
    "stock by article number": (
        "SELECT COUNT(*) FROM shop_stocklevel JOIN catalog_product ON product_id = sku"
    ),
    "SQL NULL in a JSON column": (
        "SELECT COUNT(*) FROM accounts_profile WHERE preferences IS NULL"
    ),
    "nested JSON": "SELECT COUNT(*) FROM shop_order WHERE details ->> '$.utm.ids[1]' = 2",
    "a boolean that is neither": ("SELECT COUNT(*) FROM accounts_profile WHERE newsletter IS NULL"),
    "microseconds": "SELECT COUNT(*) FROM shop_order WHERE placed_at LIKE '%.%7'",
    "a negative duration": "SELECT COUNT(*) FROM staff_shift WHERE balance < 0",
    "an integer above 2**53": (
        "SELECT COUNT(*) FROM accounts_profile WHERE loyalty_points > 9007199254740992"
    ),
    "bytes that are no text": (
        "SELECT COUNT(*) FROM shop_receipt WHERE SUBSTR(document, 1, 2) = X'00FF'"
    ),
    "an emoji": "SELECT COUNT(*) FROM catalog_product WHERE description LIKE '%📚%'",
    "a line end": "SELECT COUNT(*) FROM reviews_review WHERE body LIKE '%' || CHAR(10) || '%'",
    "quotes": """SELECT COUNT(*) FROM reviews_review WHERE body LIKE '%''%' AND body LIKE '%"%'""",
    "a file's name": "SELECT COUNT(*) FROM catalog_book WHERE cover LIKE 'covers/%'",
    "a session": "SELECT COUNT(*) FROM django_session",
    "an entry in the admin's log": "SELECT COUNT(*) FROM django_admin_log",
    "a price change of a deleted product": (
        "SELECT COUNT(*) FROM history_pricechange"
        " WHERE product_id NOT IN (SELECT id FROM catalog_product)"
    ),
    "a price change by a deleted user": (
        "SELECT COUNT(*) FROM history_pricechange"
        " WHERE changed_by_id NOT IN (SELECT id FROM accounts_user)"
    ),
    "a key that must not be given again": (
        "SELECT COUNT(*) FROM sqlite_sequence WHERE name = 'shop_orderline'"
        " AND seq > (SELECT MAX(id) FROM shop_orderline)"
    ),
    "a changed row of a migration's": (
        "SELECT COUNT(*) FROM shop_shippingmethod WHERE code = 'standard' AND price = 5.4"
    ),
}

# Writes every row back through the models, then reads every session.
SAVE_ALL = """
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import models, transaction

with transaction.atomic():
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy:
            continue
        fields = [f.attname for f in model._meta.local_concrete_fields if not f.primary_key]
        for row in list(models.QuerySet(model).values("pk", *fields)):
            models.QuerySet(model).filter(pk=row.pop("pk")).update(**row)
print(sum("basket" in session.get_decoded() for session in Session.objects.all()))
"""

# Every value has to be valid by its model's own rules: lengths, choices, ranges.
CLEAN_ALL = """
from django.apps import apps
from django.db import models

for model in apps.get_models():
    # Relations are checked by the database; an unusable password may be of any form.
    left_out = [f.name for f in model._meta.fields if f.is_relation or f.name == "password"]
    for row in models.QuerySet(model):
        row.clean_fields(exclude=left_out)
"""


def manage(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "BOOKSHOP_DB": str(database),
        "DJANGO_SETTINGS_MODULE": "bookshop.settings",
    }
    command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def make(database: Path, *arguments: str) -> Path:
    result = manage(database, "make_sample", *arguments)
    assert result.returncode == 0, result.stderr
    return database


def query(database: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as file:
        return file.execute(sql).fetchall()


def contents(database: Path) -> dict[str, list[Any]]:
    """Every row of every table, with the storage class of each value."""
    rows = {}
    for (table,) in query(database, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        columns = [column for _, column, *_ in query(database, f'PRAGMA table_info("{table}")')]
        values = ", ".join(f'"{column}", TYPEOF("{column}")' for column in columns)
        rows[table] = query(database, f'SELECT {values} FROM "{table}" ORDER BY 1')
    return rows


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("sample") / "bookshop.sqlite3", "--scale", SCALE)


@pytest.fixture(scope="module")
def json_null_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "bookshop.sqlite3"
    return make(path, "--scale", SCALE, "--json-null")


@pytest.fixture
def copy(sample: Path, tmp_path: Path) -> Path:
    """The sample, to change."""
    return Path(shutil.copyfile(sample, tmp_path / "copy.sqlite3"))


def test_the_same_scale_gives_the_same_rows(sample: Path, tmp_path: Path) -> None:
    again = make(tmp_path / "again.sqlite3", "--scale", SCALE)

    assert contents(again) == contents(sample)


def test_scale_1_is_about_20_000_rows(tmp_path: Path) -> None:
    database = make(tmp_path / "one.sqlite3", "--scale", "1")

    assert 19_000 < sum(map(len, contents(database).values())) < 21_000


def test_a_sample_of_the_wanted_scale_is_left_alone(copy: Path) -> None:
    before = copy.stat()

    result = manage(copy, "make_sample", "--scale", SCALE)

    assert "nothing to do" in result.stdout
    assert copy.stat().st_ino == before.st_ino
    assert copy.stat().st_mtime_ns == before.st_mtime_ns


def test_a_sample_of_another_scale_is_made_again(copy: Path) -> None:
    rows = sum(map(len, contents(copy).values()))

    make(copy, "--scale", "0.1")

    assert sum(map(len, contents(copy).values())) > rows
    assert list(copy.parent.iterdir()) == [copy]


@pytest.mark.parametrize("arguments", [("--scale", "0"), ("--output", "/no/such/place/db")])
def test_what_cannot_be_made_is_said_in_one_line(
    tmp_path: Path, arguments: tuple[str, str]
) -> None:
    result = manage(tmp_path / "db.sqlite3", "make_sample", *arguments)

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1


def test_no_enforced_foreign_key_points_at_nothing(sample: Path) -> None:
    assert query(sample, "PRAGMA foreign_key_check") == []
    assert query(sample, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("feature", FEATURES)
def test_the_sample_has(sample: Path, feature: str) -> None:
    assert query(sample, FEATURES[feature])[0][0] > 0


def test_every_table_has_rows(sample: Path) -> None:
    assert [table for table, rows in contents(sample).items() if not rows] == []


def test_json_null_is_there_when_asked_for(sample: Path, json_null_sample: Path) -> None:
    count = "SELECT COUNT(*) FROM accounts_profile WHERE preferences = 'null'"
    assert query(sample, count) == [(0,)]
    assert query(json_null_sample, count)[0][0] > 0


def test_values_are_stored_as_django_stores_them(sample: Path, tmp_path: Path) -> None:
    saved = Path(shutil.copyfile(sample, tmp_path / "saved.sqlite3"))

    result = manage(saved, "shell", "-v", "0", "-c", SAVE_ALL)

    assert result.stderr == ""
    assert int(result.stdout) == query(saved, "SELECT COUNT(*) FROM django_session")[0][0]
    assert contents(saved) == contents(sample)


def test_values_are_valid_for_their_fields(sample: Path) -> None:
    result = manage(sample, "shell", "-v", "0", "-c", CLEAN_ALL)

    assert result.stderr == ""


def test_the_migrations_are_up_to_date_with_the_models(sample: Path) -> None:
    result = manage(sample, "makemigrations", "--check")

    assert result.returncode == 0, result.stdout
