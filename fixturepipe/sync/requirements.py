"""What has to be true before a sync: the run is finished, and nobody has migrated since."""

from __future__ import annotations

from collections.abc import Sequence

from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.artifacts.records import file_sha256
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import TARGET, connection_to
from fixturepipe.databases.ledger import Ledger
from fixturepipe.databases.migrations import MigrationKey, applied_migrations, difference
from fixturepipe.errors import ConfigurationError, RunDirectoryError
from fixturepipe.wording import listed

_NAMED = 10


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
    for chunk in chunks:
        entry = entries.pop(chunk.number, None)
        path = directory.path / chunk.file
        if entry is None or not path.is_file():
            break
        if entry.sha256 != chunk.sha256 and entry.sha256 != file_sha256(path):
            break
    else:
        if not entries:
            return
    raise RunDirectoryError(
        f"{directory.path} no longer holds what was loaded into the target: the source was dumped"
        " or arranged again since",
        hint="Without its chunks, a sync cannot tell which rows of the target the run wrote."
        " Restore 1-dump, 2-chunks and manifest.json from a backup, or move the site again:"
        " `fixturepipe run` with a new --workdir and an empty target.",
    )


def require_migrations(manifest: Manifest, migrations: Sequence[MigrationKey], target: str) -> None:
    """Source and target are at the migrations that the run was made at."""
    before = [(app, name) for app, name in manifest.migrations]
    moved = difference(migrations, before)
    if moved:
        added, gone = _listed(moved.source_only), _listed(moved.target_only)
        parts = [f"applied since: {added}"] if added else []
        parts += [f"unapplied since: {gone}"] if gone else []
        raise ConfigurationError(
            f"The source was migrated after the run; {'; '.join(parts)}",
            hint="A sync moves rows, not tables. Bring the source back to where it was (`manage.py"
            " migrate APP NAME`), or move the site again: `fixturepipe run` with a new --workdir"
            " and an empty target.",
        )
    apart = difference(migrations, applied_migrations(connection_to(TARGET)))
    if apart:
        ours, theirs = _listed(apart.source_only), _listed(apart.target_only)
        parts = [f"not applied there: {ours}"] if ours else []
        parts += [f"applied there only: {theirs}"] if theirs else []
        raise ConfigurationError(
            f"{target} does not have the migrations of the source; {'; '.join(parts)}",
            hint="Bring both to the same migrations, then repeat `fixturepipe sync`.",
        )


def _listed(migrations: Sequence[MigrationKey]) -> str:
    return listed([f"{app}.{name}" for app, name in migrations], _NAMED)
