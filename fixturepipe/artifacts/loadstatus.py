"""The load status: how far a load has come, for commands that ask no server.

`load.json` is written after each chunk. It is a copy: the ledger in the target says what is in,
and a status that is behind it (after a crash) or missing is written again by the next load.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec

from fixturepipe.artifacts.jsonfile import now, read_if_whole, write_json
from fixturepipe.artifacts.ranges import Range, ranges
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.errors import FixturepipeError

VERSION = 1
NAME = "load.json"
_SECONDS_BETWEEN = 0.5


class LoadStatus(msgspec.Struct, kw_only=True, frozen=True):
    """How far the load of a run has come.

    `loaded` are the chunks that are in, as inclusive ranges of numbers; `models` and `rejected`
    count objects by label. `failed` is the chunk that stopped the last load, `error` and `hint`
    its error and the hint. `finished` says that foreign keys and sequences are done as well.
    """

    version: int = VERSION
    run: str
    target: str
    updated: str
    loaded: tuple[Range, ...] = ()
    objects: int = 0
    models: dict[str, int] = {}
    rejected: dict[str, int] = {}
    failed: int | None = None
    error: str = ""
    hint: str = ""
    finished: bool = False


class LoadStatusWriter:
    """Writes the status of one load, and warns once where it cannot be written.

    Between two chunks that follow each other fast it is not due; a failure and the end are
    always written.
    """

    def __init__(
        self, directory: RunDirectory, run: str, target: str, warn: Callable[[str], None]
    ) -> None:
        self._directory = directory
        self._run = run
        self._target = target
        self._warn = warn
        self._warned = False
        self._written = -_SECONDS_BETWEEN

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written >= _SECONDS_BETWEEN

    def write(
        self,
        *,
        loaded: Iterable[int],
        models: dict[str, int],
        rejected: dict[str, int],
        failed: tuple[int, FixturepipeError] | None,
        finished: bool,
    ) -> None:
        """Write how far the load is; `failed` is the chunk that stops it, and why."""
        self._written = time.monotonic()
        load_status = LoadStatus(
            run=self._run,
            target=self._target,
            updated=now(),
            loaded=ranges(loaded),
            objects=sum(models.values()),
            models=models,
            rejected=rejected,
            failed=failed[0] if failed else None,
            error=failed[1].message if failed else "",
            hint=failed[1].hint if failed else "",
            finished=finished,
        )
        try:
            # Not forced to disk: after a power cut the ledger has it all.
            write_json(self._directory.path / NAME, load_status, sync=False)
        except OSError as error:
            if not self._warned:
                self._warn(f"{NAME} cannot be written ({error}). The ledger has the same record.")
            self._warned = True


def read_load_status(directory: RunDirectory, run: str) -> LoadStatus | None:
    """The load status of this run, or None where there is none that can be read."""
    found = read_if_whole(directory.path / NAME, LoadStatus)
    is_ours = found is not None and (found.run, found.version) == (run, VERSION)
    return found if is_ours else None
