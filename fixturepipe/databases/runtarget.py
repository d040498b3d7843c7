"""The target of a run: the one that is given, or the one that the run directory records.

A load into another target than the one before would leave half of the data in each. So the first
command that fills a target records it in the manifest, as far as it may be written; it is the
default from then on, and no other is accepted.
"""

from __future__ import annotations

from collections.abc import Callable

from fixturepipe.artifacts.manifest import Manifest, open_run, write_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import EMBEDDED, default_target, resolve_endpoint
from fixturepipe.databases.urls import hidden_parts, shown_url, with_password
from fixturepipe.errors import ConfigurationError, UsageError

# Is asked for a password with this text; None if there is no one to ask.
AskPassword = Callable[[str], str] | None


def choose_target(manifest: Manifest | None, given: str | None, ask: AskPassword) -> str:
    """The run's target, as an alias, a URL or EMBEDDED.

    Raises UsageError for another target than the recorded one, and ConfigurationError if the
    recorded one is a URL of which a part may not be written, and nobody gives it again.
    """
    if manifest is None or not manifest.target:
        return given or default_target()
    if given is None:
        return _recorded(manifest, ask)
    if not _are_same(given, manifest.target):
        raise UsageError(
            f"The target of this run is {manifest.target}, not {shown_url(given)}",
            hint="Leave out --target, or start another run with --workdir.",
        )
    return given


def record_target(directory: RunDirectory, target: str) -> None:
    """Write the target into the manifest, without its password and options."""
    manifest = open_run(directory)
    if not manifest.target:
        manifest.target, manifest.target_needs = shown_url(target), hidden_parts(target)
        write_manifest(directory, manifest)


def _recorded(manifest: Manifest, ask: AskPassword) -> str:
    target, needs = manifest.target, manifest.target_needs
    if not needs:
        return target
    if needs == ["password"] and ask is not None:
        return with_password(target, ask(f"Password for {target}: "))
    raise ConfigurationError(
        f"The target of this run, {target}, needs its {' and '.join(needs)}, which is not stored",
        hint="Put the whole URL into the environment variable FIXTUREPIPE_TARGET.",
    )


def _are_same(given: str, recorded: str) -> bool:
    if shown_url(given) == recorded:
        return True
    if EMBEDDED in (given, recorded):
        return False
    try:
        return resolve_endpoint(given).is_same_database(resolve_endpoint(recorded))
    except ConfigurationError:
        return False
