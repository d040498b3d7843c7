"""The ledger: two tables in the target that say what this and other runs have put there.

    fixturepipe_run      one row a run: in which state it found the database
    fixturepipe_ledger   one row a chunk that is in

A row of the ledger always means that the chunk's rows are in the target: it is written in the
transaction that writes them. It is the transaction's *first* statement, so that a second
process which loads the same chunk waits for that row, and then finds the chunk loaded.

The tables belong to fixturepipe alone. As Django's MigrationRecorder does, it makes them itself
from models that no migration knows, so that a project's own migration history stays as it was.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.apps.registry import Apps
from django.db import Error as DatabaseError
from django.db import IntegrityError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.databases.endpoints import TARGET, Endpoints
from fixturepipe.databases.fields import Model
from fixturepipe.databases.packets import Rows, outcomes, results
from fixturepipe.databases.queries import executed
from fixturepipe.errors import ConfigurationError

RUNS = "fixturepipe_run"
CHUNKS = "fixturepipe_ledger"
_NO_SUCH_TABLE = 1146


@functools.cache
def _tables() -> tuple[Model, Model]:
    """The models of the two tables, made once Django has its settings."""
    registry = Apps()

    class Run(models.Model):
        run = models.CharField(max_length=32, primary_key=True)
        was_empty = models.BooleanField()
        migrated = models.BooleanField()
        written = models.JSONField(default=list)
        keeps_ids = models.BooleanField(null=True)
        finished = models.BooleanField(default=False)

        class Meta:
            apps = registry
            app_label = "fixturepipe"
            db_table = RUNS

    class LoadedChunk(models.Model):
        id = models.BigAutoField(primary_key=True)
        run = models.CharField(max_length=32)
        number = models.IntegerField()
        sha256 = models.CharField(max_length=64)
        loaded = models.JSONField(default=dict)
        rejected = models.JSONField(default=dict)
        seconds = models.FloatField(default=0.0)
        applied_at = models.DateTimeField(auto_now_add=True)

        class Meta:
            apps = registry
            app_label = "fixturepipe"
            db_table = CHUNKS
            constraints = (
                models.UniqueConstraint(fields=("run", "number"), name="fixturepipe_run_number"),
            )

    return Run, LoadedChunk


@dataclass(frozen=True)
class Entry:
    """A chunk that is in. `models` counts its loaded objects by label, `rejected` the others."""

    number: int
    sha256: str
    models: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def objects(self) -> int:
        """The number of its loaded objects."""
        return sum(self.models.values())


@dataclass(frozen=True)
class RunState:
    """What a run found. `was_empty`: the database had no table when the run came.

    `written`: the tables that the run's own `migrate` wrote rows into. `migrated`: that `migrate`
    is complete, and the rows that it wrote are cleared. `keeps_ids`: content types and permissions
    get the ids of the source, because their tables were empty; None before the first chunk.
    `finished`: the run's last chunk was in once.
    """

    was_empty: bool
    migrated: bool
    written: frozenset[str]
    keeps_ids: bool | None
    finished: bool


@dataclass(frozen=True)
class Contents:
    """What the ledger holds for a run: its `state`, None before it came, and its chunks, by number.

    `unfinished_others` are runs that put chunks into this database and did not get to their end.
    """

    state: RunState | None = None
    entries: Mapping[int, Entry] = field(default_factory=dict)
    unfinished_others: tuple[str, ...] = ()


class Ledger:
    """The ledger as one run sees it. Reading never makes the tables; `register_run` does."""

    def __init__(self, connection: BaseDatabaseWrapper, run: str) -> None:
        self._connection = connection
        runs, chunks = _tables()
        self._runs: models.QuerySet[Any] = runs._base_manager.using(connection.alias)
        self._chunks: models.QuerySet[Any] = chunks._base_manager.using(connection.alias)
        self.run = run
        own = f"run = {_quoted(run)}"
        self._questions = {
            "state": "SELECT was_empty, migrated, written, keeps_ids, finished"
            f" FROM {RUNS} WHERE {own}",
            "entries": "SELECT number, sha256, loaded, rejected, seconds"
            f" FROM {CHUNKS} WHERE {own} ORDER BY number",
            "others": f"SELECT run FROM {RUNS} WHERE finished = 0 AND NOT {own}"
            f" AND run IN (SELECT run FROM {CHUNKS}) ORDER BY run",
        }

    # ---- reading

    def exists(self) -> bool:
        """Whether the target has ledger tables."""
        return {RUNS, CHUNKS} <= set(self._connection.introspection.table_names())

    @property
    def questions(self) -> tuple[str, ...]:
        """Statements for `packets.outcomes`, whose outcomes `contents` reads."""
        return tuple(self._questions.values())

    @staticmethod
    def contents(outcomes: Sequence[Rows | DatabaseError]) -> Contents:
        """What the outcomes of `questions` say; nothing where there is no ledger."""
        states, entries, others = map(_if_there, outcomes)
        state = _state(states[0]) if states else None
        return Contents(state, _entries(entries), tuple(run for (run,) in others))

    def applied(self) -> dict[int, Entry]:
        """The chunks of this run that are in, by number; none where there is no ledger."""
        return _entries(self._answer("entries"))

    def numbers(self) -> set[int]:
        """The numbers of this run's chunks that are in. The tables have to be there."""
        return set(self._chunks.filter(run=self.run).values_list("number", flat=True))

    def state(self) -> RunState | None:
        """What this run found when it came, or None before it came."""
        rows = self._answer("state")
        return _state(rows[0]) if rows else None

    def _answer(self, question: str) -> Rows:
        (outcome,) = outcomes(self._connection, [self._questions[question]])
        return _if_there(outcome)

    # ---- writing

    def register_run(
        self, *, was_empty: bool, migrated: bool, tables: Container[str] = (RUNS, CHUNKS)
    ) -> RunState:
        """Write in which state this run found the database; what was written first stays.

        Those of the ledger's own tables that are not among `tables` are made.
        """
        run = (
            f"INSERT INTO {RUNS} (run, was_empty, migrated, written, finished)"
            f" VALUES ({_quoted(self.run)}, {was_empty:d}, {migrated:d}, '[]', 0)"
        )
        try:
            results(self._connection, [*self._creation(tables), run])
        except IntegrityError:
            state = self.state()
            assert state is not None
            return state
        return RunState(was_empty, migrated, frozenset(), None, finished=False)

    def _creation(self, tables: Container[str]) -> list[str]:
        lacking = [model for model in _tables() if model._meta.db_table not in tables]
        if not lacking:
            return []
        with self._connection.schema_editor(collect_sql=True) as editor:
            for model in lacking:
                editor.create_model(model)
        return [each.rstrip(";") for each in editor.collected_sql]

    @contextmanager
    def recording_writes(self) -> Iterator[Callable[[str], None]]:
        """Gives a function that records a table which `migrate` is about to write.

        It commits at once, on a connection of its own, so that a transaction that is open
        elsewhere cannot take the record back. What an earlier attempt recorded is dropped.
        """
        self._runs.filter(run=self.run).update(written=[])
        connection = self._connection.copy()
        tables: list[str] = []

        def record(table: str) -> None:
            if table not in tables:
                tables.append(table)
                written = f"UPDATE {RUNS} SET written = %s WHERE run = %s"
                executed(connection, written, [json.dumps(tables), self.run])

        try:
            yield record
        finally:
            connection.close()

    def mark_migrated(self) -> None:
        """The run's own `migrate` is complete; part of the transaction that clears its rows."""
        self._runs.filter(run=self.run).update(migrated=True)

    def mark_keeps_ids(self, unless_rows_in: Iterable[str] | None) -> bool:
        """Content types and permissions get the ids of the source, unless one of these tables has
        rows; they do not with None. Gives whether they do.
        """
        quote = self._connection.ops.quote_name
        condition = "0"
        if unless_rows_in is not None:
            empty = [f"NOT EXISTS (SELECT 1 FROM {quote(table)})" for table in unless_rows_in]
            condition = " AND ".join(["1", *empty])
        own = f"WHERE run = {_quoted(self.run)}"
        _, ((keeps_ids,),) = results(
            self._connection,
            [
                f"UPDATE {RUNS} SET keeps_ids = {condition} {own}",
                f"SELECT keeps_ids FROM {RUNS} {own}",
            ],
        )
        return bool(keeps_ids)

    def mark_finished(self) -> None:
        """Every chunk of the run is in."""
        self._runs.filter(run=self.run).update(finished=True)

    def begin(
        self,
        number: int,
        sha256: str,
        execute: Callable[[str], object] | None = None,
        *,
        reload: bool = False,
    ) -> bool:
        """Claim a chunk within its transaction; False if another process has loaded it.

        Waits while another transaction has claimed it and has not ended. `execute` runs SQL text;
        `reload` gives the claim of an earlier load up, in the same text.
        """
        now = datetime.now(UTC)
        claim = (
            f"INSERT INTO {CHUNKS} (run, number, sha256, loaded, rejected, seconds, applied_at)"
            f" VALUES ({_quoted(self.run)}, {number:d}, {_quoted(sha256)}, '{{}}', '{{}}', 0,"
            f" '{now:%Y-%m-%d %H:%M:%S.%f}')"
        )
        if reload:
            claim = f"DELETE FROM {CHUNKS} WHERE {self._is_chunk(number)};{claim}"
        try:
            (execute or self._execute)(claim)
        except IntegrityError:
            return False
        return True

    def complete(self, entry: Entry, execute: Callable[[str], object] | None = None) -> None:
        """Fill in what became of a claimed chunk, within its transaction."""
        (execute or self._execute)(
            f"UPDATE {CHUNKS} SET sha256 = {_quoted(entry.sha256)},"
            f" loaded = {_quoted(json.dumps(entry.models))},"
            f" rejected = {_quoted(json.dumps(entry.rejected))}, seconds = {entry.seconds!r}"
            f" WHERE {self._is_chunk(entry.number)}"
        )

    def _is_chunk(self, number: int) -> str:
        return f"run = {_quoted(self.run)} AND number = {number:d}"

    def _execute(self, statement: str) -> None:
        executed(self._connection, statement)

    def remove(self) -> None:
        """Take the run's rows away, and the tables with the last run."""
        if not self.exists():
            return
        self._chunks.filter(run=self.run).delete()
        self._runs.filter(run=self.run).delete()
        if not self._runs.exists():
            with self._connection.schema_editor() as editor:
                for model in _tables():
                    editor.delete_model(model)


def _if_there(outcome: Rows | DatabaseError) -> Rows:
    """The rows; none if the table is not there. Raises any other error."""
    if not isinstance(outcome, DatabaseError):
        return outcome
    if outcome.args[:1] == (_NO_SUCH_TABLE,):
        return []
    raise outcome


def _state(row: tuple[Any, ...]) -> RunState:
    was_empty, migrated, written, keeps_ids, finished = row
    keeps = None if keeps_ids is None else bool(keeps_ids)
    tables = frozenset(json.loads(written))
    return RunState(bool(was_empty), bool(migrated), tables, keeps, bool(finished))


def _entries(rows: Rows) -> dict[int, Entry]:
    return {
        number: Entry(number, sha256, json.loads(loaded), json.loads(rejected), seconds)
        for number, sha256, loaded, rejected, seconds in rows
    }


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def remove_ledger(endpoints: Endpoints, run: str) -> None:
    """Take a run's ledger out of the target."""
    endpoints.open()
    Ledger(connections[TARGET], run).remove()


def refuse_other_runs(contents: Contents, target: str) -> None:
    """Raise ConfigurationError if an unfinished run of another directory is in the target."""
    if others := contents.unfinished_others:
        raise ConfigurationError(
            f"{target} has chunks of a run that is not finished: {', '.join(others)}",
            hint="Finish that run, or remove it with `fixturepipe clean` in its run directory.",
        )
