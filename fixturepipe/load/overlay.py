"""A sync's chunks over what a run has loaded: all of them in one transaction, or nothing.

The transaction holds the deletions, every chunk with its ledger row, and the check of the
references to what was deleted. So nobody sees half a sync, rows can trade unique values in
any order, and a sync that is killed has changed nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import zip_longest

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from fixturepipe.artifacts.manifest import Chunk, Manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoints, connection_to
from fixturepipe.databases.ledger import Ledger
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
    # A chunk cannot be tried again alone: the server has rolled back those before it.
    asked = LoadOptions(existing="update", pauses=())
    options = ChunkOptions(asked, keeps_ids, is_kept=is_kept)
    chunks = manifest.arrangement.chunks if manifest.arrangement else ()
    objects = manifest.arrangement.objects if manifest.arrangement else 0
    with endpoints.bound_to_target() as alias:
        connection = connection_to(alias)

        def load() -> None:
            with transaction.atomic(using=alias):
                with connection.constraint_checks_disabled():
                    delete(connection)
                loader = ChunkLoader(alias, directory, manifest, options, lambda _: None)
                _load_chunks(loader, chunks, listener)
                check(connection)
                ledger = Ledger(connection, manifest.run)
                ledger.register_run(was_empty=False, migrated=True)
                ledger.mark_finished()

        with loader_lock(connection):
            started = time.monotonic()
            listener(StageStarted("load", objects))
            _persistently(load, connection, listener)
            listener(StageFinished("load", objects, time.monotonic() - started))


def _load_chunks(loader: ChunkLoader, chunks: Sequence[Chunk], listener: Listener) -> None:
    for chunk, then in zip_longest(chunks, chunks[1:]):
        loader.load(chunk, then)
        listener(StageAdvanced("load", chunk.objects, chunk.file))


def _persistently(
    load: Callable[[], None], connection: BaseDatabaseWrapper, listener: Listener
) -> None:
    for pause in (*PAUSES, None):
        try:
            load()
        except (DatabaseError, LoadError) as error:
            if pause is None or not is_transient(error):
                raise _refusal(error) from error
            connection.close()
            listener(Notice("warning", f"{_message(error)}; trying again in {pause} s"))
            time.sleep(pause)
        else:
            return


def _refusal(error: DatabaseError | LoadError) -> LoadError:
    if is_transient(error):
        hint = f"{_AGAIN} When the server is back, repeat `fixturepipe sync`."
        return TransientLoadError(_message(error), hint=hint)
    advice = "" if isinstance(error, LoadError) else hint_for(error)
    hint = f"{_AGAIN} {advice} Correct the source, then repeat `fixturepipe sync`."
    problems = error.problems if isinstance(error, LoadError) else ()
    return LoadError(_message(error), hint=" ".join(hint.split()), problems=problems)


def _message(error: DatabaseError | LoadError) -> str:
    return error.message if isinstance(error, LoadError) else server_message(error)
