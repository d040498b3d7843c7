"""The character set of connections to MySQL and MariaDB: utf8mb4, which has every character.

Settings may ask for another ("utf8" means utf8mb3 to a server): then emoji are read as question
marks, and characters that the driver's code page does not have cannot be sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

EVERY_CHARACTER = "utf8mb4"


def speak_utf8mb4(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Change both the driver and the server to utf8mb4, on a new connection."""
    if connection.vendor == "mysql":
        connection.connection.set_character_set(EVERY_CHARACTER)


def asked_charset(options: Mapping[str, Any]) -> str:
    """The character set that OPTIONS of a database's settings ask for."""
    named = re.search(r"\bNAMES\s+['\"]?(\w+)", str(options.get("init_command", "")), re.IGNORECASE)
    return named[1] if named else str(options.get("charset", EVERY_CHARACTER))
