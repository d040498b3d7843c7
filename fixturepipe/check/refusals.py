"""What a server's refusal of a table, a column or an index means, and what to do about it.

The numbers are those of https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html,
which MariaDB shares but for those from 1901 on (https://mariadb.com/kb/en/mariadb-error-codes/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import Error

from fixturepipe.fixes.schemafixes import error_number

_TOO_MANY_COLUMNS, _ROW_TOO_LARGE, _TOO_LARGE_FOR_PAGE = 1117, 1118, 4092

_SHORTER = "Lower max_length (768 characters of utf8mb4 fit into an index), or remove the index."
_NOT_COMPUTED = "Compute the value in Python, or with functions that the server allows there."
_HINTS: Mapping[int, str] = {
    1059: "Choose a name of at most 64 characters in a migration.",
    1064: "Change the model, so that Django writes SQL that this server understands.",
    1069: "Remove indexes: a table can have 64, those of foreign keys included.",
    1071: _SHORTER,
    1074: "Use a TextField, or a max_length of at most 16383.",
    _TOO_MANY_COLUMNS: "Move fields to a related model.",
    _ROW_TOO_LARGE: "Use TextFields for long text, or a lower max_length: a row has at most 65,535"
    " bytes, and a character takes four.",
    1170: "Use a CharField with a max_length of at most 768, or remove the index.",
    1273: "Choose a db_collation that the server has (SHOW COLLATION), or none.",
    1901: _NOT_COMPUTED,
    3109: "Compute the value from columns other than an AutoField.",
    3818: "Compare columns other than an AutoField.",
    _TOO_LARGE_FOR_PAGE: "Use fewer or shorter columns.",
}
_ANY = "Change the model, so that the server accepts it."


def is_about_the_table(error: Error) -> bool:
    """Whether the columns are refused together, each of which may be fine alone."""
    return error_number(error) in (_TOO_MANY_COLUMNS, _ROW_TOO_LARGE, _TOO_LARGE_FOR_PAGE)


def described(error: Error) -> dict[str, Any]:
    """The `reason`, `number` and `hint` of a finding about a refusal."""
    number = error_number(error)
    message = str(error.args[1] if len(error.args) > 1 else error).rstrip(".")
    return {"reason": message, "number": number, "hint": _HINTS.get(number, _ANY)}
