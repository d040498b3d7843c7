"""What an earlier run in the same directory allows, and what it asks of the next command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fixturepipe.arrange.options import ArrangeOptions
from fixturepipe.artifacts.loadstatus import read_load_status
from fixturepipe.artifacts.manifest import Arrangement, Manifest, read_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.syncs import latest_source
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints, connection_to
from fixturepipe.databases.ledger import Ledger
from fixturepipe.databases.reach import require_reachable
from fixturepipe.dump.fingerprint import what_moved
from fixturepipe.dump.options import DumpOptions
from fixturepipe.errors import ConfigurationError, SourceDataError, UsageError
from fixturepipe.events import Listener, Notice


def finished_run(directory: RunDirectory, *, in_target: bool = False) -> Manifest | None:
    """The run of this directory, if its load was finished, as the files say or the target.

    Its chunks are the only record of which rows of the target are the run's own, so `sync`
    needs them.
    """
    if not directory.manifest.exists():
        return None
    manifest = read_manifest(directory)
    if in_target:
        state = Ledger(connection_to(TARGET), manifest.run).state()
        return manifest if state is not None and state.finished else None
    status = read_load_status(directory, manifest.run)
    return manifest if status is not None and status.finished else None


def refuse_to_dump_over(
    manifest: Manifest | None, directory: RunDirectory, endpoints: Endpoints, options: DumpOptions
) -> None:
    """Raise UsageError if other dumps would replace those of a finished run."""
    if manifest is None or manifest.source is None:
        return
    moved = what_moved(manifest.source.fingerprint, directory, endpoints)
    if moved:
        raise _replacing(f"the source has changed since its dump: {'; '.join(moved)}")
    fix = [(each.target, each.fix, each.value) for each in options.fix]
    asked = (options.natural_keys, options.transform, fix)
    if asked != (manifest.natural_keys, manifest.transform, manifest.fix):
        raise _replacing("its dumps were made with other options")


def refuse_to_arrange_over(
    manifest: Manifest | None, files: Sequence[Path], options: ArrangeOptions
) -> None:
    """Raise UsageError if other chunks would replace those of a finished run."""
    if manifest is None or manifest.arrangement is None:
        return
    if files or options != arrange_options_of(manifest.arrangement):
        raise _replacing("its chunks were made from other files or with other options")


def arrange_again(manifest: Manifest) -> ArrangeOptions | None:
    """How to arrange before a load: as before, if the dumps are newer than the chunks.

    None if the chunks are those of the dumps, or of external fixtures.
    """
    arrangement = manifest.arrangement
    dumps = {dump.file: dump.sha256 for dump in manifest.dumps}
    if arrangement is not None and (
        arrangement.inputs == dumps or not set(arrangement.inputs) <= set(dumps)
    ):
        return None
    return ArrangeOptions() if arrangement is None else arrange_options_of(arrangement)


def warn_of_changes(
    directory: RunDirectory,
    manifest: Manifest,
    endpoints: Endpoints,
    listener: Listener,
    *,
    reached: bool,
) -> None:
    """Warn if the source has changed since it was dumped.

    `reached` says that it has answered already.
    """
    source = latest_source(directory, manifest)
    if source is None:
        return
    try:
        if not reached:
            require_reachable(SOURCE, endpoints.source)
        moved = what_moved(source.fingerprint, directory, endpoints)
    except (ConfigurationError, SourceDataError) as error:
        text = f"Could not tell whether the source has changed since its dump: {error}"
        listener(Notice("info", text))
        return
    if moved:
        status = read_load_status(directory, manifest.run)
        command = "sync" if status is not None and status.finished else "dump"
        text = f"The source has changed since its dump ({'; '.join(moved)})."
        listener(Notice("warning", f"{text} `fixturepipe {command}` moves these changes too."))


def arrange_options_of(arrangement: Arrangement) -> ArrangeOptions:
    """The options that the chunks were made with."""
    return ArrangeOptions(
        chunk_objects=arrangement.chunk_objects,
        chunk_bytes=arrangement.chunk_bytes,
        on_orphan=arrangement.on_orphan,
        ignorenonexistent=arrangement.ignorenonexistent,
    )


def _replacing(reason: str) -> UsageError:
    return UsageError(
        f"This run is finished, and {reason}",
        hint="`fixturepipe sync` moves what has changed in the source. To move everything again,"
        " name a new --workdir and an empty target.",
    )
