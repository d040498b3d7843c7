"""`manage.py check --tag fixturepipe`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from typing import Any, NoReturn

import django
import pytest
from django.core import checks

from fixturepipe import apps
from tests.shop import Shop

MYSQL = {"ENGINE": "django.db.backends.mysql", "NAME": "shop"}
FINE = {"charset": "utf8mb4"}


def ids(found: list[checks.CheckMessage]) -> list[str]:
    """The numbers of messages, each of which says what to do."""
    assert all(message.hint for message in found)
    return [str(message.id).removeprefix("fixturepipe.") for message in found]


def test_a_project_that_can_be_moved_has_no_message(shop: Shop) -> None:
    checked = shop.manage("check", "--tag", "fixturepipe", "--fail-level", "WARNING")
    assert checked.returncode == 0, checked.stderr
    assert "no issues" in checked.stdout


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ({"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}, ["W003"]),
        ({**MYSQL, "OPTIONS": FINE}, []),
        ({**MYSQL, "OPTIONS": {"charset": "latin1"}}, ["W004"]),
        ({**MYSQL, "OPTIONS": {"read_default_file": "my.cnf"}}, []),
        ({**MYSQL, "OPTIONS": {**FINE, "init_command": "SET sql_mode=''"}}, ["W005"]),
        ({**MYSQL, "OPTIONS": {**FINE, "init_command": "SET sql_mode='STRICT_ALL_TABLES'"}}, []),
        ({**MYSQL, "OPTIONS": {**FINE, "sql_mode": "ANSI"}}, ["W005"]),
    ],
)
def test_a_target_that_would_harm_the_site_is_named(
    database: dict[str, Any], expected: list[str]
) -> None:
    assert ids(apps.check_target("target", database)) == expected


def test_the_character_set_is_djangos_default() -> None:
    expected = [] if django.VERSION >= (5, 2) else ["W004"]
    assert ids(apps.check_target("target", MYSQL)) == expected


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    monkeypatch.setattr(django, "VERSION", (3, 2, 0, "final", 0))
    assert ids(apps.check_project()) == ["E001", "E002"]
