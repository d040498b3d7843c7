"""The fingerprint of a database's state, which shows later whether the database has changed.

    schema    sha256 of the tables' definitions
    tables    for each table its number of rows and, in SQLite, its highest rowid
    content   sha256 of everything that the database holds; absent if it cannot be computed
    file      SQLite only: change counter, size, time of change, last frame of the log

Equal `file` parts mean that nothing was written. Unequal ones mean that something was, possibly
only a checkpoint of the write-ahead log. Equal `content` means that nothing has changed.
"""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.coverage import Tables, quoted_table
from fixturepipe.databases.endpoints import Endpoints, connection_to
from fixturepipe.databases.queries import rows_of, value_of
from fixturepipe.databases.sqlitefile import readable
from fixturepipe.dump.snapshot import Snapshot, backup

Fingerprint = dict[str, Any]


def snapshot_fingerprint(snapshot: Snapshot) -> Fingerprint:
    """The parts `schema`, `tables` and, if it can be computed, `content`."""
    parts = _table_parts(snapshot.connection)
    if snapshot.file is not None:
        parts["content"] = _content(snapshot.file)
    return parts


def file_fingerprint(endpoints: Endpoints) -> Fingerprint:
    """The part `file`, if the source is a SQLite file. Take it before the snapshot, so that a
    write in between counts as a change."""
    path = Path(str(endpoints.source.settings["NAME"]))
    if endpoints.source.vendor != "sqlite" or not path.is_file():
        return {}
    with path.open("rb") as file:
        header = file.read(28)
    # A checkpoint of the write-ahead log does not raise the change counter.
    status = path.stat()
    parts = [header[24:28].hex(), status.st_size, status.st_mtime_ns]
    return {"file": [*parts, _log_end(Path(f"{path}-wal"))]}


def what_moved(then: Fingerprint, directory: RunDirectory, endpoints: Endpoints) -> list[str]:
    """What has changed in the source since the fingerprint `then`, in words; empty if nothing.

    Reads the whole source only if the cheap parts do not decide. Raises ConfigurationError if the
    source is locked, SourceDataError if it is damaged.
    """
    now = file_fingerprint(endpoints)
    if now and now["file"] == then.get("file"):
        return []
    with readable(endpoints.source), endpoints.bound_to_source() as alias:
        now |= _table_parts(connection_to(alias))
    changes = _differences(then, now)
    if changes or "content" not in then:
        return changes
    if "content" not in now:
        with backup(directory, endpoints) as copy:
            now["content"] = _content(copy)
    return [] if now["content"] == then["content"] else ["rows were changed in place"]


def _table_parts(connection: BaseDatabaseWrapper) -> Fingerprint:
    if connection.vendor == "sqlite":
        definitions = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2"
        schema = _digest(rows_of(connection, definitions))
        return {"schema": schema, "tables": _sqlite_tables(connection)}
    names = _table_names(connection)
    parts: Fingerprint = {
        "schema": _digest(_descriptions(connection, names)),
        "tables": {name: [_number(connection, name)] for name in names},
    }
    if connection.vendor == "mysql":
        parts["content"] = _digest(_checksums(connection, names))
    if connection.vendor == "postgresql":
        parts["content"] = _digest([_sum_of_rows(connection, name) for name in names])
    return parts


def _content(file: Path) -> str:
    """The sha256 of a SQLite file's pages.

    The header's fields about how and how often the file was written count as zero:
    https://www.sqlite.org/fileformat.html#the_database_header
    """
    digest = hashlib.sha256()
    with file.open("rb") as pages:
        header = bytearray(pages.read(100))
        for start, end in ((18, 20), (24, 28), (92, 100)):
            header[start:end] = bytes(end - start)
        digest.update(header)
        while block := pages.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _differences(then: Fingerprint, now: Fingerprint) -> list[str]:
    changes = [] if then["schema"] == now["schema"] else ["its tables were altered"]
    for table in sorted({*then["tables"], *now["tables"]}):
        before, after = then["tables"].get(table), now["tables"].get(table)
        if before is None or after is None:
            changes.append(f"{table} is {'new' if before is None else 'gone'}")
        elif before[0] != after[0]:
            changes.append(f"{table} has {after[0]:,} rows, it had {before[0]:,}")
        elif before != after:
            changes.append(f"{table} has other rows")
    return changes


def _log_end(log: Path) -> str:
    """The checksum of the last frame in a write-ahead log, which covers all before it.

    Frames without the log's current salt are left from earlier checkpoints:
    https://www.sqlite.org/fileformat.html#the_write_ahead_log
    """
    with suppress(FileNotFoundError), log.open("rb") as file:
        header = file.read(32)
        if len(header) == 32:
            (page,) = struct.unpack(">I", header[8:12])
            end, salt = header[24:32], header[16:24]
            while len(frame := file.read(24)) == 24 and frame[8:16] == salt:
                end = frame[16:24]
                file.seek(page, 1)
            return end.hex()
    return ""


def _sqlite_tables(connection: BaseDatabaseWrapper) -> dict[str, list[Any]]:
    tables = {}
    for name in _table_names(connection):
        highest = None
        with suppress(DatabaseError):  # a table WITHOUT ROWID
            highest = value_of(
                connection, f"SELECT MAX(rowid) FROM {quoted_table(name, connection)}"
            )
        tables[name] = [_number(connection, name), highest]
    return tables


def _table_names(connection: BaseDatabaseWrapper) -> list[str]:
    """The site's own tables: what tools and extensions keep there may change at any time."""
    tables = Tables(connection)
    return sorted(t.name for t in tables if t.kind == "table" and not (t.made_by or t.partition_of))


def _number(connection: BaseDatabaseWrapper, table: str) -> int:
    return int(value_of(connection, f"SELECT COUNT(*) FROM {quoted_table(table, connection)}"))


def _descriptions(connection: BaseDatabaseWrapper, tables: list[str]) -> list[Any]:
    with connection.cursor() as cursor:
        return [
            [name, [list(c) for c in connection.introspection.get_table_description(cursor, name)]]
            for name in tables
        ]


def _checksums(connection: BaseDatabaseWrapper, tables: list[str]) -> list[Any]:
    """https://dev.mysql.com/doc/refman/8.4/en/checksum-table.html: the server reads every row."""
    if not tables:
        return []
    listed = ", ".join(quoted_table(name, connection) for name in tables)
    return sorted(rows_of(connection, f"CHECKSUM TABLE {listed}"))


def _sum_of_rows(connection: BaseDatabaseWrapper, table: str) -> Any:
    """The sum of a 64-bit hash of each row as text: it does not depend on their order."""
    quoted = connection.ops.quote_name(table)
    (total,) = rows_of(connection, f"SELECT SUM(hashtextextended(t::text, 0)) FROM {quoted} t")
    return total


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()
