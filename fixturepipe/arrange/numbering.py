"""Numbers, names and dependencies of the chunks, once all of them are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fixturepipe.arrange.chunking import Draft
from fixturepipe.arrange.workplace import Workplace
from fixturepipe.artifacts.manifest import Chunk
from fixturepipe.artifacts.ranges import Range, merged, ranges
from fixturepipe.artifacts.rundir import force_to_disk
from fixturepipe.graph import Component, ModelGraph


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
    draft: Draft,
    component: Component,
    first: int,
    spans: Mapping[int, Range],
    graph: ModelGraph,
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
