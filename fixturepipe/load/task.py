"""What one load works on: the steps of the stage are given this, and what came of earlier steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from fixturepipe.artifacts.manifest import Chunk, Manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoints
from fixturepipe.events import Listener, Notice
from fixturepipe.load.options import LoadOptions
from fixturepipe.load.server.target import LoadTarget


@dataclass(frozen=True)
class LoadTask:
    """A run and the target that it is loaded into, which is bound to `alias` meanwhile."""

    directory: RunDirectory
    endpoints: Endpoints
    alias: str
    manifest: Manifest
    options: LoadOptions
    listener: Listener

    @cached_property
    def target(self) -> LoadTarget:
        """The target, seen once."""
        return LoadTarget(self.alias, self.endpoints, self.manifest.run)

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """The chunks of the run; none before they are arranged."""
        arrangement = self.manifest.arrangement
        return arrangement.chunks if arrangement is not None else ()

    def inform(self, text: str) -> None:
        """Tell the listener what is being done."""
        self.listener(Notice("info", text))

    def warn(self, text: str) -> None:
        """Tell the listener of something that the user should look at."""
        self.listener(Notice("warning", text))
