"""Arranging: what comes out for what went in. Databases have no part in it."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fixturepipe.arrange.stage import ArrangeOptions, arrange
from fixturepipe.artifacts.manifest import (
    ManyToMany,
    ModelSchema,
    Reference,
    read_manifest,
    write_manifest,
)
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.errors import (
    DanglingReferenceError,
    FixtureError,
    FixturepipeError,
    RunDirectoryError,
)
from fixturepipe.events import StageAdvanced, StageFinished, StageStarted
from tests.arranging import a, arranged, counted, forward_references, schema, schemas, write
from tests.loading import Log

TAG = schema("shop.tag", "slug")
TREE = schema("shop.category", "name", parent="shop.category?")
ORDER = schema("shop.order", "note", customer="shop.customer")
CUSTOMER = schema("shop.customer", "name")
HEN = schema("farm.hen", "name", egg="farm.egg")
EGG = schema("farm.egg", "name", hen="farm.hen")
SHOP = schemas(ORDER, CUSTOMER, TREE, TAG, HEN, EGG)


def tags(count, start=1):
    return [a("shop.tag", number, slug=f"tag {number}") for number in range(start, start + count)]


def test_objects_come_out_as_they_went_in(tmp_path):
    objects = [*tags(3), a("shop.customer", 1, name="Ann"), a("shop.order", 7, note="", customer=1)]
    assert counted(arranged(tmp_path, SHOP, objects).objects()) == counted(objects)


KEYS = [1, 2, 10**20, "2", "red", "00000000-0000-4000-8000-00000000000a", None]
REFERENCES = [*KEYS, ["red"], ["red", 1], ["red", True], [["red"]]]


@given(
    customers=st.lists(st.sampled_from(KEYS), unique_by=str),
    orders=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(REFERENCES)), max_size=20),
)
def test_objects_together_are_taken_in_as_one_by_one(tmp_path_factory, customers, orders):
    """In our spelling they come together, in another one by one."""
    path = tmp_path_factory.mktemp("both")
    objects = [a("shop.customer", key, name="") for key in customers]
    objects += [a("shop.order", pk, note="", customer=key) for pk, key in orders]
    outcomes = []
    for name, indent in (("ours", None), ("other", 1)):
        file = path / f"{name}.json"
        file.write_text(json.dumps(objects, indent=indent))
        try:
            found = arranged(path / name, SHOP, [file], on_orphan="reject")
        except FixtureError as error:
            outcomes.append((error.problem, error.position))
        else:
            result = found.result
            outcomes.append((found.objects(), result.problems, result.rejected))
    assert outcomes[0] == outcomes[1]


def test_models_come_after_what_they_refer_to(tmp_path):
    objects = [a("shop.order", 7, note="", customer=1), a("shop.customer", 1, name="Ann")]
    assert arranged(tmp_path, SHOP, objects).order() == [("shop.customer", 1), ("shop.order", 7)]


def test_the_order_within_a_model_is_kept(tmp_path):
    objects = [*tags(3, 5), *tags(3)]
    assert [pk for _, pk in arranged(tmp_path, SHOP, objects).order()] == [5, 6, 7, 1, 2, 3]


def test_parents_come_before_their_children(tmp_path):
    objects = [a("shop.category", n, name="", parent=n + 1 if n < 9 else None) for n in range(10)]
    keys = [pk for _, pk in arranged(tmp_path, SHOP, objects).order()]
    assert keys == list(range(9, -1, -1))


def test_a_tree_in_the_right_order_is_left_alone(tmp_path):
    objects = [a("shop.category", n, name="", parent=(n // 3) or None) for n in (3, 1, 2, 9, 4, 10)]
    assert [pk for _, pk in arranged(tmp_path, SHOP, objects).order()] == [1, 3, 2, 9, 4, 10]


def test_a_chunk_is_bounded_by_objects(tmp_path):
    found = arranged(tmp_path, SHOP, tags(10), chunk_objects=4)
    assert [len(content) for content in found.contents()] == [4, 4, 2]


def test_a_chunk_is_bounded_by_bytes(tmp_path):
    found = arranged(tmp_path, SHOP, tags(50), chunk_bytes=500)
    assert all(chunk.bytes <= 500 for chunk in found.chunks)
    assert all(
        chunk.bytes + len(json.dumps(after[0])) + 10 > 500
        for chunk, after in zip(found.chunks, found.contents()[1:], strict=False)
    )


def test_an_object_over_the_limit_has_a_chunk_to_itself(tmp_path):
    objects = [*tags(2), a("shop.tag", 3, slug="x" * 900), *tags(2, 4)]
    found = arranged(tmp_path, SHOP, objects, chunk_bytes=300)
    assert [len(content) for content in found.contents()] == [2, 1, 2]


@pytest.mark.parametrize("chunk_objects", [1, 3, 5000])
def test_the_manifest_tells_the_truth_about_each_chunk(tmp_path, chunk_objects):
    objects = [*tags(7), *(a("shop.category", n, name="é", parent=None) for n in range(5))]
    found = arranged(tmp_path, SHOP, objects, chunk_objects=chunk_objects)
    for number, (chunk, content) in enumerate(
        zip(found.chunks, found.contents(), strict=True), start=1
    ):
        data = (found.directory.path / chunk.file).read_bytes()
        assert chunk.number == number
        assert chunk.objects == len(content) == sum(chunk.models.values())
        assert chunk.bytes == len(data)
        assert chunk.models == {label: len(content) for label in {x["model"] for x in content}}
    assert found.arrangement.objects == len(objects)
    assert found.arrangement.models == {"shop.tag": 7, "shop.category": 5}


def test_names_sort_in_load_order(tmp_path):
    found = arranged(tmp_path, SHOP, [*tags(20), a("shop.customer", 1, name="")], chunk_objects=1)
    names = [chunk.file for chunk in found.chunks]
    assert names == [f"2-chunks/{p.name}" for p in sorted(found.directory.chunks.glob("*.json"))]
    assert {"2-chunks/0001-shop.customer.json", "2-chunks/0021-shop.tag.json"} < set(names)


def test_a_chunk_holds_one_model_outside_components(tmp_path):
    objects = [*tags(2), a("shop.customer", 1, name=""), *tags(2, 3)]
    assert all(len(chunk.models) == 1 for chunk in arranged(tmp_path, SHOP, objects).chunks)


def test_each_object_is_a_line(tmp_path):
    found = arranged(tmp_path, SHOP, tags(3))
    lines = (found.directory.path / found.chunks[0].file).read_bytes().split(b"\n")
    assert [line[:1] for line in lines] == [b"[", b"{", b"{", b"{", b"]", b""]


def test_values_pass_through_unchanged(tmp_path):
    text = (
        '[{"model": "shop.tag", "pk": 1, "fields": {"slug": [1.5, -0.0, 1e400, 1.50,'
        ' 123456789012345678901234567890, "\\ud800", "\\u0000\\u2028é/", null, true]}}]'
    )
    path = tmp_path / "f.json"
    path.write_text(text, encoding="utf-8")
    found = arranged(tmp_path, SHOP, [path])
    line = (found.directory.path / found.chunks[0].file).read_text(encoding="utf-8")
    assert "1.5, -0.0, 1E+400, 1.50, 123456789012345678901234567890" in line
    assert json.loads(line) == json.loads(text)


def test_two_that_need_each_other_share_a_chunk(tmp_path):
    objects = [a("farm.hen", 1, name="", egg=1), a("farm.egg", 1, name="", hen=1)]
    found = arranged(tmp_path, SHOP, objects, chunk_objects=2)
    assert [chunk.cyclic for chunk in found.chunks] == [True]


def test_pairs_share_chunks_and_are_never_parted(tmp_path):
    objects = [
        *(a("farm.hen", n, name="", egg=n) for n in range(10)),
        *(a("farm.egg", n, name="", hen=n) for n in range(10)),
    ]
    found = arranged(tmp_path, SHOP, objects, chunk_objects=5)
    assert [len(content) for content in found.contents()] == [4, 4, 4, 4, 4]
    for content in found.contents():
        for label in ("farm.hen", "farm.egg"):
            assert {x["pk"] for x in content if x["model"] == label} == {x["pk"] for x in content}


def test_a_cycle_without_nullable_keys_is_one_chunk_however_large(tmp_path):
    ring = schemas(schema("a.ring", next="a.ring"))
    objects = [a("a.ring", n, next=(n + 1) % 20) for n in range(20)]
    found = arranged(tmp_path, ring, objects, chunk_objects=5)
    assert [
        (len(content), chunk.cyclic)
        for content, chunk in zip(found.contents(), found.chunks, strict=True)
    ] == [(20, True)]


def test_a_large_cycle_is_broken_at_keys_that_may_be_null(tmp_path):
    ring = schemas(schema("a.ring", "name", next="a.ring?"))
    objects = [a("a.ring", n, name="", next=(n + 1) % 20) for n in range(20)]
    found = arranged(tmp_path, ring, objects, chunk_objects=5)
    first = [
        x
        for chunk, c in zip(found.chunks, found.contents(), strict=True)
        if not chunk.second_pass
        for x in c
    ]
    again = [
        x
        for chunk, c in zip(found.chunks, found.contents(), strict=True)
        if chunk.second_pass
        for x in c
    ]
    assert [x["pk"] for x in first] == list(range(20))
    assert {x["pk"]: x["fields"]["next"] for x in first} == dict.fromkeys(range(19)) | {19: 0}
    assert counted(again) == counted(objects[:19])
    assert not any(chunk.cyclic for chunk in found.chunks)
    assert all(chunk.objects <= 5 for chunk in found.chunks)
    assert all(chunk.after for chunk in found.chunks if chunk.second_pass)
    assert found.result.objects == 20
    assert forward_references(ring, found.contents()) == []


def test_an_object_that_refers_to_itself_is_in_a_cyclic_chunk(tmp_path):
    objects = [a("shop.category", 1, name="", parent=1)]
    assert arranged(tmp_path, SHOP, objects).chunks[0].cyclic


def test_in_a_component_models_are_brought_together_where_rows_allow(tmp_path):
    models = schemas(
        schema("a.user", best="a.thing?"),
        schema("a.thing", owner="a.user"),
    )
    objects = [
        *(a("a.user", n, best=None) for n in range(5)),
        *(a("a.thing", n, owner=n) for n in range(5)),
        *(a("a.user", 5 + n, best=n) for n in range(5)),
    ]
    found = arranged(tmp_path, models, objects)
    labels = [label for label, _ in found.order()]
    assert sum(one != two for one, two in pairwise(labels)) == 2
    assert forward_references(models, [[x] for x in found.objects()]) == []


def test_a_chunk_names_the_chunks_it_needs(tmp_path):
    objects = [
        *tags(4),
        *(a("shop.customer", n, name="") for n in range(4)),
        *(a("shop.order", n, note="", customer=n) for n in range(4)),
    ]
    found = arranged(tmp_path, SHOP, objects, chunk_objects=2)
    after = {chunk.number: chunk.after for chunk in found.chunks}
    labels = {chunk.number: next(iter(chunk.models)) for chunk in found.chunks}
    customers = [number for number, label in labels.items() if label == "shop.customer"]
    for number, label in labels.items():
        needed = ((customers[0], customers[-1]),) if label == "shop.order" else ()
        assert after[number] == needed


def test_a_chunk_of_a_tree_needs_only_those_that_hold_its_parents(tmp_path):
    parents = {1: None, 2: None, 3: 1, 4: 1, 5: 2, 6: 2}
    objects = [a("shop.category", n, name="", parent=parent) for n, parent in parents.items()]
    found = arranged(tmp_path, SHOP, objects, chunk_objects=1)
    assert [chunk.after for chunk in found.chunks] == [
        (),
        (),
        ((1, 1),),
        ((1, 1),),
        ((2, 2),),
        ((2, 2),),
    ]


def test_the_same_fixtures_give_the_same_bytes(tmp_path):
    objects = [a("shop.category", n, name="", parent=n % 7 + 8 or None) for n in range(8, 40)]
    path = write(tmp_path / "given.json", objects)
    one = arranged(tmp_path / "one", SHOP, [path], chunk_objects=3)
    two = arranged(tmp_path / "two", SHOP, [path], chunk_objects=3)
    assert one.files() == two.files()
    assert one.chunks == two.chunks


def test_events_count_each_object_once(tmp_path):
    events = []
    objects = [*tags(2500), *(a("shop.category", n, name="", parent=None) for n in range(1, 2200))]
    arranged(tmp_path, SHOP, objects, events.append)
    assert events[0] == StageStarted("arrange", None)
    assert sum(e.objects for e in events if isinstance(e, StageAdvanced)) == 4699
    assert isinstance(events[-1], StageFinished)
    assert events[-1].objects == 4699


# Doing it again


def test_a_valid_arrangement_is_left_alone(tmp_path):
    before = arranged(tmp_path, SHOP, tags(3))
    times = {path: path.stat().st_mtime_ns for path in before.directory.chunks.iterdir()}
    after = arranged(tmp_path, SHOP, tags(3))
    assert after.result.unchanged
    assert {path: path.stat().st_mtime_ns for path in after.directory.chunks.iterdir()} == times


@pytest.mark.parametrize(
    "change",
    [
        {"chunk_objects": 1},
        {"chunk_bytes": 100},
        {"on_orphan": "reject"},
        {"ignorenonexistent": True},
    ],
)
def test_other_options_arrange_again(tmp_path, change):
    arranged(tmp_path, SHOP, tags(3))
    assert not arranged(tmp_path, SHOP, tags(3), **change).result.unchanged


def test_other_fixtures_arrange_again(tmp_path):
    arranged(tmp_path, SHOP, tags(3))
    assert arranged(tmp_path, SHOP, tags(4)).result.models == {"shop.tag": 4}


def test_other_models_arrange_again(tmp_path):
    arranged(tmp_path, SHOP, tags(3))
    more = SHOP | schemas(schema("shop.more", "x"))
    assert not arranged(tmp_path, more, tags(3)).result.unchanged


def test_a_chunk_that_is_gone_is_made_again(tmp_path):
    found = arranged(tmp_path, SHOP, tags(3))
    (found.directory.path / found.chunks[0].file).unlink()
    assert len(arranged(tmp_path, SHOP, tags(3)).objects()) == 3


def test_nothing_is_left_over_with_the_chunks(tmp_path):
    found = arranged(tmp_path, SHOP, [*tags(3), a("shop.category", 1, name="", parent=None)])
    assert {path.name for path in found.directory.chunks.iterdir()} == {
        ".catalog",
        "0001-shop.category.json",
        "0002-shop.tag.json",
    }
    assert not found.directory.arranging.exists()


def test_files_are_for_their_owner_only(tmp_path):
    found = arranged(tmp_path, SHOP, tags(3))
    assert found.directory.chunks.stat().st_mode & 0o777 == 0o700
    for path in found.directory.chunks.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_failure_takes_the_old_arrangement_out_of_the_manifest(tmp_path):
    found = arranged(tmp_path, SHOP, tags(3))
    broken = tmp_path / "broken.json"
    broken.write_text("[{", encoding="utf-8")
    with pytest.raises(FixtureError):
        arranged(tmp_path, SHOP, [broken])
    assert read_manifest(found.directory).arrangement is None
    assert not found.directory.arranging.exists()


KILLED = """
import sys
from pathlib import Path
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.arrange.stage import ArrangeOptions, arrange
from tests.arrange.test_stage import SHOP
def tell(event):
    print(event, flush=True)
    sys.stdin.read(1) if "StageAdvanced" in str(event) else None
arrange(RunDirectory(Path(sys.argv[1])), SHOP, [Path(sys.argv[2])], ArrangeOptions(), tell)
"""


def test_a_killed_arrange_leaves_no_chunk_that_load_would_take(tmp_path):
    found = arranged(tmp_path, SHOP, tags(3))
    more = write(tmp_path / "more.json", tags(5000))
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(found.directory.path), str(more)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path.cwd(),
    )
    assert process.stdout is not None
    while b"StageAdvanced" not in process.stdout.readline():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert read_manifest(found.directory).arrangement is None
    assert arranged(tmp_path, SHOP, [more]).result.objects == 5000
    assert not found.directory.arranging.exists()


def test_a_full_disk_is_named_and_leaves_nothing_half_done(tmp_path):
    objects = [*tags(3000), *(a("shop.category", n, name="", parent=n - 1) for n in range(1, 3000))]
    path = write(tmp_path / "given.json", [*objects, a("shop.category", 0, name="", parent=None)])
    directory = RunDirectory(tmp_path / "run")

    def full(event):
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(FixturepipeError, match="cannot be written"):
            arrange(directory, SHOP, [path], ArrangeOptions(), full)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert read_manifest(directory).arrangement is None
    assert not directory.arranging.exists()


MEASURED = """
import resource, sys
from pathlib import Path
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.arrange.stage import arrange
from tests.arrange.test_stage import SHOP
arrange(RunDirectory(Path(sys.argv[1])), SHOP, [Path(sys.argv[2])])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_objects(tmp_path):
    """A tree with every child before its parent, orders and their customers."""

    def peak(count):
        path = tmp_path / f"{count}.json"
        with path.open("w", encoding="utf-8") as file:
            file.write("[")
            for n in range(count, 0, -1):
                up = n - n % 7 - 1
                tree = a("shop.category", n, name="x" * 30, parent=up if up > 0 else None)
                file.write(json.dumps(tree) + ",")
                order = a("shop.order", f"{n:032x}", note="x" * 100, customer=n % 50 + 1)
                file.write(json.dumps(order) + ",")
            customers = [a("shop.customer", n, name="") for n in range(1, 51)]
            file.write(json.dumps(customers)[1:])
        arguments = [sys.executable, "-c", MEASURED, str(tmp_path / f"run{count}"), str(path)]
        done = subprocess.run(arguments, capture_output=True, check=True, cwd=Path.cwd())
        return int(done.stdout) / 1024

    assert peak(60_000) - peak(6_000) < 30


# Dumps


def test_without_files_the_dumps_are_arranged(tmp_path):
    from fixturepipe.artifacts.manifest import Dump, Manifest

    directory = RunDirectory(tmp_path / "run")
    directory.create()
    path = write(directory.dumps / "shop.json", tags(3))
    dump = Dump("shop", "1-dump/shop.json", 3, path.stat().st_size, "", {"shop.tag": 3})
    write_manifest(directory, Manifest(run="0" * 32, created="", dumps=[dump]))
    events = []
    result = arrange(directory, SHOP, (), ArrangeOptions(), events.append)
    assert result.objects == 3
    assert events[0] == StageStarted("arrange", 3)
    assert list(read_manifest(directory).arrangement.inputs) == ["1-dump/shop.json"]


def test_without_files_and_dumps_there_is_nothing_to_arrange(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    with pytest.raises(RunDirectoryError, match="holds no run"):
        arrange(directory, SHOP, ())
    arranged(tmp_path, SHOP, tags(1))
    with pytest.raises(RunDirectoryError, match="holds no dumps"):
        arrange(directory, SHOP, ())


# Broken fixtures


@pytest.mark.parametrize("objects", [[*tags(2), *tags(2)], [a("shop.tag", "1", slug=""), *tags(1)]])
def test_the_same_key_twice_names_both_places(tmp_path, objects):
    with pytest.raises(FixtureError, match=r"object \d.*shop.tag with pk 1 is already in object 1"):
        arranged(tmp_path, SHOP, objects)


def test_the_same_key_in_two_files_names_both(tmp_path):
    one, two = write(tmp_path / "one.json", tags(3)), write(tmp_path / "two.json", tags(1, 2))
    with pytest.raises(FixtureError) as caught:
        arranged(tmp_path, SHOP, [one, two])
    assert re.search(
        r"two.json, object 1: .* is already in .*one.json, object 2", str(caught.value)
    )


@pytest.mark.parametrize("count", [2, 3000])
def test_the_same_text_key_twice_names_both_places(tmp_path, count):
    objects = [a("shop.tag", f"k{n}", slug="") for n in range(count)]
    with pytest.raises(FixtureError, match="pk k1 is already in object 2"):
        arranged(tmp_path, SHOP, [*objects, a("shop.tag", "k1", slug="")])


def test_an_empty_list_arranges_to_nothing(tmp_path):
    path = tmp_path / "f.json"
    path.write_text("[]", encoding="utf-8")
    found = arranged(tmp_path, SHOP, [path])
    assert found.result.objects == 0
    assert found.chunks == ()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FixtureError, match=r"gone\.json: there is no such file"):
        arranged(tmp_path, SHOP, [tmp_path / "gone.json"])


# Dangling references

FAMILY = schemas(
    schema("a.root", "name"),
    schema("a.child", "name", root="a.root"),
    schema("a.grandchild", "name", child="a.child"),
    schema("a.friend", "name", child="a.child?"),
    schema("a.tree", parent="a.tree?", root="a.root?"),
    ModelSchema("a.loose", "t", "id", ("root",), (Reference("root", "a.root", constrained=False),)),
)


def family(root=1):
    return [
        a("a.root", 1, name=""),
        a("a.child", 1, name="", root=root),
        a("a.grandchild", 1, name="", child=1),
        a("a.friend", 1, name="", child=1),
        a("a.friend", 2, name="", child=None),
    ]


def test_nothing_is_wrong_where_all_is_there(tmp_path):
    found = arranged(tmp_path, FAMILY, family())
    assert found.result.problems == []
    assert list(found.directory.rejects.iterdir()) == []


def test_every_dangling_reference_is_named_and_stops(tmp_path):
    objects = [a("a.child", n, name="", root=n + 7) for n in range(1, 40)]
    with pytest.raises(DanglingReferenceError) as caught:
        arranged(tmp_path, FAMILY, objects)
    assert "Found 39 dangling references: " in caught.value.message
    assert "a.child 1: root refers to a.root 8, which does not exist" in caught.value.message
    assert "39 from a.child.root to a.root" in caught.value.message
    reasons = json.loads((tmp_path / "run/rejects/arrange.reasons.json").read_bytes())
    assert [(x["model"], x["pk"], x["field"], x["value"]) for x in reasons] == [
        ("a.child", n, "root", str(n + 7)) for n in range(1, 40)
    ]
    assert read_manifest(RunDirectory(tmp_path / "run")).arrangement is None


def test_rejecting_takes_along_what_depends_on_the_rejected(tmp_path):
    found = arranged(tmp_path, FAMILY, family(root=9), on_orphan="reject")
    assert found.order() == [("a.root", 1), ("a.friend", 2)]
    assert found.result.rejected == {"a.child": 1, "a.grandchild": 1, "a.friend": 1}
    rejected = json.loads((found.directory.rejects / "arrange.json").read_bytes())
    assert counted(rejected) == counted(family(root=9)[1:4])
    assert found.result.objects + sum(found.result.rejected.values()) == 5


def test_null_is_written_where_the_column_allows_it(tmp_path):
    found = arranged(tmp_path, FAMILY, family(root=9), on_orphan="null")
    assert found.result.rejected == {"a.child": 1, "a.grandchild": 1}
    friends = [x["fields"]["child"] for x in found.objects() if x["model"] == "a.friend"]
    assert friends == [None, None]
    assert [(p.model, p.done) for p in found.result.problems] == [
        ("a.child", "rejected"),
        ("a.grandchild", "rejected"),
        ("a.friend", "null"),
    ]


@pytest.mark.parametrize("count", [3, 3000])
def test_rejecting_goes_down_a_tree_in_any_order(tmp_path, count):
    objects = [a("a.tree", n, parent=n + 1, root=None) for n in range(1, count)]
    objects.append(a("a.tree", count, parent=None, root=99))
    found = arranged(tmp_path, FAMILY, [*objects, a("a.root", 1, name="")], on_orphan="reject")
    assert found.order() == [("a.root", 1)]
    assert found.result.rejected == {"a.tree": count}


def test_a_tree_stays_whole_where_null_is_written(tmp_path):
    objects = [a("a.tree", n, parent=n + 1, root=None) for n in range(1, 10)]
    objects.append(a("a.tree", 10, parent=11, root=99))
    found = arranged(tmp_path, FAMILY, objects, on_orphan="null")
    assert [x["pk"] for x in found.objects()] == list(range(10, 0, -1))
    assert found.objects()[0]["fields"] == {"parent": None, "root": None}


def test_rejecting_one_of_a_cycle_rejects_those_that_need_it(tmp_path):
    farm = schemas(
        schema("farm.hen", egg="farm.egg", farm="farm.farm?"),
        schema("farm.egg", hen="farm.hen"),
        schema("farm.farm", "name"),
    )
    objects = [
        a("farm.hen", 1, egg=1, farm=5),
        a("farm.egg", 1, hen=1),
        a("farm.hen", 2, egg=2, farm=None),
        a("farm.egg", 2, hen=2),
    ]
    found = arranged(tmp_path, farm, objects, on_orphan="reject")
    assert sorted(found.order()) == [("farm.egg", 2), ("farm.hen", 2)]


def test_a_reference_without_constraint_may_lead_nowhere(tmp_path):
    assert arranged(tmp_path, FAMILY, [a("a.loose", 1, root=99)]).result.problems == []


def test_what_the_target_holds_is_no_orphan(tmp_path):
    asked = []

    def in_target(label, to, keys):
        asked.append((label, to, list(keys)))
        return {8}

    objects = [a("a.child", 1, name="", root=8), a("a.child", 2, name="", root=9)]
    found = arranged(tmp_path, FAMILY, objects, in_target=in_target, on_orphan="reject")
    assert found.order() == [("a.child", 1)]
    assert asked == [("a.root", "pk", [8, 9])]


def test_a_target_without_the_table_holds_nothing_but_what_it_will_make_itself(tmp_path):
    both = FAMILY | NATURAL
    objects = [a("n.grant", 1, perm=["add", "shop", "tag"]), a("a.child", 1, name="", root=8)]
    found = arranged(tmp_path, both, objects, in_target=lambda *_: None, on_orphan="reject")
    assert found.order() == [("n.grant", 1)]


def test_the_target_is_asked_in_batches(tmp_path):
    sizes = []

    def in_target(label, to, keys):
        sizes.append(len(keys))
        return set(keys)

    objects = [a("a.child", n, name="", root=n) for n in range(1, 1202)]
    assert arranged(tmp_path, FAMILY, objects, in_target=in_target).result.problems == []
    assert sum(sizes) == 1201
    assert max(sizes) <= 500


@pytest.mark.parametrize("keys", ["text", "sparse"])
def test_orphans_are_found_among_keys_of_any_kind(tmp_path, keys):
    def key(number):
        return f"key {number}" if keys == "text" else number * 10**12

    objects = [
        *(a("a.root", key(n), name="") for n in range(1, 5001)),
        *(a("a.child", n, name="", root=key(n)) for n in range(1, 5011)),
    ]
    found = arranged(tmp_path, FAMILY, objects, on_orphan="reject")
    assert found.result.rejected == {"a.child": 10}
    assert [p.value for p in found.result.problems] == [key(n) for n in range(5001, 5011)]


# Natural keys

NATURAL = schemas(
    ModelSchema(
        "n.type", "t", "id", ("app", "model"), natural_key=("app", "model"), natural_primary=True
    ),
    ModelSchema(
        "n.perm",
        "p",
        "id",
        ("code", "type"),
        (Reference("type", "n.type"),),
        natural_key=("code", "type__app", "type__model"),
        natural_primary=True,
    ),
    ModelSchema("n.grant", "g", "id", ("perm",), (Reference("perm", "n.perm"),)),
    ModelSchema(
        "n.node",
        "n",
        "id",
        ("slug", "parent"),
        (Reference("parent", "n.node", null=True),),
        natural_key=("slug",),
    ),
    ModelSchema("n.odd", "o", "id", ("x", "peer"), (Reference("peer", "n.odd", null=True),)),
)


def test_a_tree_by_natural_key_is_ordered(tmp_path):
    objects = [
        a("n.node", n, slug=f"s{n}", parent=[f"s{n + 1}"] if n < 9 else None) for n in range(10)
    ]
    found = arranged(tmp_path, NATURAL, objects)
    assert [pk for _, pk in found.order()] == list(range(9, -1, -1))


def test_a_tree_of_objects_without_primary_keys_is_ordered(tmp_path):
    objects = [
        a("n.node", slug=f"s{n}", parent=[f"s{n + 1}"] if n < 9 else None) for n in range(10)
    ]
    found = arranged(tmp_path, NATURAL, objects)
    assert [x["fields"]["slug"] for x in found.objects()] == [f"s{n}" for n in range(9, -1, -1)]


def test_a_cycle_by_natural_keys_is_written_with_primary_keys(tmp_path):
    objects = [a("n.node", 1, slug="a", parent=["b"]), a("n.node", 2, slug="b", parent=["a"])]
    found = arranged(tmp_path, NATURAL, objects)
    assert [x["fields"]["parent"] for x in found.objects()] == [2, 1]


def test_natural_keys_through_natural_keys_are_found(tmp_path):
    objects = [
        a("n.grant", 1, perm=["add", "shop", "tag"]),
        a("n.grant", 2, perm=["add", "shop", "gone"]),
        a("n.perm", code="add", type=["shop", "tag"]),
        a("n.type", app="shop", model="tag"),
    ]
    found = arranged(tmp_path, NATURAL, objects, on_orphan="reject", in_target=lambda *_: set())
    assert [x["model"] for x in found.objects()] == ["n.type", "n.perm", "n.grant"]
    assert [(p.pk, p.value) for p in found.result.problems] == [(2, ["add", "shop", "gone"])]


def test_natural_keys_are_asked_for_as_tuples(tmp_path):
    def in_target(label, to, keys):
        assert (label, to) == ("n.perm", "natural key")
        return [key for key in keys if key == ("add", "shop", "tag")]

    objects = [a("n.grant", 1, perm=["add", "shop", "tag"])]
    assert arranged(tmp_path, NATURAL, objects, in_target=in_target).result.problems == []


def test_what_every_target_makes_itself_is_no_orphan_where_no_target_is_asked(tmp_path):
    objects = [a("n.grant", 1, perm=["add", "shop", "tag"])]
    assert arranged(tmp_path, NATURAL, objects).result.problems == []


def test_the_same_natural_key_twice_without_primary_keys_names_both_places(tmp_path):
    objects = [a("n.type", app="shop", model="tag")] * 2
    with pytest.raises(FixtureError, match="is already in object 1"):
        arranged(tmp_path, NATURAL, objects)


def test_a_natural_key_need_not_be_unique_where_there_are_primary_keys(tmp_path):
    objects = [a("n.node", 1, slug="", parent=None), a("n.node", 2, slug="", parent=None)]
    assert arranged(tmp_path, NATURAL, objects).result.objects == 2


def test_references_by_a_computed_natural_key_come_null_first_and_whole_at_the_end(tmp_path):
    objects = [a("n.odd", n, x=f"x{n}", peer=[f"computed {n + 1}"]) for n in range(5)]
    objects.append(a("n.odd", 5, x="x5", peer=3))
    found = arranged(tmp_path, NATURAL, objects, chunk_objects=4)
    first = [
        x
        for c, o in zip(found.chunks, found.contents(), strict=True)
        if not c.second_pass
        for x in o
    ]
    again = [
        x for c, o in zip(found.chunks, found.contents(), strict=True) if c.second_pass for x in o
    ]
    assert [x["fields"]["peer"] for x in first] == [None] * 5 + [3]
    assert counted(again) == counted(objects[:5])
    assert [chunk.after for chunk in found.chunks if chunk.second_pass] == [((1, 2),)] * 2


def test_a_computed_natural_key_is_not_taken_for_an_orphan(tmp_path):
    assert arranged(tmp_path, NATURAL, [a("n.odd", 1, x="", peer=["?"])]).result.problems == []


def test_references_to_another_unique_field_are_followed(tmp_path):
    models = schemas(
        ModelSchema(
            "u.node", "n", "id", ("code", "up"), (Reference("up", "u.node", to="code", null=True),)
        )
    )
    objects = [a("u.node", n, code=f"c{n}", up=f"c{n + 1}") for n in range(9)]
    objects.append(a("u.node", 9, code="c9", up="gone"))
    found = arranged(tmp_path, models, objects, on_orphan="null")
    assert [pk for _, pk in found.order()] == list(range(9, -1, -1))
    assert [p.value for p in found.result.problems] == ["gone"]


# Fixtures from elsewhere

FOREIGN = schemas(
    ModelSchema(
        "b.book",
        "b",
        "id",
        ("title", "author"),
        (Reference("author", "b.author"),),
        many_to_many=(
            ManyToMany("tags", "b.book_tags", "book", "tag"),
            ManyToMany("editors", "b.editing", "book", "author"),
        ),
        derived=("shouted",),
    ),
    ModelSchema(
        "b.author",
        "a",
        "id",
        ("name",),
        natural_key=("name",),
        many_to_many=(
            ManyToMany("friends", "b.author_friends", "from_author", "to_author", symmetrical=True),
        ),
    ),
    ModelSchema("b.novel", "n", "book_ptr", ("pages",), (Reference("pk", "b.book", parent=True),)),
    schema("b.tag", "slug"),
    schema("b.book_tags", book="b.book", tag="b.tag"),
    schema("b.author_friends", from_author="b.author", to_author="b.author"),
    schema("b.editing", "role", book="b.book", author="b.author"),
)


def foreign(tmp_path, *objects, **options):
    return arranged(tmp_path, FOREIGN, objects, **options).objects()


def author(pk=1, **more):
    return a("b.author", pk, name=f"N{pk}", **more)


def test_a_many_to_many_list_becomes_rows_of_the_through_model(tmp_path):
    found = foreign(
        tmp_path,
        a("b.book", 1, title="", author=1, tags=[1, 2, 2]),
        author(),
        a("b.tag", 1, slug=""),
        a("b.tag", 2, slug=""),
    )
    assert found[-2:] == [a("b.book_tags", book=1, tag=1), a("b.book_tags", book=1, tag=2)]
    assert not any("tags" in x["fields"] for x in found)


def test_a_symmetrical_list_gives_both_directions_once(tmp_path):
    found = foreign(tmp_path, author(1, friends=[2]), author(2, friends=[1, 3]), author(3))
    links = [x["fields"] for x in found if x["model"] == "b.author_friends"]
    assert sorted((x["from_author"], x["to_author"]) for x in links) == [
        (1, 2),
        (2, 1),
        (2, 3),
        (3, 2),
    ]


def test_a_symmetrical_list_by_natural_keys_gives_both_directions_once(tmp_path):
    """As `dumpdata --natural-foreign` writes it: the objects have primary keys, the lists not."""
    found = foreign(tmp_path, author(1, friends=[["N2"]]), author(2, friends=[["N1"], ["N2"]]))
    links = [x["fields"] for x in found if x["model"] == "b.author_friends"]
    assert sorted((x["from_author"], x["to_author"]) for x in links) == [
        (["N1"], ["N2"]),
        (["N2"], ["N1"]),
        (["N2"], ["N2"]),
    ]


def test_a_parents_list_at_its_child_becomes_rows_of_the_parents_through_model(tmp_path):
    found = foreign(
        tmp_path,
        author(),
        a("b.book", 1, title="", author=1, tags=[1]),
        a("b.novel", 1, pages=7, tags=[1, 2], editors=[]),
        a("b.tag", 1, slug=""),
        a("b.tag", 2, slug=""),
    )
    links = [x for x in found if x["model"] == "b.book_tags"]
    assert links == [a("b.book_tags", book=1, tag=1), a("b.book_tags", book=1, tag=2)]
    assert a("b.novel", 1, pages=7) in found


def test_an_empty_list_needs_no_key_to_link_by(tmp_path):
    assert foreign(tmp_path, author(), a("b.book", title="", author=1, tags=[]))[1:] == [
        a("b.book", title="", author=1)
    ]


def test_a_proxys_objects_are_those_of_its_model_and_that_is_said(tmp_path):
    log = Log()
    models = FOREIGN | schemas(replace(FOREIGN["b.tag"], proxies=("b.badge", "b.label")))
    objects = [a("b.badge", 1, slug=""), a("b.Label", 2, slug=""), a("b.badge", 3, slug="")]
    found = arranged(tmp_path, models, objects, log)
    assert found.objects() == [a("b.tag", n, slug="") for n in (1, 2, 3)]
    assert log.text.splitlines() == [
        "b.badge is a proxy: its objects (2) are arranged as b.tag",
        "b.label is a proxy: its objects (1) are arranged as b.tag",
    ]


def test_the_same_key_at_a_proxy_and_at_its_model_is_the_same_object(tmp_path):
    models = FOREIGN | schemas(replace(FOREIGN["b.tag"], proxies=("b.badge",)))
    with pytest.raises(FixtureError, match=r"object 2: b.tag with pk 1 is already in object 1"):
        arranged(tmp_path, models, [a("b.badge", 1, slug=""), a("b.tag", 1, slug="")])


def test_a_list_by_natural_keys_of_an_object_without_primary_key(tmp_path):
    found = foreign(
        tmp_path, a("b.author", name="A", friends=[["B"]]), a("b.author", name="B", friends=[])
    )
    links = [x["fields"] for x in found if x["model"] == "b.author_friends"]
    assert links == [
        {"from_author": ["A"], "to_author": ["B"]},
        {"from_author": ["B"], "to_author": ["A"]},
    ]


def test_a_list_of_an_explicit_through_model_becomes_its_rows(tmp_path):
    found = foreign(tmp_path, a("b.book", 1, title="", author=1, editors=[1]), author())
    assert found[-1] == a("b.editing", book=1, author=1)


def test_a_list_of_many_rows_is_only_chunks(tmp_path):
    objects = [author(1, friends=list(range(2, 20_002))), *(author(n) for n in range(2, 20_002))]
    found = arranged(tmp_path, FOREIGN, objects)
    assert found.result.models == {"b.author": 20_001, "b.author_friends": 40_000}
    assert max(chunk.objects for chunk in found.chunks) == 5000


def test_a_dangling_many_to_many_row_is_an_orphan(tmp_path):
    with pytest.raises(DanglingReferenceError, match=r"book_tags: tag refers to b.tag 9"):
        foreign(tmp_path, a("b.book", 1, title="", author=1, tags=[9]), author())


def test_generated_columns_and_a_parents_fields_fall_away(tmp_path):
    found = foreign(
        tmp_path,
        author(),
        a("b.book", 1, title="", author=1, shouted="!"),
        a("b.novel", 1, pages=7, title="", author=1),
    )
    assert found[1:] == [a("b.book", 1, title="", author=1), a("b.novel", 1, pages=7)]


def test_a_column_name_with_id_and_a_key_among_the_fields(tmp_path):
    found = foreign(tmp_path, author(), a("b.book", title="", author_id=1, id=5))
    assert found[1] == a("b.book", 5, title="", author=1)


def test_model_names_are_read_in_any_case(tmp_path):
    assert foreign(tmp_path, a("b.Author", 1, name="")) == [a("b.author", 1, name="")]


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([a("b.gone", 1)], r"object 1 \(b.gone 1\): the project has no model 'b.gone'"),
        ([a("nonsense", 1)], "the project has no model 'nonsense'"),
        (
            [author(), a("b.tag", 2, slug="", color="")],
            r"object 2 \(b.tag 2\): b.tag has no field 'color'",
        ),
        ([a("b.author", 1, name="", friends=5)], "'friends' is many-to-many: it takes a list"),
        ([a("b.book", title="", tags=[1])], "no primary or natural key for its rows"),
    ],
)
def test_what_the_project_does_not_know_is_named(tmp_path, objects, said):
    with pytest.raises(FixtureError, match=said):
        foreign(tmp_path, *objects)


def test_what_the_project_does_not_know_can_be_ignored_and_is_counted(tmp_path):
    objects = [a("b.gone", 1), a("b.tag", 2, slug="", color=""), a("b.gone", 2)]
    found = arranged(tmp_path, FOREIGN, objects, ignorenonexistent=True)
    assert found.objects() == [a("b.tag", 2, slug="")]
    assert found.result.ignored == {"b.gone": 2, "b.tag.color": 1}


def test_a_manifest_is_made_for_fixtures_from_elsewhere(tmp_path):
    found = arranged(tmp_path, FOREIGN, [author()])
    manifest = read_manifest(found.directory)
    assert len(manifest.run) == 32
    assert manifest.schemas() == FOREIGN
