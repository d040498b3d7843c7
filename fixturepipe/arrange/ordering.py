"""Handing a component's objects to the cutter so that none needs a later chunk.

A ──► B ──► C      C, B, A, each where it finds room
A ◄─► B            together in one chunk, which is marked cyclic
a thousand of them in a cycle, more than a chunk takes:
    a key that may be null closes it    each object, that key null; at the end again, whole
    no such key                         together in a chunk of its own size
a natural key that no object holds      the object, that key null; at the end again, whole
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fixturepipe.arrange.chunking import ComponentStream
from fixturepipe.arrange.intake import Model, Models
from fixturepipe.arrange.keys import PK
from fixturepipe.arrange.objects import ComponentObjects
from fixturepipe.arrange.orphans import Settlement
from fixturepipe.arrange.spool import LineSpool
from fixturepipe.artifacts.records import decode_object, object_line
from fixturepipe.graph import dependency_groups

_STEP = 10_000  # objects between two reports

Edge = tuple[int, int]  # the index of a reference in its model, and the node it leads to


class ComponentOrder:
    """Orders the resolved objects of one component into a stream of chunks."""

    def __init__(
        self,
        objects: ComponentObjects,
        models: Models,
        stream: ComponentStream,
        settlement: Settlement | None,
    ) -> None:
        self._objects = objects
        self._models = models.by_number
        self._labels = [model.schema.label for model in models.by_number]
        self._stream = stream
        self._settlement = settlement
        self._starts, self._targets = objects.starts, objects.targets
        self._field_indexes = objects.field_indexes
        self._chunks = objects.chunk_indexes
        self._loose = objects.loose
        self._later = array("i")  # nodes that come again at the end, and their lines
        self._whole = LineSpool(objects.lines.path.with_suffix(".again"))

    def run(self, advance: Callable[[int], None]) -> None:
        """Hand over all objects; `advance` is given how many more are done, every so often."""
        done = reported = 0
        simple = self._settlement is None and not self._loose
        for group in dependency_groups(self._starts, self._targets):
            if len(group) > 1:
                self._cycle(group)
            elif simple:
                self._put_plain(group[0])
            else:
                self._single(group[0])
            done += len(group)
            if done - reported >= _STEP:
                advance(done - reported)
                reported = done
                self._objects.give_back()
        advance(done - reported)
        self._repeat()
        self._stream.close()

    def _repeat(self) -> None:
        """What came with keys null comes again, whole: by now all that it refers to is in."""
        self._stream.repeat(range(1, self._stream.last_chunk + 1))
        for node, line in zip(self._later, self._whole, strict=True):
            self._stream.make_room(1, len(line))
            self._put(node, line, ())
        self._stream.repeat(None)
        self._whole.close()

    def _null_for_now(self, node: int, line: bytes, field_indexes: Iterable[int]) -> bytes:
        """The line with those of these keys null that may be; it comes again whole."""
        references = self._model(node).schema.references
        nullable = [references[at].field for at in field_indexes if references[at].null]
        if not nullable:
            return line
        self._later.append(node)
        self._whole.extend([line])
        item = decode_object(line)
        item["fields"].update(dict.fromkeys(nullable))
        return object_line(item["model"], item.get("pk"), item["fields"])

    def _model(self, node: int) -> Model:
        return self._models[self._objects.models[node]]

    def _edges(self, node: int) -> Iterator[Edge]:
        for at in range(self._starts[node], self._starts[node + 1]):
            yield self._field_indexes[at], self._targets[at]

    def _put_plain(self, node: int) -> None:
        """What is done with nearly all objects, without the calls."""
        line = self._objects.lines[node]
        targets = self._targets[self._starts[node] : self._starts[node + 1]].tolist()
        self._stream.make_room(1, len(line))
        if node in targets:
            self._stream.mark_cyclic()
            line = self._by_primary_key(node, line, (node,))
        label = self._labels[self._objects.models[node]]
        self._stream.add(node, label, self._objects.lookup_keys[node], line, targets)

    def _single(self, node: int) -> None:
        line: bytes | None = self._objects.lines[node]
        assert line is not None
        if self._settlement is not None:
            line = self._settlement.settle(self._model(node), line)
            if line is None:
                return
        if node in self._loose:
            line = self._null_for_now(node, line, self._loose[node])
        start, end = self._starts[node], self._starts[node + 1]
        targets = self._targets[start:end].tolist()
        self._stream.make_room(1, len(line))
        if node in targets:
            self._stream.mark_cyclic()
            line = self._by_primary_key(node, line, (node,))
        self._put(node, line, targets)

    def _put(self, node: int, line: bytes, targets: Sequence[int]) -> None:
        label = self._labels[self._objects.models[node]]
        self._stream.add(node, label, self._objects.lookup_keys[node], line, targets)

    def _cycle(self, group: Sequence[int]) -> None:
        """Objects that all reach each other."""
        if self._settlement is not None:
            group, lines = self._settled(group, self._settlement)
            read = lines.__getitem__
        else:
            read = self._objects.lines.__getitem__
        size = sum(len(read(node)) for node in group)
        if self._stream.fits(len(group), size) or not self._can_be_broken(group):
            self._together(group, read, size)
        else:
            self._broken(group, read)

    def _settled(
        self, group: Sequence[int], settlement: Settlement
    ) -> tuple[Sequence[int], dict[int, bytes]]:
        """Who is left of a cycle, over and over until nobody leaves any more."""
        lines = {node: self._objects.lines[node] for node in group}
        while True:
            before = len(lines)
            for node in group:
                if node in lines:
                    line = settlement.settle(self._model(node), lines[node])
                    if line is None:
                        del lines[node]
                    else:
                        lines[node] = line
            if len(lines) == before or settlement.only_names:
                return sorted(lines), lines

    def _together(self, group: Sequence[int], read: Callable[[int], bytes], size: int) -> None:
        """One chunk takes them all; foreign keys hold when it is in."""
        self._stream.make_room(len(group), size)
        self._stream.mark_cyclic()
        for node in group:
            line = self._by_primary_key(node, read(node), group)
            if node in self._loose:
                line = self._null_for_now(node, line, self._loose[node])
            self._put(node, line, [target for _, target in self._edges(node)])

    def _by_primary_key(self, node: int, line: bytes, group: Sequence[int]) -> bytes:
        """The line with natural keys of the cycle's own objects replaced by primary keys.

        A natural key is looked up while its object may not be there yet; a primary key is not.
        """
        item = decode_object(line)
        changed = False
        for at, target in self._edges(node):
            reference = self._model(node).schema.references[at]
            if not isinstance(item["fields"].get(reference.field), list):
                continue
            if not _holds(group, target):
                continue
            key = self._key(target, reference.to)
            if key is not None:
                item["fields"][reference.field] = key
                changed = True
        if not changed:
            return line
        return object_line(item["model"], item.get("pk"), item["fields"])

    def _key(self, node: int, to: str) -> Any:
        item = decode_object(self._objects.lines[node])
        return item.get("pk") if to == PK else item["fields"].get(to)

    def _can_be_broken(self, group: Sequence[int]) -> bool:
        return any(
            self._model(node).schema.references[at].null and _holds(group, target)
            for node in group
            for at, target in self._edges(node)
        )

    def _broken(self, group: Sequence[int], read: Callable[[int], bytes]) -> None:
        """Each object with the nullable keys null, for now, that lead to later ones."""
        for part in self._parts_without_null(group):
            lines = {}
            for node in part:
                later = [
                    at
                    for at, target in self._edges(node)
                    if not self._chunks[target]
                    and _holds(group, target)
                    and not _holds(part, target)
                ]
                later += self._loose.pop(node, [])
                lines[node] = self._null_for_now(node, read(node), later)
            if len(part) > 1:
                self._together(part, lines.__getitem__, sum(map(len, lines.values())))
            else:
                self._stream.make_room(1, len(lines[node]))
                self._put(node, lines[node], [t for _, t in self._edges(node)])

    def _parts_without_null(self, group: Sequence[int]) -> Iterator[Sequence[int]]:
        """The cycle in an order that is right once nullable keys do not count."""
        starts, targets = array("q", [0]), array("i")
        for node in group:
            references = self._model(node).schema.references
            for at, target in self._edges(node):
                if not references[at].null and _holds(group, target):
                    targets.append(bisect_left(group, target))
            starts.append(len(targets))
        for part in dependency_groups(starts, targets):
            yield [group[number] for number in part]


def _holds(group: Sequence[int], node: int) -> bool:
    """Whether an ascending group has the node."""
    at = bisect_left(group, node)
    return at < len(group) and group[at] == node
