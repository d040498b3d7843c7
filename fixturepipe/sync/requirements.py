"""What has to be true before a sync: the run is finished, and nobody has migrated since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixturepipe.artifacts.manifest import Chunk, Manifest
from fixturepipe.artifacts.records import file_sha256
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import TARGET, connection_to
from fixturepipe.databases.ledger import Entry, Ledger
from fixturepipe.databases.migrations import MigrationKey, applied_migrations, difference
from fixturepipe.errors import ConfigurationError, RunDirectoryError


def require_finished(directory: RunDirectory, manifest: Manifest, target: str) -> None:
    """The target holds the finished run of this directory, which still holds what was loaded."""
    ledger = Ledger(connection_to(TARGET), manifest.run)
    state = ledger.state()
    if state is None or not state.finished:
        raise ConfigurationError(
            f"{target} holds no finished run of {directory.path}",
            hint="`fixturepipe run` moves everything once; then `fixturepipe sync` moves what has"
            " changed since.",
        )
    if manifest.source is None:
        raise RunDirectoryError(
            f"{directory.path} holds fixtures that fixturepipe did not dump",
            hint="A sync needs the dumps of a source: `fixturepipe run`.",
        )
    chunks = manifest.arrangement.chunks if manifest.arrangement else ()
    entries = ledger.applied()
    if len(chunks) == len(entries) and all(_is_loaded(directory, c, entries) for c in chunks):
        return
    raise RunDirectoryError(
        f"{directory.path} no longer holds what was loaded into the target: the source was dumped"
        " or arranged again since",
        hint="Without its chunks, a sync cannot tell which rows of the target the run wrote."
        " Restore 1-dump, 2-chunks and manifest.json from a backup, or move the site again:"
        " `fixturepipe run` with a new --workdir and an empty target.",
    )


def _is_loaded(directory: RunDirectory, chunk: Chunk, entries: Mapping[int, Entry]) -> bool:
    """Whether a chunk's file is what the ledger has of it."""
    entry, path = entries.get(chunk.number), directory.path / chunk.file
    if entry is None or not path.is_file():
        return False
    return entry.sha256 == chunk.sha256 or entry.sha256 == file_sha256(path)


def require_migrations(manifest: Manifest, migrations: Sequence[MigrationKey], target: str) -> None:
    """Source and target are at the migrations that the run was made at."""
    before = [(app, name) for app, name in manifest.migrations]
    if moved := difference(migrations, before):
        changes = moved.described("applied since", "unapplied since")
        raise ConfigurationError(
            f"The source was migrated after the run; {changes}",
            hint="A sync moves rows, not tables. Bring the source back to where it was (`manage.py"
            " migrate APP NAME`), or move the site again: `fixturepipe run` with a new --workdir"
            " and an empty target.",
        )
    if apart := difference(migrations, applied_migrations(connection_to(TARGET))):
        lacking = apart.described("not applied there", "applied there only")
        raise ConfigurationError(
            f"{target} does not have the migrations of the source; {lacking}",
            hint="Bring both to the same migrations, then repeat `fixturepipe sync`.",
        )
