"""The order of models, and the algorithm under it.

shop.line ──► shop.order ──► shop.customer ◄──► shop.address
    │                             │
    └──► shop.product ─┐          └──► auth.user ──► contenttypes.contenttype
              ▲        │
              └────────┘
"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixturepipe.artifacts.manifest import ModelSchema, Reference
from fixturepipe.graph import ModelGraph, as_dot, as_text, dependency_groups
from tests.arranging import schema, schemas

SHOP = schemas(
    schema("shop.line", order="shop.order", product="shop.product"),
    schema("shop.product", parent="shop.product?"),
    schema("shop.order", customer="shop.customer"),
    schema("shop.address", customer="shop.customer"),
    schema("shop.customer", home="shop.address?", user="auth.user"),
    schema("auth.user", kind="contenttypes.contenttype"),
    ModelSchema("contenttypes.contenttype", "ct", "id", ("model",), natural_primary=True),
)


def edges(*lists):
    """`dependency_groups`' two sequences from a list of targets for each node."""
    starts, targets = [0], []
    for each in lists:
        targets += each
        starts.append(len(targets))
    return starts, targets


def groups(*lists):
    return [list(group) for group in dependency_groups(*edges(*lists))]


def test_models_come_after_what_they_refer_to():
    graph = ModelGraph(SHOP)
    order = [label for component in graph.components for label in component.labels]
    for label in order:
        for other in graph.references(label):
            if graph.component_of[other] is not graph.component_of[label]:
                assert order.index(other) < order.index(label)


def test_models_that_refer_to_each_other_are_one_component():
    cyclic = [c.labels for c in ModelGraph(SHOP).components if c.is_cyclic]
    assert sorted(cyclic) == [("shop.address", "shop.customer"), ("shop.product",)]


def test_a_model_that_refers_to_nothing_in_a_cycle_is_not_cyclic():
    assert not ModelGraph(SHOP).component_of["shop.order"].is_cyclic


def test_content_types_come_first():
    assert ModelGraph(SHOP).components[0].labels == ("contenttypes.contenttype",)


def test_the_order_does_not_change_from_run_to_run():
    assert ModelGraph(SHOP).components == ModelGraph(dict(SHOP)).components


def test_a_declared_dependency_orders_models():
    late = ModelSchema("a.late", "t", "id", ("x",), depends=("a.early",))
    graph = ModelGraph(schemas(late, schema("a.early", "x")))
    assert [c.labels for c in graph.components] == [("a.early",), ("a.late",)]
    assert graph.needs("a.late") == ["a.early"]


def test_declared_dependencies_in_a_cycle_tie_nothing_together():
    one = ModelSchema("a.one", "t", "id", ("x",), depends=("a.two",))
    two = ModelSchema("a.two", "t", "id", ("x",), depends=("a.one",))
    graph = ModelGraph(schemas(one, two))
    assert not any(component.is_cyclic for component in graph.components)


def test_a_reference_wins_over_a_declared_dependency_against_it():
    child = ModelSchema("a.child", "t", "id", ("up",), (Reference("up", "a.parent"),), depends=())
    parent = ModelSchema("a.parent", "t", "id", ("x",), depends=("a.child",))
    graph = ModelGraph(schemas(parent, child))
    assert [c.labels for c in graph.components] == [("a.parent",), ("a.child",)]
    assert graph.needs("a.parent") == []


def test_references_to_models_that_are_not_there_are_left_aside():
    graph = ModelGraph(schemas(schema("a.one", gone="b.gone")))
    assert graph.needs("a.one") == []


def test_dot_draws_each_model_and_each_need():
    dot = as_dot(ModelGraph(SHOP))
    assert dot.startswith("digraph")
    assert '"shop.line" -> "shop.order";' in dot
    assert dot.count("subgraph cluster_") == 2


def test_text_has_a_line_for_each_model():
    lines = as_text(ModelGraph(SHOP)).splitlines()
    assert len(lines) == len(SHOP)
    assert "shop.product (row by row)  needs shop.product" in "\n".join(lines)


def test_an_order_that_is_right_is_kept():
    assert groups([], [0], [], [1, 2]) == [[0], [1], [2], [3]]


def test_a_node_waits_for_what_it_refers_to():
    assert groups([2], [], [1]) == [[1], [2], [0]]


def test_a_cycle_is_one_group_in_the_order_of_its_nodes():
    assert groups([2], [], [1, 3], [0]) == [[1], [0, 2, 3]]


def test_a_node_that_refers_to_itself_is_a_group_of_one():
    assert groups([0]) == [[0]]


def test_a_chain_of_300_000_with_every_child_before_its_parent():
    count = 300_000
    lists = [[number + 1] for number in range(count - 1)] + [[]]
    assert [g[0] for g in dependency_groups(*edges(*lists))] == list(range(count - 1, -1, -1))


@pytest.mark.parametrize("count", [1, 2, 50])
def test_a_cycle_of_any_size_is_found_whole(count):
    lists = [[(number + 1) % count] for number in range(count)]
    random.Random(count).shuffle(lists[0])
    assert groups(*lists) == [list(range(count))]


def reached(lists, start):
    """All nodes that can be reached from one, by one step or more."""
    seen, todo = set(), [start]
    while todo:
        for target in lists[todo.pop()]:
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


@given(st.data())
def test_groups_are_what_reaches_each_other_and_come_after_what_they_reach(data):
    count = data.draw(st.integers(0, 12))
    nodes = st.integers(0, max(count - 1, 0))
    lists = [data.draw(st.lists(nodes, max_size=3)) for _ in range(count)]
    found = groups(*lists)
    place = {node: number for number, group in enumerate(found) for node in group}
    assert sorted(place) == list(range(count))
    reach = [reached(lists, node) for node in range(count)]
    for node in range(count):
        for other in reach[node]:
            assert place[other] <= place[node]
            assert (place[other] == place[node]) == (node == other or node in reach[other])
