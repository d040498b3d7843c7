"""The order of models: what refers to what, and which models only an order of rows can part.

    A ──► B means that A's rows refer to B's, so that B is loaded first.

         orders.line ──► orders.order ──► shop.customer ◄──► shop.address
              │                                │
              └────────► shop.product          └──► contenttypes.contenttype
                           │  ▲
                           └──┘

Models that reach each other (customer and address above) are one *component*, and so is a model
that refers to itself (product): there the order is between objects, not models. Everything
else is a chain of components, dependencies first.

One algorithm serves both levels: Tarjan's for strongly connected components (R. Tarjan,
"Depth-first search and linear graph algorithms", SIAM J. Comput. 1(2), 1972), made iterative.
Followed along references it hands out groups of mutually reachable nodes, dependencies first,
and leaves an order that is right already as it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fixturepipe.artifacts.manifest import ModelSchema

_OUT = -1  # the node's group has been handed out


def dependency_groups(starts: Sequence[int], targets: Sequence[int]) -> Iterator[Sequence[int]]:
    """The strongly connected groups of nodes 0 … n-1, each after all that it refers to.

    Node v refers to `targets[starts[v]:starts[v + 1]]`; `starts` has n + 1 items. Nodes are
    tried in the order of their numbers. A group lists its nodes in ascending order.

    Holds four bytes for each node, and some twenty for each node of the longest path followed.
    """
    count = len(starts) - 1
    # 0: not seen; _OUT: handed out; else one more than the node's position on `stack`.
    position = array("i", bytes(4 * count))
    stack = array("i")  # nodes whose group is still open, in order of discovery
    low = array("i")  # for each of them, the lowest position it is known to reach
    path = array("i")  # the nodes from a root to the one in hand
    cursor = array("q")  # for each of these, its next edge
    for root in range(count):
        if position[root]:
            continue
        node, at, end = root, starts[root], starts[root + 1]
        stack.append(root)
        low.append(1)
        here = position[root] = 1
        while True:
            while at < end:
                target = targets[at]
                at += 1
                seen = position[target]
                if seen == 0:
                    path.append(node)
                    cursor.append(at)
                    node, at, end = target, starts[target], starts[target + 1]
                    stack.append(node)
                    here = position[node] = len(stack)
                    low.append(here)
                elif 0 < seen < low[here - 1]:
                    low[here - 1] = seen
            lowest = low[here - 1]
            if lowest == here:
                yield _taken_off(stack, low, here - 1, position)
            if not path:
                break
            node = path.pop()
            at, end, here = cursor.pop(), starts[node + 1], position[node]
            if lowest < low[here - 1]:
                low[here - 1] = lowest


def _taken_off(
    stack: array[int], low: array[int], bottom: int, position: array[int]
) -> Sequence[int]:
    """The group that is on the stack from `bottom` on, which is complete."""
    if len(stack) == bottom + 1:
        low.pop()
        node = stack.pop()
        position[node] = _OUT
        return (node,)
    group = stack[bottom:]
    del stack[bottom:], low[bottom:]
    for node in group:
        position[node] = _OUT
    return sorted(group)


@dataclass(frozen=True)
class Component:
    """Models that are ordered together. `is_cyclic` where the order is between objects."""

    number: int
    labels: tuple[str, ...]
    is_cyclic: bool


class ModelGraph:
    """The models and the components they form, in an order in which they can be loaded.

    `components` has each label once; no label of a component refers to a later component.
    The order is the same for the same schemas in the same order.
    """

    def __init__(self, schemas: Mapping[str, ModelSchema]) -> None:
        # Content types and permissions first: they are the oldest rows of every target.
        self.labels = sorted(schemas, key=lambda label: not schemas[label].natural_primary)
        self._references = {label: _referred(schemas[label], schemas) for label in self.labels}
        self._declared = {
            label: [other for other in schemas[label].depends if other in schemas]
            for label in self.labels
        }
        self.components = tuple(self._ordered())
        self.component_of = {
            label: component for component in self.components for label in component.labels
        }

    def references(self, label: str) -> list[str]:
        """The labels that a model's rows refer to, itself included if it does."""
        return self._references[label]

    def needs(self, label: str) -> list[str]:
        """The labels whose rows must be in before this model's.

        These are its references and what `natural_key.dependencies` names, where following
        that leads in no cycle.
        """
        own = self.component_of[label].number
        declared = [x for x in self._declared[label] if self.component_of[x].number < own]
        return list(dict.fromkeys(self._references[label] + declared))

    def _ordered(self) -> Iterator[Component]:
        """Declared dependencies order components, but never tie models into one.

        They say what a natural key is looked up by, not what a row refers to: a cycle that
        only they close is no reason to order single objects.
        """
        whole = {label: self._references[label] + self._declared[label] for label in self.labels}
        number = 0
        for around in _label_groups(self.labels, whole):
            for labels in _label_groups(around, self._references):
                number += 1
                is_cyclic = len(labels) > 1 or labels[0] in self._references[labels[0]]
                yield Component(number, tuple(labels), is_cyclic)


def _referred(schema: ModelSchema, schemas: Mapping[str, ModelSchema]) -> list[str]:
    named = [reference.model for reference in schema.references]
    return [label for label in dict.fromkeys(named) if label in schemas]


def _label_groups(
    labels: Sequence[str], edges: Mapping[str, Iterable[str]]
) -> Iterator[Sequence[str]]:
    """`dependency_groups` of labels; edges that lead out of `labels` do not count."""
    numbers = {label: number for number, label in enumerate(labels)}
    starts, targets = [0], []
    for label in labels:
        targets += [numbers[other] for other in edges[label] if other in numbers]
        starts.append(len(targets))
    for group in dependency_groups(starts, targets):
        yield [labels[number] for number in group]


def as_dot(graph: ModelGraph) -> str:
    """The graph in Graphviz's language, in load order from top to bottom.

    An arrow points from a model to what it needs; a cyclic component is a box of its own.
    Source of the format: https://graphviz.org/doc/info/lang.html
    """
    lines = ["digraph models {", "  rankdir=BT;", "  node [shape=box];"]
    for component in graph.components:
        nodes = [f'"{label}";' for label in component.labels]
        if component.is_cyclic:
            inside = " ".join(nodes)
            lines.append(f"  subgraph cluster_{component.number} {{ style=dashed; {inside} }}")
        else:
            lines += [f"  {node}" for node in nodes]
    for component in graph.components:
        for label in component.labels:
            lines += [f'  "{label}" -> "{other}";' for other in graph.needs(label)]
    return "\n".join([*lines, "}", ""])


def as_text(graph: ModelGraph) -> str:
    """The load order for a terminal: a line for each model, with what it needs."""
    lines = []
    for component in graph.components:
        mark = " (row by row)" if component.is_cyclic else ""
        for label in component.labels:
            needs = ", ".join(graph.needs(label)) or "nothing"
            lines.append(f"{component.number:4}  {label}{mark}  needs {needs}")
    return "\n".join([*lines, ""])
