"""Database URLs: how much of one may be shown, written and compared.

    mysql://root:secret@127.0.0.1:3306/shop?passwd=secret     mysql://root@127.0.0.1:3306/shop

A URL is shown by the parts that are kept, never by what is cut: scheme, user, host, port, name,
and a Unix socket, which takes the place of host and port. Nothing else of it is ever shown, as
passwords are also given in the query, and a password with a "/" or "@" in it moves into other
parts. Of a URL that is not clearly made of these parts only the scheme is shown.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlencode

# The schemes that name an engine; of anything else before a colon nothing is known.
_SCHEME = re.compile(
    r"(mysql(2|gis|-connector)?|mariadb|sqlite|spatialite|postgres(ql)?|pgsql|postgis|oracle|mssql)"
    r"(?=:)",
    re.IGNORECASE,
)
_SERVER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+-]*)://"
    # An escaped colon in the user is the one that comes before the password.
    r"(?:(?P<user>(?:(?!%3a)[^:@/?#])*)(?P<password>:[^/?#]*)?@)?"
    r"(?P<address>(?:[^:@/?#\[\]]*|\[[0-9a-f:.]*\])(?::[0-9]+)?)"
    r"(?P<name>/[^:@/?#]*)?"
    r"(?:\?(?P<query>[^@#]*))?",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"(?P<shown>(?:sqlite|spatialite)://(?:/[^?#]*|:memory:)?)(?P<query>\?.*)?", re.IGNORECASE
)
_SOCKET = "unix_socket"


def is_url(given: str) -> bool:
    """Whether this is a URL, well-formed or not, and no alias in DATABASES."""
    return re.search(r"[:/@?]", given) is not None


def shown_url(given: str) -> str:
    """An alias or URL as it may be shown and written: without password and options."""
    if not is_url(given):
        return given
    if file := _FILE.fullmatch(given):
        return file["shown"]
    if not (url := _SERVER.fullmatch(given)):
        scheme = _SCHEME.match(given)
        return f"{scheme[0]}:…" if scheme else "…"
    user = f"{url['user']}@" if url["user"] else ""
    socket = _query(url["query"]).get(_SOCKET, "")
    query = f"?{urlencode({_SOCKET: socket}, safe='/')}" if socket else ""
    return f"{url['scheme']}://{user}{url['address']}{url['name'] or ''}{query}"


def hidden_parts(given: str) -> list[str]:
    """The names of the parts that `shown_url` leaves out: "password", and keys of the query."""
    url = _SERVER.fullmatch(given) or _FILE.fullmatch(given)
    if url is None:
        return []
    password = ["password"] if url.groupdict().get("password", "") not in (None, "", ":") else []
    return [*password, *(key for key in _query(url["query"]) if key != _SOCKET)]


def with_password(shown: str, password: str) -> str:
    """A URL that has a user and no password, with this password."""
    head, at, tail = shown.partition("@")
    return f"{head}:{quote(password, safe='')}{at}{tail}"


def _query(text: str | None) -> dict[str, str]:
    return {key: values[-1] for key, values in parse_qs((text or "").lstrip("?")).items()}
