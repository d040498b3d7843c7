"""How far a load has come: the ledger's entries, and the reports of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from django.db import Error as DatabaseError

from fixturepipe.artifacts.loadstatus import LoadStatusWriter
from fixturepipe.artifacts.manifest import Chunk
from fixturepipe.artifacts.times import add_chunk_time, forget_chunk_times
from fixturepipe.databases.ledger import Entry
from fixturepipe.errors import FixturepipeError
from fixturepipe.events import StageAdvanced
from fixturepipe.load.chunkloader import Outcome
from fixturepipe.load.server.servererrors import is_transient
from fixturepipe.load.task import LoadTask
from fixturepipe.wording import counted


class LoadProgress:
    """The chunks that are in (`entries`, by number), reported to the listener and in load.json.

    In a dry run nothing is written.
    """

    def __init__(self, task: LoadTask) -> None:
        self._task = task
        self._status = LoadStatusWriter(
            task.directory, task.manifest.run, task.target.name, task.warn
        )
        self.entries: dict[int, Entry] = dict(task.target.sight.ledger.entries)
        if not self.entries and not task.options.dry_run:
            forget_chunk_times(task.directory)

    @property
    def models(self) -> dict[str, int]:
        """The objects of all chunks that are in, by label."""
        return _summed(entry.models for entry in self.entries.values())

    @property
    def rejected(self) -> dict[str, int]:
        """The objects that the chunks which are in leave out, by label."""
        return _summed(entry.rejected for entry in self.entries.values())

    def loaded(self, chunk: Chunk, outcome: Outcome) -> None:
        """A chunk is in."""
        if outcome.present:
            self.read_ledger()
            return
        self.entries[chunk.number] = outcome.entry
        if outcome.time is not None and not self._task.options.dry_run:
            add_chunk_time(self._task.directory, outcome.time)
        if outcome.edited:
            self._task.inform(f"{chunk.file} was edited, and is loaded as it is now")
        if rejected := sum(outcome.entry.rejected.values()):
            self._task.warn(f"{chunk.file}: {counted(rejected, 'object')} rejected; see rejects/")
        self._task.listener(StageAdvanced("load", chunk.objects, chunk.file))
        # To sum up all that is in takes longer with every chunk.
        if self._status.is_due:
            self._write()

    def failed(self, chunk: Chunk, error: FixturepipeError) -> None:
        """A chunk stops the load."""
        self._write(failed=(chunk.number, error))

    def finished(self) -> None:
        """Every chunk is in, foreign keys are checked and sequences are raised."""
        self._write(finished=True)

    def read_ledger(self) -> None:
        """Take the entries from the ledger again, over a new connection if the last one ended."""
        connection, ledger = self._task.target.connection, self._task.target.ledger
        for pause in self._task.options.pauses:
            try:
                self.entries = ledger.applied()
                return
            except DatabaseError as error:
                if connection.in_atomic_block or not is_transient(error):
                    raise
                connection.close()
                time.sleep(pause)
        self.entries = ledger.applied()

    def _write(
        self, failed: tuple[int, FixturepipeError] | None = None, *, finished: bool = False
    ) -> None:
        if not self._task.options.dry_run:
            self._status.write(
                loaded=self.entries,
                models=self.models,
                rejected=self.rejected,
                failed=failed,
                finished=finished,
            )


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)
