"""The geometry of the graph and of the timeline.

auth.user ◄── shop.customer ◄──► shop.address      shop.tag, alone
                  ▲
              shop.order ──► itself
"""

from __future__ import annotations

from fixturepipe.artifacts.times import ChunkTime
from fixturepipe.report.data import GraphModel, Stage
from fixturepipe.report.graphpicture import graph_picture
from fixturepipe.report.timeline import MOST_BLOCKS, stage_bars, timeline_of, worker_bars

GRAPH = [
    GraphModel("auth.user", [], 0, 1),
    GraphModel("shop.address", ["shop.customer"], 1, 2, cyclic=True),
    GraphModel("shop.customer", ["auth.user", "shop.address"], 1, 2, cyclic=True),
    GraphModel("shop.order", ["shop.customer", "shop.order"], 2, 3, cyclic=True),
    GraphModel("shop.tag", [], 0, 4),
]


def test_each_model_is_to_the_right_of_those_it_needs_but_for_cycles():
    picture = graph_picture(GRAPH)
    assert picture is not None
    by_number = {node.number: node for node in picture.nodes}
    assert len(picture.edges) == 5
    for edge in picture.edges:
        source, target = by_number[edge.source], by_number[edge.target]
        assert source.x > target.x or edge.kind == "cycle"
    assert picture.alone == ["shop.tag"]
    assert picture.cycles == [["shop.address", "shop.customer"], ["shop.order"]]
    assert all(node.x + picture.box <= picture.width for node in picture.nodes)


def test_no_two_models_are_at_the_same_place_however_many_a_layer_has():
    models = [GraphModel("a.root", [], 0, 0)]
    models += [GraphModel(f"app{n % 9}.m{n}", ["a.root"], 1, n) for n in range(1, 300)]
    picture = graph_picture(models)
    assert picture is not None
    places = {(node.x, node.y) for node in picture.nodes}
    assert len(places) == 300
    assert picture.height < 1_200


def test_a_project_without_references_has_no_picture_but_a_list():
    picture = graph_picture([GraphModel("a.b", [], 0, 1)])
    assert picture is not None
    assert (picture.nodes, picture.alone) == ([], ["a.b"])


def test_a_pause_between_two_loads_takes_no_room():
    times = [ChunkTime(1, "a", 1000.0, 2.0), ChunkTime(2, "b", 4600.0, 3.0)]
    timeline = timeline_of(times, {1: 10, 2: 20})
    assert timeline is not None
    assert (timeline.seconds, timeline.paused) == (5.0, 3598.0)
    assert [block.began for worker in timeline.workers for block in worker.blocks] == [0.0, 2.0]


def test_many_chunks_are_joined_and_none_is_lost():
    times = [ChunkTime(n, f"w{n % 40}", n * 0.1, 3.9) for n in range(50_000)]
    timeline = timeline_of(times, dict.fromkeys(range(50_000), 2))
    assert timeline is not None
    blocks = [block for worker in timeline.workers for block in worker.blocks]
    assert len(blocks) <= MOST_BLOCKS
    assert sum(block.chunks for block in blocks) == 50_000
    assert sum(block.objects for block in blocks) == 100_000
    bars = [bar for _, own in worker_bars(timeline) for bar in own]
    assert len(bars) == len(blocks)
    assert all(bar.x >= 0 and bar.x + bar.width <= 1001 for bar in bars)


def test_the_bars_of_stages_follow_each_other():
    bars = stage_bars([Stage("dump", "", 1.0, 500), Stage("load", "", 3.0, 0, finished=False)])
    assert [(bar.x, bar.width, bar.of.rate) for bar in bars] == [
        (0, 250.0, 500),
        (250.0, 750.0, None),
    ]
