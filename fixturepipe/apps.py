"""The Django app: installing it adds `manage.py fixturepipe` and system checks; it has no models.

`manage.py check --tag fixturepipe` asks no database. It says what would make the command useless in
this project:

    fixturepipe.E001  this version of Django is not supported
    fixturepipe.E002  mysqlclient is not installed
    fixturepipe.W003  the default target, the alias "target" or "mysql", is not MySQL
    fixturepipe.W004  the site would read characters beyond utf8mb3 as question marks there
    fixturepipe.W005  the site would write there without strict mode
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import django
from django.apps import AppConfig
from django.conf import settings
from django.core import checks

_OLDEST, _NEWEST = (4, 2), (6, 1)
SUPPORTED_DJANGO = "Django 4.2 to 6.1"
# Without --target these aliases are taken, the first that there is.
TARGETS = ("target", "mysql")


class FixturepipeConfig(AppConfig):
    """fixturepipe as an installed app."""

    name = "fixturepipe"

    def ready(self) -> None:
        """Register the system checks."""
        checks.register(check_project, "fixturepipe")


def check_project(**_: Any) -> list[checks.CheckMessage]:
    """What would make the command useless in this project."""
    found = [*_versions()]
    alias = next((alias for alias in TARGETS if alias in settings.DATABASES), None)
    if alias is not None:
        found += check_target(alias, settings.DATABASES[alias])
    return found


def _versions() -> Iterator[checks.CheckMessage]:
    # Every command on a project imports this module, and would take 10 ms more.
    from importlib.metadata import PackageNotFoundError, version

    if not is_supported_django():
        yield checks.Error(
            f"fixturepipe does not support Django {django.get_version()}.",
            hint=f"It supports {SUPPORTED_DJANGO}.",
            id="fixturepipe.E001",
        )
    try:
        version("mysqlclient")
    except PackageNotFoundError:
        yield checks.Error(
            "fixturepipe needs mysqlclient, which is not installed.",
            hint="Install it: pip install mysqlclient. The site may go on using another driver.",
            id="fixturepipe.E002",
        )


def is_supported_django() -> bool:
    """Whether the installed Django is one that fixturepipe supports."""
    return _OLDEST <= django.VERSION[:2] <= _NEWEST


def check_target(alias: str, database: Mapping[str, Any]) -> list[checks.CheckMessage]:
    """What is wrong with a database of the settings as a target."""
    where, options = f"DATABASES[{alias!r}]", database.get("OPTIONS") or {}
    if database.get("ENGINE") in ("django.db.backends.sqlite3", "django.db.backends.postgresql"):
        return [
            checks.Warning(
                f"{where} is not MySQL or MariaDB, but fixturepipe would use it as the target.",
                hint="Name the target with --target.",
                id="fixturepipe.W003",
            )
        ]
    return [*_charset(where, options), *_strictness(where, options)]


def _charset(where: str, options: Mapping[str, Any]) -> Iterator[checks.CheckMessage]:
    # Django's own default is utf8mb4 since 5.2.
    charset = options.get("charset", "utf8mb4" if django.VERSION >= (5, 2) else "utf8")
    is_elsewhere = "read_default_file" in options or "NAMES" in options.get("init_command", "")
    if charset != "utf8mb4" and not is_elsewhere:
        yield checks.Warning(
            f"{where} connects with the character set {charset}: the site would read emoji as"
            " question marks.",
            hint='Add "charset": "utf8mb4" to its OPTIONS.',
            id="fixturepipe.W004",
        )


def _strictness(where: str, options: Mapping[str, Any]) -> Iterator[checks.CheckMessage]:
    modes = str(options.get("sql_mode", ""))
    command = re.search(r"sql_mode\s*=(.*)", str(options.get("init_command", "")), re.IGNORECASE)
    if (command or "sql_mode" in options) and not re.search(
        "STRICT_|TRADITIONAL|@@", modes + (command[1] if command else ""), re.IGNORECASE
    ):
        yield checks.Warning(
            f"{where} sets an sql_mode that is not strict: the site's writes would be truncated"
            " silently.",
            hint="Add STRICT_TRANS_TABLES to it.",
            id="fixturepipe.W005",
        )
