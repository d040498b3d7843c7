"""From objects taken in to drafts in load order, and from drafts to numbered chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixturepipe.arrange.chunking import ComponentStream, Draft, ModelStream
from fixturepipe.arrange.intake import Model
from fixturepipe.arrange.ordering import ComponentOrder
from fixturepipe.arrange.orphans import Settlement
from fixturepipe.arrange.workplace import Workplace
from fixturepipe.artifacts.catalog import lookup_key_of
from fixturepipe.artifacts.manifest import Chunk
from fixturepipe.artifacts.ranges import Range, merged, ranges
from fixturepipe.artifacts.records import decode_object, object_lines
from fixturepipe.artifacts.rundir import force_to_disk
from fixturepipe.events import Listener, StageAdvanced
from fixturepipe.graph import Component, ModelGraph


class Cutting:
    """Makes the drafts of one component after another, in load order.

    With a settlement, objects with dangling references go through it; what it leaves out is missing
    for the components after.
    """

    def __init__(self, work: Workplace, listener: Listener, settlement: Settlement | None) -> None:
        self._work = work
        self._listener = listener
        self._settlement = settlement

    def drafts(self) -> list[tuple[Component, Sequence[Draft]]]:
        """The drafts of each component that has objects."""
        return [(component, self._cut(component)) for component in self._work.components()]

    def _cut(self, component: Component) -> list[Draft]:
        models = [self._work.models.by_label[label] for label in component.labels]
        settlement = self._settlement
        if settlement is not None and not any(map(settlement.concerns, models)):
            settlement = None
        if component.is_cyclic:
            return self._ordered(component, settlement)
        stream = models[0].stream
        assert stream is not None
        if settlement is None:
            return stream.drafts
        return self._settled(models[0], stream.drafts, settlement)

    def _ordered(self, component: Component, settlement: Settlement | None) -> list[Draft]:
        """A cyclic component's objects in their order."""
        objects = self._work.waiting[component.number]
        drafts, limits = self._work.drafts, self._work.limits
        stream = ComponentStream(drafts, component.labels, limits, objects.chunk_indexes)
        label = component.labels[0]

        def advance(done: int) -> None:
            self._listener(StageAdvanced("arrange", done, label))

        ComponentOrder(objects, self._work.models, stream, settlement).run(advance)
        objects.close()
        return stream.drafts

    def _settled(
        self, model: Model, drafts: Sequence[Draft], settlement: Settlement
    ) -> list[Draft]:
        """An ordinary model's chunks cut again, from what they hold."""
        stream = ModelStream(self._work.drafts, model.schema.label, self._work.limits)
        for draft in drafts:
            for line in object_lines(draft.path):
                settled = settlement.settle(model, line)
                if settled is not None:
                    stream.add(lookup_key_of(decode_object(settled).get("pk")), settled)
            self._work.drafts.forget(draft.path)
        stream.close()
        return stream.drafts


def numbered(
    work: Workplace, drafts: Sequence[tuple[Component, Sequence[Draft]]]
) -> tuple[Chunk, ...]:
    """Give every draft its number and its file's name, from 1 in load order."""
    total = sum(len(each) for _, each in drafts)
    spans: dict[int, Range] = {}
    chunks: list[Chunk] = []
    for component, own in drafts:
        first = len(chunks) + 1
        for number, draft in enumerate(own, first):
            name = chunk_name(number, total, draft.models)
            chunk = Chunk(
                number=number,
                file=f"{work.directory.chunks.name}/{name}",
                models=draft.models,
                objects=draft.objects,
                bytes=draft.bytes,
                sha256=draft.sha256,
                after=_after(draft, component, first, spans, work.graph),
                component=component.number,
                cyclic=draft.cyclic,
                second_pass=draft.second_pass,
            )
            force_to_disk(draft.path)
            work.catalog.number(draft.path.name, number)
            draft.path.rename(work.path / name)
            chunks.append(chunk)
        if own:
            spans[component.number] = (first, len(chunks))
    return tuple(chunks)


def chunk_name(number: int, chunks: int, models: Mapping[str, int]) -> str:
    """The file name of a chunk: a number wide enough to sort, and the model it is most of."""
    width = max(4, len(str(chunks)))
    label = max(models, key=lambda name: models[name])
    return f"{number:0{width}d}-{label}.json"


def _after(
    draft: Draft, component: Component, first: int, spans: Mapping[int, Range], graph: ModelGraph
) -> tuple[Range, ...]:
    """The chunks that one needs: all of the models it refers to, and those of its own component
    that hold what its objects refer to.
    """
    own = ranges(first + index - 1 for index in draft.needs)
    others = {
        graph.component_of[needed].number for label in draft.models for needed in graph.needs(label)
    }
    others.discard(component.number)
    return merged([*own, *(spans[number] for number in others if number in spans)])
