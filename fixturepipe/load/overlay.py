"""A sync's chunks over what a run has loaded: all of them in one transaction, or nothing.

The transaction holds the deletions, every chunk with its ledger row, and the check of the
references to what was deleted. So nobody sees half a sync, rows can trade unique values in
any order, and a sync that is killed has changed nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import zip_longest

from django.db import Error as DatabaseError
from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoints, connection_to
from fixturepipe.databases.ledger import Ledger
from fixturepipe.databases.sequences import SequenceReset, reset_sequences
from fixturepipe.errors import LoadError, TransientLoadError
from fixturepipe.events import Listener, Notice, StageAdvanced, StageFinished, StageStarted
from fixturepipe.load.chunkloader import ChunkLoader, ChunkOptions
from fixturepipe.load.options import PAUSES, LoadOptions
from fixturepipe.load.server.lock import loader_lock
from fixturepipe.load.server.servererrors import hint_for, is_transient, server_message

Step = Callable[[BaseDatabaseWrapper], None]
IsKept = Callable[[str, str], bool]
_AGAIN = "The sync changed nothing in the target."


def load_overlay(
    directory: RunDirectory,
    endpoints: Endpoints,
    manifest: Manifest,
    delete: Step,
    check: Step,
    listener: Listener,
    *,
    keeps_ids: bool,
    is_kept: IsKept | None,
) -> None:
    """Call `delete`, load the chunks of `manifest` over what is there, call `check`, and commit.

    `delete` and `check` are called with the target's connection; foreign keys are off during
    `delete`, so `check` has to look for references to what it deleted. `keeps_ids` is as in
    `ChunkOptions`, `is_kept` as in `SaverOptions`. All is done again where the server was away.
    Raises LoadError if the target refuses a row, TransientLoadError if the server stays away.
    """
    with endpoints.bound_to_target() as alias:
        connection = connection_to(alias)

        def load() -> None:
            with transaction.atomic(using=alias):
                with connection.constraint_checks_disabled():
                    delete(connection)
                loader = _loader(alias, directory, manifest, is_kept, keeps_ids=keeps_ids)
                _load_chunks(loader, manifest, listener)
                check(connection)
                _mark_finished(connection, manifest.run)

        with loader_lock(connection):
            started = time.monotonic()
            objects = manifest.arrangement.objects if manifest.arrangement else 0
            listener(StageStarted("load", objects))
            _persistently(load, connection, listener)
            listener(StageFinished("load", objects, time.monotonic() - started))


def raise_sequences(
    endpoints: Endpoints, tables: list[type[models.Model]], highest: Mapping[str, int]
) -> list[SequenceReset]:
    """Raise the next keys above all that the source has allocated, by label."""
    with endpoints.bound_to_target() as alias:
        return reset_sequences(connection_to(alias), tables, highest)


def _loader(
    alias: str,
    directory: RunDirectory,
    manifest: Manifest,
    is_kept: IsKept | None,
    *,
    keeps_ids: bool,
) -> ChunkLoader:
    # A chunk cannot be tried again alone: the server has rolled back those before it.
    asked = LoadOptions(existing="update", pauses=())
    options = ChunkOptions(asked, keeps_ids, is_kept=is_kept)
    return ChunkLoader(alias, directory, manifest, options, lambda _: None)


def _load_chunks(loader: ChunkLoader, manifest: Manifest, listener: Listener) -> None:
    chunks = manifest.arrangement.chunks if manifest.arrangement else ()
    for chunk, then in zip_longest(chunks, chunks[1:]):
        loader.load(chunk, then)
        listener(StageAdvanced("load", chunk.objects, chunk.file))


def _mark_finished(connection: BaseDatabaseWrapper, run: str) -> None:
    ledger = Ledger(connection, run)
    ledger.register_run(was_empty=False, migrated=True)
    ledger.mark_finished()


def _persistently(
    load: Callable[[], None], connection: BaseDatabaseWrapper, listener: Listener
) -> None:
    for pause in (*PAUSES, None):
        try:
            load()
        except (DatabaseError, LoadError) as error:
            transient = isinstance(error, TransientLoadError) or is_transient(error)
            if not transient or pause is None:
                raise _refusal(error, transient=transient) from error
            connection.close()
            listener(Notice("warning", f"{_message(error)}; trying again in {pause} s"))
            time.sleep(pause)
        else:
            return


def _refusal(error: DatabaseError | LoadError, *, transient: bool) -> LoadError:
    if transient:
        hint = f"{_AGAIN} When the server is back, repeat `fixturepipe sync`."
        return TransientLoadError(_message(error), hint=hint)
    advice = "" if isinstance(error, LoadError) else hint_for(error)
    hint = f"{_AGAIN} {advice} Correct the source, then repeat `fixturepipe sync`."
    problems = error.problems if isinstance(error, LoadError) else ()
    return LoadError(_message(error), hint=" ".join(hint.split()), problems=problems)


def _message(error: DatabaseError | LoadError) -> str:
    return error.message if isinstance(error, LoadError) else server_message(error)
