"""Whether the target's server and the disk allow the run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.check import refusals
from fixturepipe.check.target import TargetServer
from fixturepipe.databases.endpoints import Endpoint
from fixturepipe.databases.mysql import EVERY_CHARACTER, asked_charset
from fixturepipe.findings.finding import Finding, Level
from fixturepipe.findings.rules import RULES
from fixturepipe.wording import size_text

# What check, migrate and load need.
_NEEDED = (
    *("SELECT", "INSERT", "UPDATE", "DELETE"),
    *("CREATE", "ALTER", "DROP", "INDEX", "REFERENCES"),
)

# https://dev.mysql.com/doc/refman/9.4/en/server-system-variables.html#sysvar_read_only and
# https://mariadb.com/docs/server/server-management/variables-and-modes/server-system-variables.
_WRITES_ANYWAY = ("ALL PRIVILEGES", "SUPER", "CONNECTION_ADMIN", "READ_ONLY ADMIN")

# The user lacks the privilege.
_DENIED = (1044, 1142)
_POOL_UNIT = 128 << 20
# A load has a connection for its lock, one for its rows and one for what it asks.
_CONNECTIONS = 3
# What a run sends, about: the statements that it takes anyway, for each table, and for a megabyte
# of the run directory. A third of them write.
_STATEMENTS, _STATEMENTS_A_TABLE, _STATEMENTS_A_MEGABYTE = 150, 25, 5
_SESSIONS = 20


def settings(target: TargetServer, end: Endpoint) -> Iterator[Finding]:
    """FP401: a server that truncates values silently; FP408: one that makes tables without
    transactions for the site's later migrations; FP404: connections with which the site cannot
    read all characters; FP322: a target that cannot be asked, without temporary tables.
    """
    mode, engine = target.facts.sql_modes, target.facts.engine
    if "STRICT_" not in mode and "TRADITIONAL" not in mode:
        yield RULES["FP401"].finding(sql_mode=mode or "empty")
    if engine.lower() != "innodb":
        yield RULES["FP408"].finding(engine=engine)
    charset = asked_charset(end.settings.get("OPTIONS", {}))
    if charset.lower() != EVERY_CHARACTER:
        yield RULES["FP404"].finding(charset=charset)
    refusal = target.facts.table_refusal
    if refusal is not None and refusals.described(refusal)["number"] in _DENIED:
        database, account = _database_and_account(target)
        yield RULES["FP322"].finding(database=database, user=account)
    elif refusal is not None:
        yield RULES["FP412"].finding(**(refusals.described(refusal) | {"hint": ""}))


def read_only(target: TargetServer) -> Iterator[Finding]:
    """FP409: a replica, or another server that takes no rows from this user."""
    state, grants = target.facts.read_only, target.facts.grants
    if state.strip("0") in ("", "OFF") or _has_roles(grants):
        return
    everywhere = ", ".join(grant for grant in grants if " ON *.* TO " in grant)
    may_write = any(each in everywhere for each in _WRITES_ANYWAY)
    if not may_write or state == "11":
        yield RULES["FP409"].finding()


def account_limits(target: TargetServer, tables: int, size: int) -> Iterator[Finding]:
    """FP410, FP411: limits of the account that stop a run. `size` is that of the run directory."""
    if not target.is_server:
        return
    facts, account = target.facts, _database_and_account(target)[1]
    statements = _STATEMENTS + _STATEMENTS_A_TABLE * tables
    statements += _STATEMENTS_A_MEGABYTE * size // 10**6
    needed = {
        "MAX_QUERIES_PER_HOUR": statements,
        "MAX_UPDATES_PER_HOUR": statements // 3,
        "MAX_CONNECTIONS_PER_HOUR": _SESSIONS,
    }
    if 0 < facts.connections < _CONNECTIONS:
        most = facts.connections
        yield RULES["FP410"].finding(most=most, needed=_CONNECTIONS, account=account)
    for name, most in facts.hourly_limits.items():
        if 0 < most < needed.get(name, 0):
            number = needed[name]
            yield RULES["FP411"].finding(account=account, name=name, most=most, needed=number)


def privileges(target: TargetServer) -> Iterator[Finding]:
    """FP402: what the user may not do. A user with roles may have more than is shown."""
    grants = target.facts.grants
    database, account = _database_and_account(target)
    if _has_roles(grants):
        return
    held = granted(grants, database.strip("`"))
    # MariaDB has the privilege and asks nobody for it (https://mariadb.com/docs/server/reference/
    # sql-statements/account-management-sql-statements/grant).
    needed = [each for each in _NEEDED if each != "REFERENCES" or not target.is_mariadb]
    missing = [each for each in needed if each not in held and "ALL PRIVILEGES" not in held]
    if missing:
        # Only migrations that delete a model, and a second attempt, drop tables.
        level: Level = "warning" if missing == ["DROP"] else "error"
        named = ", ".join(missing)
        yield RULES["FP402"].finding(level=level, missing=named, database=database, user=account)


def _has_roles(grants: Iterable[str]) -> bool:
    return any(" ON " not in grant.split(" TO ")[0] for grant in grants)


def default_charset(target: TargetServer) -> Iterator[Finding]:
    """FP405: tables that migrate would make in a character set that lacks characters."""
    charset, database = target.facts.charset, target.facts.database
    if charset != EVERY_CHARACTER:
        yield RULES["FP405"].finding(charset=charset, database=f"`{database}`")


def driver(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """FP406: a driver other than mysqlclient, whose connections load cannot use."""
    module: Any = getattr(connection, "Database", None)
    name = str(getattr(module, "__name__", ""))
    if name != "MySQLdb" or not hasattr(module, "_mysql"):
        known = {"pymysql": "PyMySQL", "mysql": "MySQL Connector/Python"}
        yield RULES["FP406"].finding(driver=known.get(name.partition(".")[0], name))


def _database_and_account(target: TargetServer) -> tuple[str, str]:
    """Both as GRANT takes them."""
    account = "@".join(f"'{part}'" for part in target.facts.account.rsplit("@", 1))
    return f"`{target.facts.database}`", account


def granted(grants: Iterable[str], database: str) -> set[str]:
    """The privileges on a whole database, from the lines of SHOW GRANTS."""
    held: set[str] = set()
    for grant in grants:
        parts = re.match(r"GRANT (.+?) ON (\S+)\.\* TO ", grant)
        if parts and _covers(parts[2], database):
            held.update(each.strip().upper() for each in parts[1].split(","))
    return held


def _covers(pattern: str, database: str) -> bool:
    """Whether a grant's database is this one: % and _ are wildcards unless escaped."""
    if pattern == "*":
        return True
    expression = re.sub(
        r"\\(.)|(%)|(_)|(.)",
        lambda m: ".*" if m[2] else "." if m[3] else re.escape(m[1] or m[4]),
        pattern.strip("`"),
    )
    return re.fullmatch(expression, database) is not None


def space(directory: Path, needed: int) -> Iterator[Finding]:
    """FP403: less than `needed` bytes on the disk of a directory, which need not exist yet."""
    absolute = directory.absolute()
    existing = next(path for path in (absolute, *absolute.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        yield RULES["FP403"].finding(free=size_text(free), needed=size_text(needed))


def buffer_pool(target: TargetServer, needed: int) -> Iterator[Finding]:
    """FP407: a buffer pool smaller than the data.

    `needed` is what the run directory takes: each row twice, as JSON, which is about what InnoDB
    takes for it with its indexes.
    """
    if target.is_server and target.facts.buffer_pool < needed:
        # The server rounds up to its own unit, which is 128 MiB unless it was set.
        wanted = -(-needed // _POOL_UNIT) * _POOL_UNIT
        pool = size_text(target.facts.buffer_pool)
        yield RULES["FP407"].finding(pool=pool, needed=size_text(needed), bytes=wanted)
