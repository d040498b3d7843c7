"""The databases of a run, opened when a command first needs them.

A load into another target than the one before would leave half of the data in each. So the first
command that fills a target records it in the manifest, as far as it may be written; it is the
default from then on, and no other is accepted.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import django

from fixturepipe.artifacts.manifest import Manifest, open_run, read_manifest, write_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.config import Project
from fixturepipe.databases.embedded import EmbeddedServer
from fixturepipe.databases.endpoints import (
    EMBEDDED,
    SOURCE,
    TARGET,
    Endpoint,
    Endpoints,
    connection_to,
    default_target,
    resolve_endpoint,
)
from fixturepipe.databases.introspection import keys_in_target
from fixturepipe.databases.project import set_up_project
from fixturepipe.databases.reach import (
    database_described,
    require_migrated,
    require_reachable,
    require_server,
    wants_password,
)
from fixturepipe.databases.urls import hidden_parts, is_url, shown_url, with_password
from fixturepipe.errors import ConfigurationError, UsageError

# Is asked for a password with this text; None if there is no one to ask.
AskPassword = Callable[[str], str] | None


class RunEndpoints:
    """Opens source and target of a run, and uses the embedded server until it is closed.

    Each method raises ConfigurationError if the project or a database cannot be used.
    """

    def __init__(
        self,
        project: Project,
        directory: RunDirectory,
        server: EmbeddedServer,
        make_directory: Callable[[], None],
        ask_password: AskPassword = None,
    ) -> None:
        self._project = project
        self._directory = directory
        self._server = server
        self._make_directory = make_directory
        self._ask_password = ask_password
        self._target = ""
        self._ends: Endpoints | None = None
        self._uses_server = contextlib.ExitStack()

    def close(self) -> None:
        """Leave the embedded server, if it was used."""
        self._uses_server.close()

    def set_up(self) -> None:
        set_up_project(self._project.settings, self._project.pythonpath)

    def source(self, *, needed: bool = True) -> Endpoints:
        """The source alone."""
        if self._ends is not None:
            return self._ends
        self.set_up()
        given = self._project.source
        source = resolve_endpoint(given)
        endpoints = Endpoints(
            "default" if is_url(given) else given, source, timeout=self._project.timeout
        )
        endpoints.open()
        if needed:
            source = self._with_password(SOURCE, source)
            endpoints = replace(endpoints, source=source)
            endpoints.open()
            require_reachable(SOURCE, source)
        return endpoints

    def migrated_source(self) -> Endpoints:
        """The source alone, if it has the tables of the project's models."""
        endpoints = self.source()
        require_migrated(SOURCE, endpoints.source)
        return endpoints

    def both(self, *, source_needed: bool = True) -> Endpoints:
        """Source and target, open. Starts the embedded server if that is the target."""
        if self._ends is None:
            endpoints = self.source(needed=source_needed)
            target = self._target_endpoint()
            if endpoints.source.is_same_database(target):
                raise ConfigurationError(
                    f"Source and target are the same database: {target.name}",
                    hint="Name another one with --target.",
                )
            endpoints = replace(endpoints, target=target)
            endpoints.open()
            target = self._with_password(TARGET, target)
            self._ends = replace(endpoints, target=target)
            self._ends.open()
            require_reachable(TARGET, target)
        return self._ends

    def loadable(self, *, source_needed: bool = True) -> Endpoints:
        """Source and target, if the target is a server that rows can be loaded into."""
        endpoints = self.both(source_needed=source_needed)
        assert endpoints.target is not None
        require_server(TARGET, endpoints.target)
        return endpoints

    def keys_in_target(self, label: str, to: str, keys: Sequence[Any]) -> list[Any] | None:
        """As `introspection.keys_in_target`; opens the target at the first call."""
        self.both()
        return keys_in_target(label, to, keys)

    def key_reader(self, label: str, to: str) -> Callable[[Any], Any] | None:
        """As `keyvalues.key_reader`; sets the project up at the first call."""
        self.set_up()
        from fixturepipe.databases.keyvalues import key_reader

        return key_reader(label, to)

    def is_embedded(self) -> bool:
        return self.target_name() == EMBEDDED

    def target_name(self) -> str:
        """The run's target as it is given, recorded or the default, asked for once."""
        if not self._target:
            self.set_up()
            has_run = self._directory.manifest.exists()
            manifest = read_manifest(self._directory) if has_run else None
            self._target = choose_target(manifest, self._project.target, self._ask_password)
        return self._target

    def versions(self) -> dict[str, str]:
        """The programs that move the rows, and their versions."""
        from fixturepipe import __version__

        found = {
            "fixturepipe": __version__,
            "Python": platform.python_version(),
            "Django": django.get_version(),
        }
        if self._ends is not None:
            found["source"] = database_described(connection_to(SOURCE))
            found["target"] = database_described(connection_to(TARGET))
        return found

    def _with_password(self, alias: str, endpoint: Endpoint) -> Endpoint:
        """The endpoint with a password that is asked for, if its server wants one.

        It is in the settings of our connections alone, which workers inherit.
        """
        if self._ask_password is None or not wants_password(alias, endpoint):
            return endpoint
        password = self._ask_password(f"Password for {endpoint.name}: ")
        return replace(endpoint, settings={**endpoint.settings, "PASSWORD": password})

    def _target_endpoint(self) -> Endpoint:
        if not self.is_embedded():
            return resolve_endpoint(self.target_name())
        self._make_directory()
        self._uses_server.callback(self._server.leave)
        self._server.start()
        return self._server.endpoint()


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
