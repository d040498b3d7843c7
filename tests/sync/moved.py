"""A site that was moved once: its source, its target and the run directory between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connections

from fixturepipe import (
    ArrangeOptions,
    CheckOptions,
    DumpOptions,
    Event,
    LoadOptions,
    Pipeline,
    Project,
    SyncOptions,
    SyncResult,
    VerifyOptions,
)
from fixturepipe.artifacts.keptsnapshot import remove_kept
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.config import filled
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints
from tests.shop import ROOT
from tests.sync.editing import EDITED, MANY, Editor


@dataclass(frozen=True)
class Moved:
    """Source and target are equal but for what a test does to them."""

    endpoints: Endpoints
    workdir: Path

    @property
    def source(self) -> Path:
        """The source's file."""
        return Path(str(self.endpoints.source.settings["NAME"]))

    @property
    def url(self) -> str:
        """The target as --target takes it."""
        assert self.endpoints.target is not None
        return self.endpoints.target.name

    def run(self, **options: Any) -> None:
        """Move everything once, but for what the options reject."""
        kinds = (CheckOptions, DumpOptions, ArrangeOptions, LoadOptions, VerifyOptions)
        with self._pipeline() as pipeline:
            result = pipeline.run(*filled(kinds, options))
            assert result.verify is not None, result.check.findings
            assert result.verify.ok

    def dump(self) -> None:
        """Dump once more."""
        with self._pipeline() as pipeline:
            pipeline.dump()

    def sync(self, events: list[Event] | None = None, **options: Any) -> SyncResult:
        """Sync in this process."""
        with self._pipeline(events) as pipeline:
            return pipeline.sync(SyncOptions(workers=1, **options))

    def forget_snapshot(self) -> None:
        """Let the next sync compare all rows."""
        remove_kept(RunDirectory(self.workdir))

    def start(self) -> subprocess.Popen[bytes]:
        """Sync in a process of its own, to be killed."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "FIXTUREPIPE_SETTINGS": "tests.settings",
            "FIXTUREPIPE_SOURCE": f"sqlite:///{self.source}",
            "FIXTUREPIPE_TARGET": self.url,
            "FIXTUREPIPE_WORKDIR": str(self.workdir),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "fixturepipe", "sync", "--no-progress"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @contextmanager
    def editor(self, seed: int = 0) -> Iterator[Editor]:
        """An editor of the source."""
        with self.endpoints.bound_to_source() as alias:
            yield Editor(seed)
            connections[alias].close()

    def in_target(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in the target, past fixturepipe."""
        return self._execute(TARGET, statement)

    def in_source(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement in the source, past fixturepipe."""
        return self._execute(SOURCE, statement)

    def differences(self) -> list[str]:
        """The labels of models whose rows are not equal, as Django reads them at both ends."""
        self.endpoints.open()
        found = [
            model._meta.label_lower
            for model in apps.get_models(include_auto_created=True)
            if model._meta.label_lower in _EDITED and _read(model, SOURCE) != _read(model, TARGET)
        ]
        # The target may hold more of these: `migrate` makes them in each database.
        if not _permissions(SOURCE) <= _permissions(TARGET):
            found.append("auth.permission")
        connections.close_all()
        return found

    def _execute(self, alias: str, statement: str) -> list[tuple[Any, ...]]:
        self.endpoints.open()
        connection = connections[alias]
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            cursor.execute(statement)
            found = list(cursor.fetchall())
        connections[alias].close()
        return found

    def _pipeline(self, events: list[Event] | None = None) -> Pipeline:
        source = f"sqlite:///{self.source}"
        project = Project("tests.settings", None, source, self.url, self.workdir)
        return Pipeline(project, (events if events is not None else []).append)


_EDITED = {
    *(model._meta.label_lower for model in EDITED),
    *(owner._meta.get_field(name).remote_field.through._meta.label_lower for owner, name in MANY),
}
# Each database numbers these itself: what says which row a reference means.
_NUMBERED: dict[str, Callable[[str], list[str]]] = {
    "contenttypes.contenttype": lambda name: [
        f"{name.removesuffix('_id')}__{part}" for part in ("app_label", "model")
    ],
    "auth.permission": lambda name: [
        f"{name.removesuffix('_id')}__{part}"
        for part in ("codename", "content_type__app_label", "content_type__model")
    ],
}


def _read(model: Any, alias: str) -> Any:
    """The rows of a model; content types and permissions that they refer to by natural key."""
    rows = model._base_manager.using(alias)
    names = [
        path
        for field in model._meta.local_concrete_fields
        for path in _NUMBERED.get(_remote(field), lambda name: [name])(field.attname)
    ]
    return sorted(rows.values_list(*names), key=repr)


def _remote(field: Any) -> str:
    return "" if field.remote_field is None else str(field.remote_field.model._meta.label_lower)


def _permissions(alias: str) -> set[tuple[str, ...]]:
    rows = Permission.objects.using(alias).select_related("content_type")
    return {each.natural_key() for each in rows}


def end(process: subprocess.Popen[bytes]) -> None:
    """kill -9 for it and its children."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
