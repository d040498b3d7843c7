"""What the tests of the dump share: dump a source, read its files, load them as Django does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import connections, models
from django.db.backends.signals import connection_created

from fixturepipe.artifacts.manifest import Manifest, read_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoint, Endpoints
from fixturepipe.dump.stage import DumpOptions, DumpResult, dump
from fixturepipe.events import Listener, ignore


class Dumped:
    """A run directory that dumps of one source go to."""

    def __init__(self, path: Path, source: Endpoint, listener: Listener = ignore) -> None:
        self.directory = RunDirectory(path)
        self.source = source
        self.listener = listener

    def __call__(self, *labels: str, **options: Any) -> DumpResult:
        chosen = DumpOptions(labels=labels, **options)
        return dump(self.directory, Endpoints("default", self.source), chosen, self.listener)

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.directory)

    def objects(self, label: str) -> list[dict[str, Any]]:
        """The dumped objects of a model."""
        path = self.directory.dumps / f"{label.partition('.')[0]}.json"
        return [each for each in json.loads(path.read_text()) if each["model"] == label]

    def fields(self, label: str) -> dict[Any, dict[str, Any]]:
        """The fields of a model's dumped objects, by primary key."""
        return {_hashable(each["pk"]): each["fields"] for each in self.objects(label)}

    def load(self, endpoints: Endpoints, *apps: str) -> None:
        """Load dumps into the target with Django's own loaddata, in one call."""
        files = [str(self.directory.dumps / f"{app}.json") for app in apps]
        with endpoints.bound_to_target():
            call_command("loaddata", *files, verbosity=0)


def dumped_while_deleted(path: Path, source: Endpoint, label: str) -> int:
    """How many rows of a model are dumped when another connection deletes all of them meanwhile."""
    table = apps.get_model(label)._meta.db_table
    other = connections["default"].copy()

    def interfere(event: object) -> None:
        with other.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")

    try:
        return Dumped(path, source, interfere)(label.partition(".")[0]).models[label]
    finally:
        other.close()


def _hashable(pk: Any) -> Any:
    return tuple(pk) if isinstance(pk, list) else pk


def rows(model: type[models.Model], alias: str) -> list[tuple[Any, ...]]:
    """Every row of the model's own table, by primary key, as Django reads it."""
    names = [field.attname for field in model._meta.local_concrete_fields]
    return list(models.QuerySet(model=model, using=alias).order_by("pk").values_list(*names))


@contextmanager
def noted_queries() -> Iterator[list[str]]:
    """The SQL of whatever connection is opened in the block."""
    queries: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append(sql)
        return execute(sql, params, many, context)

    def listen(connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(note)

    connection_created.connect(listen)
    try:
        yield queries
    finally:
        connection_created.disconnect(listen)
