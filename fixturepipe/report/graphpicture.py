"""The dependency graph as a picture: models in columns by load order, grouped by app.

    1              2                3
    ┌─ auth ────┐  ┌─ shop ──────┐  ┌─ shop ───┐
    │ user      │◄─┤ customer    │◄─┤ order    │
    └───────────┘  │ product ↻   │◄─┴──────────┘
                   └─────────────┘

An arrow goes from a model to one that it needs, which is in a column before it, or in its own
column where models refer to each other in a cycle. A long column is folded. Lengths are in pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from fixturepipe.report.data import GraphModel
from fixturepipe.wording import cut

_BOX, _LINE, _GAP = 136, 22, 56
_HEAD, _GROUP, _AFTER_GROUP = 34, 20, 12
_MARGIN = 4
# A column is folded so that it is not much longer than this.
_LONGEST = 760
_LETTERS = 18
# A model that so many others need is part of the background.
_HUB = 12


@dataclass(frozen=True)
class Node:
    """A model's box; `needs` and `needed_by` are labels."""

    number: int
    model: GraphModel
    x: int
    y: int
    needed_by: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The model's name as it fits into the box."""
        name = self.model.label.partition(".")[2]
        return cut(name, _LETTERS - 2 * self.model.cyclic)


@dataclass(frozen=True)
class Group:
    """The name of an app over its models in a column."""

    app: str
    x: int
    y: int


@dataclass(frozen=True)
class Column:
    """A layer's number over its column or columns."""

    number: int
    x: int
    width: int
    height: int


@dataclass(frozen=True)
class Edge:
    """An arrow between two boxes, given by their numbers.

    `kind` is "cycle" for a part of a cycle, "hub" for an arrow to a model that many need, or "".
    """

    source: int
    target: int
    path: str
    kind: str


@dataclass(frozen=True)
class GraphPicture:
    """The whole picture, and the models that neither need others nor are needed."""

    width: int
    height: int
    columns: list[Column]
    groups: list[Group]
    nodes: list[Node]
    edges: list[Edge]
    alone: list[str]
    cycles: list[list[str]]

    @property
    def box(self) -> int:
        """The width of a model's box."""
        return _BOX

    @property
    def line(self) -> int:
        """The height of a model's box."""
        return _LINE - 4

    @property
    def order(self) -> list[Node]:
        """The nodes in load order."""
        return sorted(self.nodes, key=lambda node: node.model.component)


def graph_picture(models: Sequence[GraphModel]) -> GraphPicture | None:
    """The picture of these models; None without any."""
    if not models:
        return None
    needed_by = _needed_by(models)
    joined = [model for model in models if model.needs or needed_by[model.label]]
    placing = _Placing(needed_by)
    for _, layer in groupby(sorted(joined, key=lambda m: m.layer), key=lambda m: m.layer):
        placing.add_layer(list(layer))
    nodes = {node.model.label: node for node in placing.nodes}
    return GraphPicture(
        placing.width,
        placing.height,
        placing.columns,
        placing.groups,
        placing.nodes,
        [_edge(node, nodes[other]) for node in placing.nodes for other in node.model.needs],
        sorted({model.label for model in models} - nodes.keys()),
        _cycles(models),
    )


def _needed_by(models: Iterable[GraphModel]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {model.label: [] for model in models}
    for model in models:
        for other in model.needs:
            found[other].append(model.label)
    return found


def _cycles(models: Iterable[GraphModel]) -> list[list[str]]:
    cyclic: dict[int, list[str]] = {}
    for model in models:
        if model.cyclic:
            cyclic.setdefault(model.component, []).append(model.label)
    return list(cyclic.values())


class _Placing:
    """Gives each model its place, layer by layer from the left."""

    def __init__(self, needed_by: Mapping[str, list[str]]) -> None:
        self._needed_by = needed_by
        self._x = _MARGIN
        self.height = 0
        self.columns: list[Column] = []
        self.groups: list[Group] = []
        self.nodes: list[Node] = []

    @property
    def width(self) -> int:
        return self._x - _GAP + _MARGIN

    def add_layer(self, models: list[GraphModel]) -> None:
        """The next column, folded if it is long."""
        begin = self._x
        for fold in _folds(models):
            self._add_column(fold)
            self._x += _BOX + _GAP // 2
        self._x += _GAP - _GAP // 2
        width = self._x - _GAP - begin
        self.columns.append(Column(len(self.columns) + 1, begin, width, _HEAD))

    def _add_column(self, models: Iterable[GraphModel]) -> None:
        y = _HEAD
        for app, of_app in groupby(models, key=_app):
            self.groups.append(Group(app, self._x, y + 13))
            y += _GROUP
            for model in of_app:
                needed_by = self._needed_by[model.label]
                self.nodes.append(Node(len(self.nodes), model, self._x, y, needed_by))
                y += _LINE
            y += _AFTER_GROUP
        self.height = max(self.height, y)


def _app(model: GraphModel) -> str:
    return model.label.partition(".")[0]


def _folds(models: list[GraphModel]) -> list[list[GraphModel]]:
    """The models of a layer in columns of about the same length, those of an app together."""
    models = sorted(models, key=lambda model: (_app(model), model.component, model.label))
    apps = Counter(map(_app, models))
    whole = len(models) * _LINE + len(apps) * (_GROUP + _AFTER_GROUP)
    folds = -(-whole // _LONGEST)
    each = -(-len(models) // folds)
    return [models[start : start + each] for start in range(0, len(models), each)]


def _edge(source: Node, target: Node) -> Edge:
    is_cyclic = source.model.component == target.model.component
    kind = "cycle" if is_cyclic else "hub" if len(target.needed_by) >= _HUB else ""
    middle = _LINE // 2 - 2
    y1, y2 = source.y + middle, target.y + middle
    if source is target:
        x = source.x + _BOX
        path = f"M{x} {y1 - 5}c18 -8 18 18 0 10"
    elif source.x > target.x:
        x1, x2 = source.x, target.x + _BOX
        bend = max(24, (x1 - x2) // 2)
        path = f"M{x1} {y1}C{x1 - bend} {y1} {x2 + bend} {y2} {x2} {y2}"
    else:
        # In one column, or against the order in a cycle: around the right-hand sides.
        x1, x2 = source.x + _BOX, target.x + _BOX
        bend = max(x1, x2) + min(_GAP - 12, 16 + abs(y1 - y2) // 8)
        path = f"M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}"
    return Edge(source.number, target.number, path, kind)
