"""Django's loaddata, with our saver plugged in, and as it is.

`FastCommand` is the command inside the same transaction; what it replaces is the loop that
deserializes and saves one object after another and the check of whole tables at the end.
`StockCommand` is Django's own, which only counts, and which checks the automatic many-to-many
tables that Django forgets.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.commands import loaddata
from django.core.serializers.base import DeserializedObject
from django.db import connections

from fixturepipe.load.objects.chunkcheck import check_references
from fixturepipe.load.objects.reading import ChunkReader
from fixturepipe.load.objects.saver import ChunkSaver


class FastCommand(loaddata.Command):
    """loaddata of one chunk in bulk. `saver_for` makes the saver, given whether to defer.

    Afterwards `saver` has the outcome, and `sha256` is that of the bytes that were loaded.
    """

    def __init__(
        self, reader: ChunkReader, saver_for: Callable[[bool], ChunkSaver], *, deferred: bool
    ) -> None:
        super().__init__()
        self._reader = reader
        self._saver_for = saver_for
        self._deferred = deferred
        self.saver: ChunkSaver | None = None
        self.sha256 = ""

    def call(self, path: Path, alias: str) -> None:
        """What `call_command` does, but for a new parser for each chunk."""
        options = {**_default_options(), "database": alias, "verbosity": 0, "skip_checks": True}
        self.execute(str(path), **options)

    def loaddata(self, fixture_labels: Iterable[str]) -> None:
        """Load the one file that is named, in place of Django's search and loop over objects."""
        for label in fixture_labels:
            self._load_fixture(Path(label))

    def _load_fixture(self, path: Path) -> None:
        chunk = self._reader.read(path, deferred=self._deferred)
        self.sha256 = chunk.sha256
        self.saver = saver = self._saver_for(chunk.deferred)
        connection = connections[self.using]
        with connection.constraint_checks_disabled() if chunk.deferred else nullcontext():
            saver.save(chunk)
            if chunk.deferred:
                check_references(connection, saver)


@functools.cache
def _default_options() -> dict[str, Any]:
    options = vars(loaddata.Command().create_parser("", "loaddata").parse_args(["-"]))
    del options["args"]
    return options


class StockCommand(loaddata.Command):
    """Django's own loaddata; `loaded` counts the saved objects by label."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, int] = {}

    def find_fixtures(self, fixture_label: str) -> list[tuple[str, str | None, str | None]]:
        """The fixture's files, as Django finds them, looked for each time.

        Django's command remembers each of its instances for good, through the cache on this
        method; with an instance a chunk, that would be all that was ever loaded.
        """
        found = getattr(loaddata.Command.find_fixtures, "__wrapped__", None)
        if found is None:
            found = loaddata.Command.find_fixtures
        return list(found(self, fixture_label))

    def save_obj(self, obj: DeserializedObject) -> bool:
        """Save as Django does, and count."""
        model = type(obj.object)
        lists = list(obj.m2m_data or ())
        saved = bool(super().save_obj(obj))
        if saved:
            label = model._meta.label_lower
            self.loaded[label] = self.loaded.get(label, 0) + 1
            relations: list[Any] = [model._meta.get_field(name) for name in lists]
            self.models.update(relation.remote_field.through for relation in relations)
        return saved
