"""The directory in which an arrangement is made, and what is open in it meanwhile.

    .2-chunks.tmp/
        index.sqlite3        keys and references, until all objects are in
        7.lines 7.models …    the objects of cyclic component 7, until they are ordered
        12.draft             a chunk without a number
        .catalog             stays with the chunks

It becomes the directory of chunks by one rename. Until then, and if it never does, everything
in it goes when the workplace is left.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from fixturepipe.arrange.chunking import DraftFiles, Limits, ModelStream
from fixturepipe.arrange.intake import Models
from fixturepipe.arrange.keys import KeyReaders
from fixturepipe.arrange.keysets import KeyStore, open_index
from fixturepipe.arrange.objects import ComponentObjects
from fixturepipe.artifacts.catalog import FILE as CATALOG
from fixturepipe.artifacts.catalog import CatalogWriter
from fixturepipe.artifacts.manifest import ModelSchema
from fixturepipe.artifacts.rundir import DIRECTORY_MODE, RunDirectory, force_to_disk
from fixturepipe.graph import Component, ModelGraph

_INDEX = "index.sqlite3"


class Workplace:
    """What the steps of arranging share. Made by `workplace`, which also clears it away."""

    def __init__(
        self,
        directory: RunDirectory,
        schemas: Mapping[str, ModelSchema],
        limits: Limits,
        leaving: ExitStack,
        readers: KeyReaders | None,
    ) -> None:
        self.directory = directory
        self.schemas = schemas
        self.limits = limits
        self.path = directory.arranging
        self.graph = ModelGraph(schemas)
        self.index = open_index(self.path / _INDEX)
        leaving.callback(self.index.close)
        self.store = KeyStore(self.index)
        self.catalog = CatalogWriter(self.path / CATALOG)
        leaving.callback(self.catalog.close)
        self.drafts = DraftFiles(self.path, self.catalog)
        self.models = Models(schemas, self.graph, self.store, readers)
        self.waiting: dict[int, ComponentObjects] = {}
        for component in self.graph.components:
            self._prepare(component, leaving)

    def _prepare(self, component: Component, leaving: ExitStack) -> None:
        """Say where the objects of a component's models go."""
        models = [self.models.by_label[label] for label in component.labels]
        if not component.is_cyclic:
            models[0].stream = ModelStream(self.drafts, component.labels[0], self.limits)
            return
        objects = ComponentObjects(self.path, component.number, self.store)
        leaving.callback(objects.close)
        self.waiting[component.number] = objects
        for model in models:
            model.waiting = objects

    def components(self) -> Iterator[Component]:
        """Those of whose models there are objects, in load order."""
        for component in self.graph.components:
            if any(self.models.by_label[label].objects for label in component.labels):
                yield component

    def counts(self, rejected: Mapping[str, int]) -> dict[str, int]:
        """Objects by label, in load order, without those left out."""
        counted = {
            label: self.models.by_label[label].objects - rejected.get(label, 0)
            for component in self.graph.components
            for label in component.labels
        }
        return {label: count for label, count in counted.items() if count}

    def become_chunks(self) -> None:
        """Replace the chunks, in one move."""
        self.catalog.finish()
        for objects in self.waiting.values():
            objects.close()
        self.index.close()
        (self.path / _INDEX).unlink()
        force_to_disk(self.path)
        shutil.rmtree(self.directory.chunks, ignore_errors=True)
        self.path.rename(self.directory.chunks)
        force_to_disk(self.directory.path)


@contextmanager
def workplace(
    directory: RunDirectory,
    schemas: Mapping[str, ModelSchema],
    limits: Limits,
    readers: KeyReaders | None,
) -> Iterator[Workplace]:
    """An empty workplace; what is left of it in the end is removed."""
    with ExitStack() as leaving:
        shutil.rmtree(directory.arranging, ignore_errors=True)
        directory.arranging.mkdir(mode=DIRECTORY_MODE)
        leaving.callback(shutil.rmtree, directory.arranging, ignore_errors=True)
        yield Workplace(directory, schemas, limits, leaving, readers)
