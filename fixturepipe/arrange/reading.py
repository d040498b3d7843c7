"""Reading all fixtures: each object is taken in once, and no key may come twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from fixturepipe.arrange.external import Normalizer, Plain, UnusableObjectError
from fixturepipe.arrange.identities import Identities, NaturalIds
from fixturepipe.arrange.intake import KeyIndex, KeyValueError, Model
from fixturepipe.arrange.keys import NATURAL, Key
from fixturepipe.arrange.workplace import Workplace
from fixturepipe.artifacts.fixtures import FixtureFile
from fixturepipe.artifacts.records import decode_object
from fixturepipe.events import Listener, Notice, StageAdvanced

_STEP = 1000  # objects between two events


class Reading:
    """Takes the objects of `files` (by the names the manifest gives them) into a workplace."""

    def __init__(
        self,
        work: Workplace,
        files: Mapping[str, FixtureFile],
        listener: Listener,
        *,
        ignorenonexistent: bool,
    ) -> None:
        self._work = work
        self._models = work.models
        self._files = files
        self._listener = listener
        self._reported = 0
        self._normalizer = Normalizer(
            work.schemas, work.models, work.index, ignorenonexistent=ignorenonexistent
        )

        self._identities = Identities(
            work.schemas,
            [label for component in work.graph.components for label in component.labels],
            work.models,
            self._normalizer.label_of,
        )
        self._numbered: set[str] = set()

    @property
    def natural_ids(self) -> NaturalIds:
        """The numbers that the fixtures have for content types and permissions."""
        return self._identities.natural_ids

    @property
    def ignored(self) -> dict[str, int]:
        """Objects and fields that the project does not have, by label and field."""
        return dict(self._normalizer.ignored)

    def run(self) -> None:
        """Read everything.

        Raises FixtureError for a file that is no fixture, for what the project does not have
        and for the same key twice.
        """
        self._identities.read(self._files.values())
        self._numbered = {
            label
            for label, schema in self._work.schemas.items()
            if self._identities.concerns(schema)
        }
        for name, file in self._files.items():
            self._read(name, file)
        for index, key in self._models.repeated():
            self._refuse_twice(index, key)
        self._report_proxies()
        for model in self._models.by_number:
            if model.stream is not None:
                model.stream.close()

    def _read(self, name: str, file: FixtureFile) -> None:
        by_label = self._models.by_label
        before = {label: model.objects for label, model in by_label.items()}
        number = 0  # of objects that were read
        for items, lines in file.batches():
            start = 0
            for label, group in groupby(items, itemgetter("model")):
                own = list(group)
                end = start + len(own)
                model = None if label in self._numbered else by_label.get(label)
                texts = None if lines is None else lines[start:end]
                if (
                    model is None
                    or texts is None
                    or not self._models.take_quickly(model, own, texts)
                ):
                    self._take(file, model, own, texts or [None] * len(own), number + start)
                start = end
            number += len(items)
            self._work.store.settle()
            self._advance(items[-1]["model"])
        self._advance(name)
        for label, model in by_label.items():
            if model.objects > before[label]:
                self._work.catalog.origin(label, name)

    def _take(
        self,
        file: FixtureFile,
        model: Model | None,
        items: Sequence[dict[str, Any]],
        lines: Sequence[bytes | None],
        before: int,
    ) -> None:
        """Take objects in one by one; `before` counts those of the file that came before."""
        take = self._models.take
        for number, (item, line) in enumerate(zip(items, lines, strict=True), before + 1):
            try:
                if model is not None and item["fields"].keys() <= model.plain:
                    take(model, item.get("pk"), item["fields"], line)
                else:
                    exact = item if line is None else decode_object(line)
                    self._take_other(file, exact, number)
            except KeyValueError as error:
                file.refuse(str(error), position=f"object {number:,}")
            if number % _STEP == 0:
                self._work.store.settle()
                self._advance(item["model"])

    def _take_other(self, file: FixtureFile, item: Mapping[str, Any], number: int) -> None:
        """Take one object in that has to be brought to our form."""
        for count, plain in enumerate(self._plain(file, item, number), 1):
            model = self._models.by_label[plain.label]
            self._models.take(model, plain.pk, plain.fields)
            if count % _STEP == 0:
                self._work.store.settle()

    def _advance(self, label: str) -> None:
        """Report the objects that went into chunks since the last report."""
        waiting = sum(objects.count for objects in self._work.waiting.values())
        done = sum(model.objects for model in self._models.by_number) - waiting
        self._listener(StageAdvanced("arrange", done - self._reported, label))
        self._reported = done

    def _report_proxies(self) -> None:
        for proxy, count in sorted(self._normalizer.proxied.items()):
            label = self._normalizer.label_of(proxy)
            text = f"{proxy} is a proxy: its objects ({count:,}) are arranged as {label}"
            self._listener(Notice("info", text))

    def _plain(self, file: FixtureFile, item: Mapping[str, Any], number: int) -> Iterator[Plain]:
        try:
            yield from map(self._identities.named, self._normalizer.plain(item))
        except UnusableObjectError as error:
            pk = item.get("pk")
            what = f"object {number:,} ({item['model']}{'' if pk is None else f' {pk}'})"
            file.refuse(error.problem, position=what, hint=error.hint)

    def _refuse_twice(self, index: KeyIndex, key: Key) -> None:
        """Read all again to find the objects with the same key."""
        places = [
            (file, number)
            for file in self._files.values()
            for number, item in enumerate(file.objects(), 1)
            if self._has(item, index, key)
        ]
        if len(places) < 2:
            return
        (first, first_number), (second, second_number) = places[:2]
        where = "" if first is second else f"{first.path}, "
        second.refuse(
            f"{index.kind.label} with {index.kind.to} {key} is already in {where}object"
            f" {first_number:,}",
            position=f"object {second_number:,}",
            hint="Remove one of them.",
        )

    def _has(self, item: Mapping[str, Any], index: KeyIndex, key: Key) -> bool:
        """Whether an object has this key; a natural key counts where it has no primary key."""
        label = self._normalizer.label_of(item["model"])
        if label != index.kind.label:
            return False
        _, pk, fields = self._identities.named(Plain(label, item.get("pk"), item["fields"]))
        if index.kind.to == NATURAL:
            parts = self._models.natural_keys.of(label, pk, fields)
            return pk is None and parts is not None and index.key_of(parts) == key
        return pk is not None and index.key_of(pk) == key
