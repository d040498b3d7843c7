"""What the server refuses: named exactly, left out when asked to, loaded again after editing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoint, Endpoints
from fixturepipe.errors import LoadError, UsageError
from tests import servers
from tests.conftest import delete_rows
from tests.loading import RUN, Object, a, column, execute, load_into, make_run, read_applied, rows
from tests.servers import Server


def strict(pk: int, **changes: Any) -> Object:
    """A row that the server takes, but for the changes."""
    fields = {"short": "abc", "once": f"o{pk}", "small": 1, "positive": 1, "place": None}
    return a("strict", pk, **{**fields, **changes})


def rejected(directory: RunDirectory, name: str = "0001-loading.strict.json") -> list[Any]:
    """The keys of what was left out of a chunk."""
    path = directory.rejects / name
    return [each["pk"] for each in json.loads(path.read_text())] if path.exists() else []


def reasons(directory: RunDirectory, name: str = "0001-loading.strict") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        (directory.rejects / f"{name}.reasons.json").read_text()
    )
    return found


BAD = {
    "too long": ({"short": "abcdef"}, "short", "Data too long"),
    "spaces that would be cut": ({"short": "abc       "}, "short", "truncated"),
    "out of range": ({"small": 40000}, "small", "Out of range"),
    "null": ({"once": None}, "once", "cannot be null"),
    "against a check": ({"positive": 0}, "positive", "gt0"),
    "pointing nowhere": ({"place": 99}, "place", "is not in"),
    "no number": ({"small": "many"}, "small", "must be an integer"),
    "no decimal": ({"price": "abc"}, "price", "must be a decimal number"),
    "half a character": ({"once": "\ud800"}, "once", "surrogates not allowed"),
    "an unknown field": ({"color": 1}, "color", "no field named 'color'"),
}


@pytest.mark.parametrize("bad", BAD)
def test_the_row_field_and_value_are_named(
    bad: str, tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    changes, field, words = BAD[bad]
    objects = [strict(n) for n in range(1, 40)]
    objects[16] = strict(17, **changes)
    directory = make_run(tmp_path / "run", objects)
    with pytest.raises(LoadError) as caught:
        load_into(shared_target, source, directory)
    message = caught.value.message
    assert f"loading.strict pk 17, field {field}" in message
    assert words in message
    assert "0001-loading.strict.json" in message
    assert "fixturepipe load" in caught.value.hint
    assert rows(shared_target, "loading.strict") == {}
    result = load_into(shared_target, source, directory, on_error="reject")
    assert rejected(directory) == [17]
    assert result.rejected == {"loading.strict": 1}
    assert result.models == {"loading.strict": 38}


def test_a_key_that_is_none_is_named(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [a("shade", {"no": 1}, slug="x")])
    with pytest.raises(LoadError, match=r"loading.shade pk \{'no': 1\}, field id"):
        load_into(shared_target, source, directory)


@pytest.mark.parametrize(
    "key", [[None], [5], [{"no": 1}], [], [["red"]], ["red", "red"], ["\ud800"], ["('red',)"]]
)
def test_a_natural_key_that_is_none_is_named(
    key: list[Any], tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(
        tmp_path / "run", [a("shade", 1, slug="red")], [a("pointer", 1, shade=key)]
    )
    with pytest.raises(LoadError, match=r"loading.pointer pk 1, field shade") as raised:
        load_into(shared_target, source, directory)
    assert "no loading.Shade has the natural key" in str(raised.value)


def test_a_duplicate_names_the_column_of_its_key(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [strict(1, once="x"), strict(2, once="X")])
    with pytest.raises(LoadError, match="pk 2, field once = 'X': Duplicate entry"):
        load_into(shared_target, source, directory)


def test_a_long_value_is_shortened(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [strict(1, short="x" * 1000)])
    with pytest.raises(LoadError) as caught:
        load_into(shared_target, source, directory)
    assert "(1,002 characters)" in caught.value.message
    assert len(caught.value.message) < 400


def test_rows_that_depend_on_a_rejected_one_are_rejected_too(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(
        tmp_path / "run",
        [strict(1), strict(2, short="too long"), strict(3)],
        [a("strictnote", n, strict=n) for n in (1, 2, 3)],
    )
    result = load_into(shared_target, source, directory, on_error="reject")
    assert rejected(directory, "0002-loading.strictnote.json") == [2]
    assert result.rejected == {"loading.strict": 1, "loading.strictnote": 1}
    assert column(shared_target, "strictnote", "strict_id") == [1, 3]
    assert result.complete


def test_a_cycle_with_a_rejected_row_is_rejected_as_a_whole(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    objects = [a("hen", 1, egg=1), a("hen", 2, egg=2), a("egg", 1, hen=1), a("egg", 2, hen=9)]
    directory = make_run(tmp_path / "run", objects, cyclic=[1])
    load_into(shared_target, source, directory, on_error="reject")
    assert sorted(rejected(directory, "0001-loading.hen.json")) == [2, 2]
    assert column(shared_target, "hen", "id") == [1]


def test_rejected_objects_are_loaded_after_editing(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(
        tmp_path / "run",
        [strict(1), strict(2, short="too long"), strict(3, short="too long")],
        [a("strictnote", n, strict=n) for n in (1, 2, 3)],
    )
    load_into(shared_target, source, directory, on_error="reject")
    path = directory.rejects / "0001-loading.strict.json"
    path.write_text(path.read_text().replace("too long", "short", 1))
    with pytest.raises(LoadError, match="pk 3") as caught:
        load_into(shared_target, source, directory, rejects=True)
    assert "`fixturepipe load --rejects`" in caught.value.hint
    result = load_into(shared_target, source, directory, rejects=True, on_error="reject")
    assert rejected(directory) == [3]
    assert result.rejected == {"loading.strict": 1, "loading.strictnote": 1}
    assert result.objects == 2
    path.write_text(path.read_text().replace("too long", "short"))
    result = load_into(shared_target, source, directory, rejects=True)
    assert result.rejected == {}
    assert result.models == {"loading.strict": 3, "loading.strictnote": 3}
    assert list(directory.rejects.iterdir()) == []
    with pytest.raises(UsageError, match="has nothing"):
        load_into(shared_target, source, directory, rejects=True)


def test_a_row_that_the_site_wrote_under_a_rejected_key_stays_and_is_named(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [strict(1), strict(2, short="too long")])
    load_into(shared_target, source, directory, on_error="reject")
    path = directory.rejects / "0001-loading.strict.json"
    path.write_text(path.read_text().replace("too long", "short"))
    kept = path.read_bytes()
    execute(
        shared_target,
        "INSERT INTO loading_strict (id, short, once, small, positive)"
        " VALUES (2, 'site', 'x', 1, 1)",
    )
    with pytest.raises(LoadError, match="pk 2: the target already has a row with this key"):
        load_into(shared_target, source, directory, rejects=True)
    assert column(shared_target, "strict", "short") == ["abc", "site"]
    assert load_into(shared_target, source, directory, rejects=True, existing="update").complete
    assert column(shared_target, "strict", "short") == ["abc", "short"]
    path.write_bytes(kept)  # as if killed after the commit
    assert load_into(shared_target, source, directory, rejects=True).complete
    assert not path.exists()


def test_what_is_no_rows_fault_rejects_none(
    tmp_path: Path, source: Endpoint, target: Endpoint, server: servers.Server
) -> None:
    name = target.settings["NAME"]
    # The number and state of a privilege that is lacking.
    server.execute(
        "CREATE TRIGGER denied BEFORE INSERT ON loading_strict FOR EACH ROW"
        " SIGNAL SQLSTATE '42000' SET MYSQL_ERRNO = 1142, MESSAGE_TEXT = 'INSERT denied'",
        name,
    )
    directory = make_run(tmp_path / "run", [strict(n) for n in range(1, 9)])
    with pytest.raises(
        LoadError, match=r"0001-loading\.strict\.json was not loaded: INSERT denied"
    ):
        load_into(target, source, directory, on_error="reject")
    assert not list(directory.rejects.glob("*.json"))
    server.execute("DROP TRIGGER denied", name)
    assert load_into(target, source, directory).models == {"loading.strict": 8}


def test_the_reasons_are_kept_with_the_objects(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [strict(1, small=70000), strict(2)])
    load_into(shared_target, source, directory, on_error="reject")
    (reason,) = reasons(directory)
    assert (reason["model"], reason["pk"]) == ("loading.strict", 1)
    assert (reason["field"], reason["value"]) == ("small", "70000")
    assert "Out of range" in reason["text"]
    assert (directory.rejects / "0001-loading.strict.json").stat().st_mode & 0o777 == 0o600


def test_a_row_longer_than_a_packet_is_named(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint, server: Server
) -> None:
    # A longer row, not a shorter packet: the setting would be that of all who use the server.
    ((packet,),) = server.execute("SELECT @@max_allowed_packet")
    objects = [a("document", n, content=None, required="x" * 1000) for n in range(3000)]
    objects[1000]["fields"]["required"] = "x" * packet
    directory = make_run(tmp_path / "run", objects)
    with pytest.raises(LoadError, match=r"document pk 1000: .*max_allowed_packet") as caught:
        load_into(shared_target, source, directory)
    result = load_into(shared_target, source, directory, on_error="reject")
    assert "Raise the server's max_allowed_packet" in caught.value.hint
    assert (result.objects, rejected(directory, "0001-loading.document.json")) == (2999, [1000])


def test_the_stock_loader_cannot_reject(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [strict(1)])
    with pytest.raises(UsageError, match="stops at the first"):
        load_into(shared_target, source, directory, on_error="reject", loader="stock")


KINDS = [{"short": "abcdef"}, {"small": 99999}, {"positive": -1}, {"place": 7}, {"small": "x"}]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    bad=st.dictionaries(st.integers(0, 59), st.sampled_from(KINDS), max_size=60),
    count=st.integers(1, 60),
)
def test_exactly_the_bad_rows_are_rejected(
    bad: dict[int, dict[str, Any]],
    count: int,
    tmp_path_factory: pytest.TempPathFactory,
    source: Endpoint,
    shared_target: Endpoint,
) -> None:
    delete_rows(shared_target)
    objects = [strict(n, **bad.get(n, {})) for n in range(count)]
    directory = make_run(tmp_path_factory.mktemp("run") / "run", objects)
    load_into(shared_target, source, directory, on_error="reject")
    expected = {n for n in bad if n < count}
    assert sorted(rejected(directory)) == sorted(expected)
    assert column(shared_target, "strict", "id") == [n for n in range(count) if n not in expected]
    entry = read_applied(Endpoints("default", source, shared_target), RUN)[1]
    assert sum(entry.rejected.values()) == len(expected)


def test_rows_that_the_server_numbers_are_checked_in_a_cycle_too(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    objects = [a("strictnote", None, strict=n) for n in (1, 2, 9)] + [strict(1), strict(2)]
    directory = make_run(tmp_path / "run", objects, cyclic=[1])
    result = load_into(shared_target, source, directory, on_error="reject")
    assert result.rejected == {"loading.strictnote": 1}
    assert column(shared_target, "strictnote", "strict_id") == [1, 2]


def test_an_object_whose_links_cannot_be_made_is_rejected(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    objects = [
        a("person", 1, name="Ada", born=None, deleted=False, shades=[["red"]]),
        a("person", 2, name="Bo", born=None, deleted=False, shades=[["red"], ["none"]]),
    ]
    directory = make_run(tmp_path / "run", [a("shade", 1, slug="red")], objects)
    with pytest.raises(LoadError, match="person pk 2, field shades"):
        load_into(shared_target, source, directory)
    load_into(shared_target, source, directory, on_error="reject")
    assert rejected(directory, "0002-loading.person.json") == [2]
    assert column(shared_target, "person", "name") == ["Ada"]


def test_a_key_that_two_objects_have_is_an_error(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    shades = [a("shade", n, slug="red") for n in (1, 2)]
    directory = make_run(tmp_path / "run", shades, [a("pointer", 1, shade=["red"])])
    with pytest.raises(LoadError, match=r"more than one loading\.Shade has") as caught:
        load_into(shared_target, source, directory)
    assert "Write the primary key" in caught.value.hint
