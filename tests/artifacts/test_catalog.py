"""Finding an object among many: the chunk it is in, its line, the fixture it came from."""

import json
import uuid
from array import array

import pytest

from fixturepipe.artifacts.catalog import (
    CatalogWriter,
    _looked_up,
    find_object,
    lookup_key_of,
    objects_with_keys,
)
from fixturepipe.artifacts.manifest import read_manifest
from fixturepipe.artifacts.records import first_objects, object_lines
from fixturepipe.errors import ChunkFileError
from tests.arranging import a, arranged, schema, schemas, write

MODELS = schemas(
    schema("a.tag", "slug"),
    schema("a.tree", "name", parent="a.tree?"),
    schema("a.ring", "name", next="a.ring?"),
)


def find(found, label, pk):
    manifest = read_manifest(found.directory)
    return list(find_object(found.directory, manifest, label, pk))


KEY = uuid.UUID("00000000-0000-4000-8000-00000000000a")


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        (17, "17"),
        (17, 17),
        (0, "0"),
        (-3, "-3"),
        ("red", "red"),
        ("017", "017"),
        (10**25, str(10**25)),
        (str(KEY), str(KEY)),
        (str(KEY), KEY.hex),
        (str(KEY), str(KEY).upper()),
        ([1, "é"], '[1,"é"]'),
        ([1, 2], "[1, 2]"),
    ],
)
def test_an_object_is_found_by_its_key_as_it_is_typed(tmp_path, key, typed):
    objects = [a("a.tag", key, slug="it"), *(a("a.tag", n, slug="") for n in range(50, 90))]
    objects.append(a("a.tree", key, name="", parent=None))
    (hit,) = find(arranged(tmp_path, MODELS, objects, chunk_objects=7), "a.tag", typed)
    assert json.loads(hit.line) == objects[0]
    assert "a.tag" in hit.chunk.models


def test_what_is_not_there_is_not_found(tmp_path):
    found = arranged(tmp_path, MODELS, [a("a.tag", 1, slug="")])
    assert find(found, "a.tag", 2) == []
    assert find(found, "a.gone", 1) == []


def test_the_fixtures_that_hold_the_model_are_named(tmp_path):
    one = write(tmp_path / "one.json", [a("a.tag", 1, slug="")])
    two = write(
        tmp_path / "two.json", [a("a.tag", 2, slug=""), a("a.tree", 1, name="", parent=None)]
    )
    found = arranged(tmp_path, MODELS, [one, two])
    assert find(found, "a.tag", 1)[0].origins == (str(one), str(two))
    assert find(found, "a.tree", 1)[0].origins == (str(two),)


def test_an_object_of_a_broken_cycle_is_found_twice(tmp_path):
    ring = [a("a.ring", n, name="", next=(n + 1) % 9) for n in range(9)]
    found = arranged(tmp_path, MODELS, ring, chunk_objects=4)
    first, again = find(found, "a.ring", 0)
    assert (first.chunk.second_pass, again.chunk.second_pass) == (False, True)
    assert json.loads(again.line) == ring[0]


def test_objects_that_were_cut_again_are_found_where_they_are(tmp_path):
    objects = [a("a.tag", n, slug="") for n in range(10)]
    models = MODELS | schemas(schema("a.leaf", tag="a.tag"))
    objects += [a("a.leaf", n, tag=n * 2) for n in range(10)]
    found = arranged(tmp_path, models, objects, chunk_objects=3, on_orphan="reject")
    assert len(find(found, "a.leaf", 4)) == 1
    assert find(found, "a.leaf", 5) == []


def test_the_first_objects_of_a_chunk_are_read(tmp_path):
    objects = [a("a.tag", n, slug="é") for n in range(10)]
    found = arranged(tmp_path, MODELS, objects)
    path = found.directory.path / found.chunks[0].file
    assert first_objects(path, 3) == objects[:3]
    assert first_objects(path) == objects
    assert len(list(object_lines(path))) == 10


def test_finding_one_among_ten_million_reads_a_few_chunks_only(tmp_path):
    """The catalog of two thousand chunks, of which one is there to be read."""
    found = arranged(tmp_path, MODELS, [a("a.tag", 7_000_001, slug="it")])
    catalog = found.directory.chunks / ".catalog"
    catalog.unlink()
    writer = CatalogWriter(catalog)
    for number in range(2, 2002):
        # Every chunk spans all keys, as those of a tree in the worst order do.
        writer.add(f"{number}.draft", "a.tag", array("q", range(number, 10_000_000, 2000)))
        writer.number(f"{number}.draft", number)
    writer.add("1.draft", "a.tag", array("q", [7_000_001]))
    writer.number("1.draft", 1)
    writer.finish()
    manifest = read_manifest(found.directory)
    numbers, _ = _looked_up(found.directory, manifest, "a.tag", 7_000_001)
    assert numbers == {1, 1001 + 1000}
    (hit,) = find(found, "a.tag", 7_000_001)
    assert hit.chunk.number == 1


@pytest.mark.parametrize("content", [None, b"", b"no database" * 99])
def test_without_a_catalog_all_chunks_are_read(tmp_path, content):
    objects = [a("a.tag", n, slug="") for n in range(10)]
    found = arranged(tmp_path, MODELS, objects, chunk_objects=3)
    catalog = found.directory.chunks / ".catalog"
    catalog.unlink()
    if content is not None:
        catalog.write_bytes(content)
    (hit,) = find(found, "a.tag", 7)
    assert (json.loads(hit.line), hit.origins) == (objects[7], (str(tmp_path / "given.json"),))


@pytest.mark.parametrize(
    "key", [17, -3, 10**25, 0.5, "red", "017", 'a "b" \\', "é", str(KEY), [1, "é"]]
)
def test_objects_are_found_by_their_keys_among_others(tmp_path, key):
    objects = [a("a.tag", 1000 + n, slug=str(n)) for n in range(3)]
    objects += [a("a.tree", key, name="n", parent=None), a("a.tag", key, slug="it")]
    found = arranged(tmp_path, MODELS, objects)
    manifest = read_manifest(found.directory)
    (one,) = objects_with_keys(found.directory, manifest, "a.tag", [key, 5]).values()
    assert (one["pk"], one["fields"]) == (key, {"slug": "it"})


def test_a_boolean_key_is_found(tmp_path):
    found = arranged(tmp_path, MODELS, [a("a.tag", key, slug=str(key)) for key in (True, False)])
    manifest = read_manifest(found.directory)
    assert set(objects_with_keys(found.directory, manifest, "a.tag", [True])) == {"True"}


@pytest.mark.parametrize(
    "line", [b'{"model": "a.tag", "pk": 0,,', b"{\xff", b'{"n": ' + b"[" * 9999]
)
def test_a_damaged_chunk_is_named(tmp_path, line):
    found = arranged(tmp_path, MODELS, [a("a.tag", 0, slug="")])
    path = found.directory.path / found.chunks[0].file
    path.write_bytes(b"[\n" + line + b"\n]\n")
    for read in (lambda: first_objects(path), lambda: find(found, "a.tag", 0)):
        with pytest.raises(ChunkFileError, match="it has a line that is not an object"):
            read()


def test_a_proxys_label_finds_what_is_its_models(shop):
    shop.done("dump")
    shop.done("arrange")
    chunks = shop.json("inspect", "--model", "shop.order")["chunks"]
    assert shop.json("inspect", "--model", "shop.OpenOrder")["chunks"] == chunks != []
    first = json.loads((shop.workdir / chunks[0]["file"]).read_bytes())[0]
    found = shop.json("inspect", "--model", "shop.OpenOrder", "--pk", first["pk"])
    (found,) = found["places"]
    assert found["object"] == first


def test_a_reference_is_shown_with_the_natural_key_that_it_stands_for(shop):
    shop.done("dump", "accounts.user", "--natural-keys", "none")
    shop.done("arrange")
    objects = shop.json("inspect", "1", "--objects", "1000")["contents"][0]["objects"]
    invited = next(each for each in objects if each["fields"].get("invited_by"))
    host = next(each for each in objects if each["pk"] == invited["fields"]["invited_by"])
    shown = shop.done("inspect", "--model", "accounts.user", "--pk", invited["pk"])
    name = json.dumps([host["fields"]["username"]], ensure_ascii=False)
    assert f"    invited_by    {host['pk']}  (accounts.user {name})\n" in shown


def test_what_is_the_same_key_has_one_lookup_key():
    assert lookup_key_of(17) == lookup_key_of("17") == 17
    assert lookup_key_of(None) == 0
    assert lookup_key_of(10**30) == lookup_key_of(str(10**30))
