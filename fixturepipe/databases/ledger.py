"""The ledger: two tables in the target that say what this and other runs have put there.

    fixturepipe_run      one row a run: in which state it found the database
    fixturepipe_ledger   one row a chunk that is in

A row of the ledger always means that the chunk's rows are in the target: it is written in the
transaction that writes them. It is the transaction's *first* statement, so that a second
process which loads the same chunk waits at that row, and then finds the chunk loaded.

The tables are ours alone: made with plain statements, never by a migration, so that a project's
own migration history stays as it was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.endpoints import TARGET, Endpoints
from fixturepipe.errors import ConfigurationError

RUNS = "fixturepipe_run"
CHUNKS = "fixturepipe_ledger"

# The run that `prepare_target` writes for when no manifest has given the run its id yet.
UNNAMED = ""


@dataclass(frozen=True)
class Entry:
    """A chunk that is in. `models` counts its loaded objects by label, `rejected` the others."""

    number: int
    sha256: str
    objects: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    models: dict[str, int] = field(default_factory=dict)
    applied_at: str = ""


@dataclass(frozen=True)
class RunState:
    """What a run found. `was_empty`: the database had no table when the run came.

    `migrated`: the run's own `migrate` is complete. `cleared`: the rows that were not the
    run's own have been dealt with. `finished`: its last chunk was in once.
    """

    run: str
    was_empty: bool
    migrated: bool
    cleared: bool
    finished: bool


class Ledger:
    """The ledger as one run sees it. Reading never makes the tables; `create` does."""

    def __init__(self, connection: BaseDatabaseWrapper, run: str) -> None:
        self._connection = connection
        self.run = run

    # ---- reading

    def exists(self) -> bool:
        """Whether the target has ledger tables."""
        with self._connection.cursor() as cursor:
            names = self._connection.introspection.table_names(cursor)
        return RUNS in names and CHUNKS in names

    def applied(self) -> dict[int, Entry]:
        """The chunks of this run that are in, by number; none where there is no ledger."""
        if not self.exists():
            return {}
        sql = (
            f"SELECT number, sha256, objects, rejected, seconds, models, applied_at"
            f" FROM {CHUNKS} WHERE run = %s ORDER BY number"
        )
        with self._connection.cursor() as cursor:
            cursor.execute(sql, [self.run])
            return {row[0]: _entry(row) for row in cursor.fetchall()}

    def state(self) -> RunState | None:
        """What this run found when it came, or None before it came."""
        return next((state for state in self._states() if state.run == self.run), None)

    def unfinished_others(self) -> list[str]:
        """Runs that put chunks into this database and did not get to their end."""
        if not self.exists():
            return []
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"SELECT DISTINCT l.run FROM {CHUNKS} l JOIN {RUNS} r ON r.run = l.run"
                f" WHERE r.finished = 0 AND l.run <> %s ORDER BY l.run",
                [self.run],
            )
            return [run for (run,) in cursor.fetchall()]

    # ---- writing

    def create(self) -> None:
        """Make the tables where they are missing."""
        if self.exists():
            return
        engine = " ENGINE=InnoDB" if self._connection.vendor == "mysql" else ""
        with self._connection.cursor() as cursor:
            for statement in _TABLES:
                cursor.execute(statement + engine)

    def come(self, *, was_empty: bool, migrated: bool) -> RunState:
        """Write in which state this run found the database; what was written stays.

        A run that was not named yet when it prepared the database gets its name here.
        """
        state = self.state()
        if state is not None:
            return state
        with self._connection.cursor() as cursor:
            if any(other.run == UNNAMED for other in self._states()):
                cursor.execute(f"UPDATE {RUNS} SET run = %s WHERE run = %s", [self.run, UNNAMED])
            else:
                cursor.execute(
                    f"INSERT INTO {RUNS} (run, was_empty, migrated, cleared, finished)"
                    " VALUES (%s, %s, %s, 0, 0)",
                    [self.run, int(was_empty), int(migrated)],
                )
        found = self.state()
        assert found is not None
        return found

    def mark_migrated(self) -> None:
        """The run's own `migrate` is complete."""
        self._mark("migrated", 1)

    def mark_cleared(self) -> None:
        """The rows that were not the run's own are dealt with; part of that transaction."""
        self._mark("cleared", 1)

    def mark_finished(self, *, finished: bool = True) -> None:
        """Every chunk of the run is in (or, after a change of plan, no longer)."""
        self._mark("finished", int(finished))

    def begin(self, number: int, sha256: str) -> bool:
        """Claim a chunk within its transaction; False if another process has loaded it.

        Waits while another transaction has claimed it and is not at its end.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(
                    f"INSERT INTO {CHUNKS} (run, number, sha256, objects, rejected, seconds,"
                    " models, applied_at) VALUES (%s, %s, %s, 0, '{}', 0, '{}', CURRENT_TIMESTAMP)",
                    [self.run, number, sha256],
                )
        except DatabaseError as error:
            if error.args and error.args[0] == _DUPLICATE:
                return False
            raise
        return True

    def complete(self, entry: Entry) -> None:
        """Fill in what became of a claimed chunk, within its transaction."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {CHUNKS} SET sha256 = %s, objects = %s, rejected = %s, seconds = %s,"
                " models = %s WHERE run = %s AND number = %s",
                [
                    entry.sha256,
                    entry.objects,
                    json.dumps(entry.rejected),
                    entry.seconds,
                    json.dumps(entry.models),
                    self.run,
                    entry.number,
                ],
            )

    def forget(self, number: int) -> None:
        """Take a chunk's row away, within the transaction that loads it again."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {CHUNKS} WHERE run = %s AND number = %s", [self.run, number]
            )

    def remove(self) -> None:
        """Take the run's rows away, and the tables with the last run."""
        if not self.exists():
            return
        with self._connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {CHUNKS} WHERE run IN (%s, %s)", [self.run, UNNAMED])
            cursor.execute(f"DELETE FROM {RUNS} WHERE run IN (%s, %s)", [self.run, UNNAMED])
            if not self._states():
                cursor.execute(f"DROP TABLE {CHUNKS}")
                cursor.execute(f"DROP TABLE {RUNS}")

    def _mark(self, column: str, value: int) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(f"UPDATE {RUNS} SET {column} = %s WHERE run = %s", [value, self.run])

    def _states(self) -> list[RunState]:
        if not self.exists():
            return []
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT run, was_empty, migrated, cleared, finished FROM {RUNS}")
            return [RunState(row[0], *map(bool, row[1:])) for row in cursor.fetchall()]


def read_applied(endpoints: Endpoints, run: str) -> dict[int, Entry]:
    """The chunks of a run that the target holds. Reads only."""
    endpoints.open()
    return Ledger(connections[TARGET], run).applied()


def remove_ledger(endpoints: Endpoints, run: str) -> None:
    """Take a run's ledger out of the target."""
    endpoints.open()
    Ledger(connections[TARGET], run).remove()


def refuse_other_runs(ledger: Ledger, target: str) -> None:
    """Raise ConfigurationError if an unfinished run of another directory is in the target."""
    others = ledger.unfinished_others()
    if others:
        raise ConfigurationError(
            f"{target} holds chunks of another run that is not finished: {', '.join(others)}",
            hint="Finish that run, or take it out with `fixturepipe clean` in its run directory.",
        )


# https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html: ER_DUP_ENTRY.
_DUPLICATE = 1062

_TABLES = (
    f"CREATE TABLE IF NOT EXISTS {RUNS} ("
    "run char(32) NOT NULL PRIMARY KEY, was_empty smallint NOT NULL, migrated smallint NOT NULL,"
    " cleared smallint NOT NULL, finished smallint NOT NULL)",
    f"CREATE TABLE IF NOT EXISTS {CHUNKS} ("
    "run char(32) NOT NULL, number integer NOT NULL, sha256 char(64) NOT NULL,"
    " objects bigint NOT NULL, rejected text NOT NULL, seconds double precision NOT NULL,"
    " models text NOT NULL, applied_at timestamp NOT NULL, PRIMARY KEY (run, number))",
)


def _entry(row: tuple[object, ...]) -> Entry:
    number, sha256, objects, rejected, seconds, models, applied_at = row
    return Entry(
        number=int(str(number)),
        sha256=str(sha256),
        objects=int(str(objects)),
        rejected=json.loads(str(rejected)),
        seconds=float(str(seconds)),
        models=json.loads(str(models)),
        applied_at=str(applied_at),
    )
