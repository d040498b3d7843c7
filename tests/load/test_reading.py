"""Chunks read while the server works on others: the same rows, whenever that is."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints
from fixturepipe.errors import ChunkFileError
from fixturepipe.load.objects.groups import Group
from fixturepipe.load.objects.modelplan import ModelPlans
from fixturepipe.load.objects.reading import ChunkReader
from fixturepipe.load.objects.rows import RowProblem, Rows
from fixturepipe.load.server.statements import StatementWriter
from tests.django_versions import HAS_COMPOSITE_KEYS
from tests.loading import a, chunk_path, column, load_into, make_run

FIRST = [a("shade", 1, slug="red")]
CHUNKS = {
    "every type": [
        a("document", 1, content=None, required=None),
        a("document", 2, content={"a": [1, "é'\\"]}, required=[]),
        a("stamped", 1, made="2020-02-29T10:00:00.5Z", changed="2020-01-01T00:00:00Z", day=None),
        a("stamped", 2, made="2020-01-01T00:00:00+02:00", changed=None, day="2020-01-01"),
    ],
    "natural keys": [
        a("pointer", 1, shade=["red"], person=None, spot=3, membership=["x", "y", None]),
        a("pointer", 2, shade=["red"]),
        a("pointer", 3, shade=None, nowhere=999),
    ],
    "no keys": [a("shade", slug="green"), a("shade", 5, slug="blue"), a("defaults", name="n")],
    "the same key twice": [a("shade", 5, slug="blue"), a("shade", 5, slug="navy")],
    "composite keys": [a("seat", ["A", 1], row="A", number=1), a("seat", ["A", 2], taken=True)],
    "text keys": [{"model": "loading.odd", "pk": "it's 5 %", "fields": {"share": 1}}],
    "fields of the project's own": [
        a("custom", 1, words="a b", loud="quiet"),
        a("asking", 1, name="who?"),
    ],
    "bad values": [
        a("strict", 1, short="x", once="a", small="none", positive=1, price="1.0"),
        a("strict", 2, short="x", once="b", small=2, positive=1, price="many"),
        a("strict", 3, short="\ud800", once="c", small=2, positive=1, price=None),
        a("stamped", 1, made="2020-02-30T10:00:00Z", changed="yesterday", day="2020-1-2"),
    ],
    "keys that are none": [a("shade", {"no": 1}, slug="x"), a("shade", [2], slug="y")],
    "unknown fields and models": [a("shade", 1, color="red"), a("nothing", 1, x=1)],
    "lists": [a("person", 1, name="Ada", born=None, shades=[["red"]]), a("person", 2, name="Bo")],
    "many rows": [a("shade", key, slug=f"s{key}" * (key % 3)) for key in range(1, 2_600)],
}
if not HAS_COMPOSITE_KEYS:
    del CHUNKS["composite keys"]


@pytest.fixture
def plans(shared_target: Endpoint, source: Endpoint) -> Iterator[ModelPlans]:
    Endpoints("default", source, shared_target).open()
    manifest = Manifest(run="", created="", json_nulls={"loading.document": {"content": [1]}})
    yield ModelPlans(TARGET, manifest)
    connections[TARGET].close()


def paths(directory: RunDirectory) -> tuple[Path, Path]:
    return chunk_path(directory, 1), chunk_path(directory, 2)


def all_of(groups: list[Group | list[RowProblem]]) -> list[Any]:
    found: list[Any] = []
    for group in groups:
        if isinstance(group, list):
            found.append(group)
            continue
        group.read()
        found.append([group.lists, group.problems])
        for rows, problems in group.rows():
            found.append([rows.keys, rows.cells, rows.objects, problems])
    return found


def steps_of(reader: ChunkReader) -> int:
    """How many there are; one of them lets go of a chunk that was read before."""
    steps = 0
    while reader.step():
        steps += 1
    return steps


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 2, 5, 1_000])
@pytest.mark.parametrize("objects", CHUNKS.values(), ids=CHUNKS)
def test_a_chunk_that_was_expected_gives_the_same_rows(
    objects: list[dict[str, Any]], steps: int, deferred: bool, plans: ModelPlans, tmp_path: Path
) -> None:
    first, second = paths(make_run(tmp_path / "run", FIRST, objects))
    reader = ChunkReader(plans)
    reader.expect(second, deferred=deferred)
    reader.read(first, deferred=False)
    while steps and reader.step():
        steps -= 1
    ahead = reader.read(second, deferred=deferred)
    plain = ChunkReader(plans).read(second, deferred=deferred)
    assert (ahead.sha256, ahead.deferred) == (plain.sha256, plain.deferred)
    assert all_of(ahead.groups) == all_of(plain.groups)


def test_what_was_expected_is_dropped_where_another_chunk_comes(
    plans: ModelPlans, tmp_path: Path
) -> None:
    first, second = paths(make_run(tmp_path / "run", FIRST, [a("shade", 2, slug="blue")]))
    reader = ChunkReader(plans)
    reader.expect(second, deferred=False)
    reader.read(first, deferred=False)
    assert steps_of(reader) > 1
    assert reader.read(first, deferred=False).objects == FIRST
    assert steps_of(reader) == 1


def test_a_chunk_is_grouped_again_where_it_has_to_be_deferred_after_all(
    plans: ModelPlans, tmp_path: Path
) -> None:
    mixed = [a("shade", 2, slug="x"), a("spot", 1, x=1, y=1), a("shade", 3, slug="y")]
    first, second = paths(make_run(tmp_path / "run", FIRST, mixed))
    reader = ChunkReader(plans)
    reader.expect(second, deferred=False)
    reader.read(first, deferred=False)
    assert steps_of(reader) > 1
    assert len(reader.read(second, deferred=True).groups) == 2


def test_an_expected_file_that_is_damaged_is_refused_when_its_turn_comes(
    plans: ModelPlans, tmp_path: Path
) -> None:
    first, second = paths(make_run(tmp_path / "run", FIRST, FIRST))
    second.write_text('[{"model": "loading.shade"')
    reader = ChunkReader(plans)
    reader.expect(second, deferred=False)
    reader.read(first, deferred=False)
    assert steps_of(reader) == 0
    with pytest.raises(ChunkFileError, match="line 1"):
        reader.read(second, deferred=False)


def test_what_is_done_while_a_statement_is_under_way_may_ask_the_server(
    plans: ModelPlans,
) -> None:
    connection = connections[TARGET]
    connection.ensure_connection()
    asked: list[Any] = []

    def ask() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM loading_shade")
            asked.append(cursor.fetchone())
        return True

    writer = StatementWriter(connection, 1_000_000, _not_refused, keep_going=False, meanwhile=ask)
    plan = plans.plan("loading.shade")
    group = Group(plan, [a("shade", key, slug="x" * 40) for key in range(1, 1_001)])
    group.read()
    (each,) = group.rows()
    with connection.execute_wrapper(writer.in_turn):
        # The server may be done at once; in a few hundred statements it is not.
        for position in range(0, 1_000, 2):
            writer.insert(each[0].part(position, position + 2))
        writer.drain()
    assert all(count % 2 == 0 for (count,) in asked)
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM loading_shade")
        assert cursor.fetchone() == (1_000,)


def _not_refused(_: Rows, error: Exception) -> None:
    raise error


def test_a_chunk_that_is_in_leaves_nothing_for_the_collector(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    """It is off while chunks are loaded: what cycles keep would pile up."""
    chunks = [[a("shade", key, slug=f"s{key}")] for key in range(1, 6)]
    directory = make_run(tmp_path / "run", *chunks)
    gc.collect()
    gc.disable()
    try:
        load_into(shared_target, source, directory)
        left = [each for each in gc.get_objects() if type(each) in (Group, Rows)]
    finally:
        gc.enable()
    assert left == []
    assert column(shared_target, "shade", "slug") == ["s1", "s2", "s3", "s4", "s5"]


def test_the_collector_works_again_after_a_load(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    assert gc.isenabled()
    load_into(shared_target, source, make_run(tmp_path / "run", FIRST))
    assert gc.isenabled()
