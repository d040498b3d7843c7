"""The comparison of source and target before a sync, and the proof after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

import msgspec
from django.db import DatabaseError

from fixturepipe.artifacts.accounts import read_accounts
from fixturepipe.artifacts.keptsnapshot import KeptSnapshot, kept_path, remove_kept
from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.catalog import Catalog
from fixturepipe.databases.endpoints import TARGET, Endpoints, connection_to
from fixturepipe.dump.current import CurrentSource
from fixturepipe.events import Listener, Notice
from fixturepipe.sync.differences import DifferingRows
from fixturepipe.sync.lastsnapshot import (
    NotUsableError,
    last_state,
    put_in_place,
    rows_changed_since,
    usable_snapshot,
)
from fixturepipe.sync.options import SyncOptions
from fixturepipe.verify.comparison import ModelComparison
from fixturepipe.verify.options import VerifyOptions
from fixturepipe.verify.stage import VerifyResult, compare_changed, verify


class Proof:
    """Compares the two endpoints of one sync.

    `is_whole` says that neither the run nor a sync has left out objects. `seconds` is how long it
    takes to compare everything, as far as is known.
    """

    def __init__(
        self,
        directory: RunDirectory,
        manifest: Manifest,
        current: CurrentSource,
        options: SyncOptions,
        listener: Listener,
        *,
        is_whole: bool,
    ) -> None:
        self._directory = directory
        self._manifest = msgspec.structs.replace(manifest, sequences=current.sequences)
        self._current = current
        self._options = options
        self._listener = listener
        self._is_whole = is_whole
        # The rows of the target by label, and the models that were equal before the sync.
        self._rows: dict[str, int] = {}
        self._equal: tuple[ModelComparison, ...] = ()
        self.seconds = 0.0

    def compare(self, found: DifferingRows) -> VerifyResult | None:
        """Compare everything that the run moved; None if only that is compared which has changed
        since the kept snapshot.
        """
        if kept_path(self._directory).exists():
            try:
                self._compare_with_kept(found)
            except (NotUsableError, ValueError, DatabaseError) as error:
                is_of_sqlite = isinstance(error.__cause__, sqlite3.Error)
                if isinstance(error, DatabaseError) and not is_of_sqlite:
                    raise
                text = f"The kept snapshot is not used: {error}. All rows are compared."
                self._listener(Notice("info", text))
                found.clear()
            else:
                return None
        result = self._verify(self._current.endpoints, self._manifest, found)
        self._equal = tuple(each for each in result.models if each.ok)
        return result

    def verify(self, endpoints: Endpoints, labels: Collection[str], *, alone: bool) -> VerifyResult:
        """Compare these models again, and with them, unless `alone`, all that is not known to be
        equal since `compare`.

        A load writes to no other tables: it deletes with foreign keys off. Only triggers do.
        """
        manifest = self._manifest
        if alone and not labels:
            return VerifyResult((), (), 0.0)
        if alone:
            dumps = [
                msgspec.structs.replace(
                    dump, models={k: n for k, n in dump.models.items() if k in labels}
                )
                for dump in manifest.dumps
            ]
            manifest = msgspec.structs.replace(manifest, dumps=dumps, arrangement=None)
            return self._verify(endpoints, manifest)
        if Catalog(connection_to(TARGET)).triggers:
            return self._verify(endpoints, manifest)
        known = tuple(each for each in self._equal if each.model not in labels)
        return self._verify(endpoints, manifest, known=known)

    def keep_snapshot(self, *, is_equal: bool) -> None:
        """Keep the snapshot of the sync, if the target is equal to it; remove the one before."""
        if is_equal:
            kept = KeptSnapshot(
                state=last_state(self._directory, self._manifest),
                schema=str(self._current.source.fingerprint["schema"]),
                rows=self._rows,
                seconds=self.seconds,
            )
            put_in_place(self._directory, kept, self._listener)
            return
        had_one = kept_path(self._directory).exists()
        remove_kept(self._directory)
        if had_one:
            text = "The kept snapshot was removed, because the target differs from the source."
            hint = "The next `fixturepipe sync` compares all rows."
            self._listener(Notice("warning", f"{text} {hint}"))

    def _compare_with_kept(self, found: DifferingRows) -> None:
        """Raises NotUsableError, or ValueError or DatabaseError for a file that is damaged."""
        if self._manifest.transform is not None:
            raise NotUsableError("the transform may change any row")
        if self._options.existing != "refuse":
            raise NotUsableError(f"--existing {self._options.existing} needs every row")
        if not self._is_whole:
            raise NotUsableError("the run or a sync has left out rows")
        kept = usable_snapshot(self._directory, self._manifest, self._current)
        self._rows, self.seconds = dict(kept.rows), kept.seconds
        with rows_changed_since(self._directory, self._current) as changes:
            endpoints = self._current.endpoints
            compare_changed(endpoints, self._manifest, changes, found, self._listener)

    def _verify(
        self,
        endpoints: Endpoints,
        manifest: Manifest,
        found: DifferingRows | None = None,
        known: Collection[ModelComparison] = (),
    ) -> VerifyResult:
        accounts = read_accounts(self._directory, manifest)
        options = VerifyOptions(workers=self._options.workers if self._current.is_shared else 1)
        result = verify(endpoints, options, self._listener, manifest, accounts, found, known)
        self._rows |= {each.model: each.target for each in result.models}
        if manifest is self._manifest and not known:
            self.seconds = result.seconds
        return result
