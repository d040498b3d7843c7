"""Runs made by hand, and what a load of them leaves in the target."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections

from fixturepipe.artifacts.manifest import (
    Arrangement,
    Chunk,
    Manifest,
    read_manifest,
    write_manifest,
)
from fixturepipe.artifacts.records import fixture_writer
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints
from fixturepipe.databases.introspection import schema_of
from fixturepipe.databases.ledger import Entry, Ledger
from fixturepipe.databases.migrations import applied_migrations
from fixturepipe.events import Event, Listener
from fixturepipe.load.stage import LoadOptions, LoadResult, load

Object = dict[str, Any]
_APPS = ("loading", "contenttypes", "auth")
RUN = "0123456789abcdef0123456789abcdef"
ONE = LoadOptions(workers=1)


def a(label: str, pk: Any = None, /, **fields: Any) -> Object:
    """An object of a fixture; without a primary key if it is None."""
    key = {} if pk is None else {"pk": pk}
    return {"model": f"loading.{label}" if "." not in label else label, **key, "fields": fields}


def make_run(
    path: Path,
    *chunks: Sequence[Object],
    cyclic: Iterable[int] = (),
    run: str = RUN,
    **more: Any,
) -> RunDirectory:
    """A run directory with these chunks, each of which needs all before it."""
    directory = RunDirectory(path)
    directory.create()
    written = [
        _write(directory, number, objects, number in set(cyclic))
        for number, objects in enumerate(chunks, start=1)
    ]
    models: dict[str, int] = {}
    for chunk in written:
        for label, count in chunk.models.items():
            models[label] = models.get(label, 0) + count
    manifest = Manifest(
        run=run,
        created="2026-01-01T00:00:00+00:00",
        schema=[
            schema_of(model)
            for model in apps.get_models(include_auto_created=True)
            if model._meta.app_label in _APPS
        ],
        migrations=applied_migrations(connections["default"]),
        arrangement=Arrangement({}, 5000, 8 << 20, tuple(written), sum(models.values()), models),
        **more,
    )
    write_manifest(directory, manifest)
    return directory


def _write(directory: RunDirectory, number: int, objects: Sequence[Object], cyclic: bool) -> Chunk:
    label = objects[0]["model"] if objects else "nothing"
    file = f"2-chunks/{number:04d}-{label}.json"
    with fixture_writer(directory.path / file) as writer:
        writer.write([json.dumps(each).encode() for each in objects])
    models: dict[str, int] = {}
    for each in objects:
        models[each["model"]] = models.get(each["model"], 0) + 1
    after = ((1, number - 1),) if number > 1 else ()
    return Chunk(number, file, models, len(objects), writer.bytes, writer.sha256, after, 0, cyclic)


def chunk_path(directory: RunDirectory, number: int) -> Path:
    """The file of a chunk."""
    arrangement = read_manifest(directory).arrangement
    assert arrangement is not None
    return directory.path / arrangement.chunks[number - 1].file


def rows(end: Endpoint, *labels: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all models' tables (or of these models'), as the driver gives them, sorted.

    Empty tables are left out.
    """
    Endpoints("default", end, end).open()
    found = {}
    connection = connections[TARGET]
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            wanted = labels or (model._meta.label_lower,)
            if model._meta.app_label not in _APPS or model._meta.label_lower not in wanted:
                continue
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            held = sorted(cursor.fetchall(), key=repr)
            if held:
                found[model._meta.label_lower] = held
    connection.close()
    return found


def column(end: Endpoint, label: str, name: str) -> list[Any]:
    """One column of a model's table, in the order of the primary key."""
    Endpoints("default", end, end).open()
    model = apps.get_model("loading", label)
    values = model._base_manager.using(TARGET).order_by("pk").values_list(name, flat=True)
    found = list(values)
    connections[TARGET].close()
    return found


class Log:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def text(self) -> str:
        """All notices, a line each."""
        return "\n".join(e.text for e in self.events if hasattr(e, "text"))


def execute(end: Endpoint, statement: str) -> list[tuple[Any, ...]]:
    Endpoints("default", end, end).open()
    with connections[TARGET].cursor() as cursor:
        cursor.execute(statement)
        found = list(cursor.fetchall() or ())
    connections[TARGET].close()
    return found


def read_applied(endpoints: Endpoints, run: str) -> dict[int, Entry]:
    """The chunks of a run that the target has."""
    endpoints.open()
    return Ledger(connections[TARGET], run).applied()


def load_into(
    end: Endpoint,
    source: Endpoint,
    directory: RunDirectory,
    options: LoadOptions = ONE,
    log: Listener | None = None,
    **changes: Any,
) -> LoadResult:
    """Load a run into a database; `changes` are options."""
    endpoints = Endpoints("default", source, end)
    endpoints.open()
    return load(directory, endpoints, replace(options, **changes), log or Log())
