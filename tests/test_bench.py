"""The harness of `make bench` measures and reports truly; no test here depends on a time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bench import page, results
from bench.__main__ import SECTIONS
from bench.contestants import COPIER, LIMIT, STOCK
from bench.infile import _text
from bench.measuring import Measure, Step, StepError, measured
from bench.results import Entry, Loss, Row
from bench.sections import expected_seconds
from bench.servers import from_url
from fixturepipe.databases.embedded import EmbeddedServer
from tests import servers
from tests.shop import ROOT

PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


def row(name: str, *seconds: float, **more: Any) -> Row:
    return Row(name, [Measure(each, each / 2, 10 * each) for each in seconds], **more)


def entry(*rows: Row, what: str = "load", scale: float = 1, bases: tuple[str, ...] = ()) -> Entry:
    return Entry(what, "MariaDB 1.2", "", scale, int(20_000 * scale), bases, list(rows))


def python(program: str) -> Step:
    return Step("a program", (sys.executable, "-c", program))


# ---- figures


def test_the_median_is_each_numbers_own():
    runs = [Measure(1, 9, 5), Measure(3, 8, 4), Measure(2, 7, 6)]
    assert Row("a", runs).median == Measure(2, 8, 5)


def test_there_is_no_median_of_nothing():
    assert Row("a").median is None


def test_a_ratio_says_how_many_times_as_fast_as_the_base():
    found = results.ratios([row("ours", 2, 2, 100), row("theirs", 50)], ["theirs"])
    assert found == {"ours": {"theirs": 25}, "theirs": {"theirs": 1}}


def test_who_failed_has_no_ratio_and_is_no_base():
    found = results.ratios([row("ours", 2), Row("theirs", error="it fell")], ["theirs", "absent"])
    assert found == {"ours": {}, "theirs": {}}


def test_steps_add_up_but_their_peaks_do_not():
    assert Measure(1, 2, 30) + Measure(3, 4, 20) == Measure(4, 6, 30)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ({}, 0),
        ({100: 3.0}, 30),
        ({100: 3.0, 200: 4.0}, 12),  # a second for each hundred above what starting takes
        ({200: 4.0, 50: 9.9, 100: 3.0, 5000: 1.0}, 12),  # the two nearest below
        ({100: 5.0, 200: 4.0}, 4),  # noise: never less than what a smaller number took
    ],
)
def test_the_time_of_a_larger_number_is_expected_from_smaller_ones(points, expected):
    assert expected_seconds(points, 1000) == pytest.approx(expected)


# ---- processes


def test_the_peak_is_that_of_the_largest_process_of_a_tree(tmp_path):
    large = "x = b'x' * 80_000_000"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {large!r}])"
    measure, _, _ = measured(python(parent), tmp_path)
    assert 80_000_000 / 2**20 < measure.peak_mib < 160


def test_the_peak_holds_nothing_of_the_harness(tmp_path):
    held = b"x" * 80_000_000
    measure, _, _ = measured(python("pass"), tmp_path)
    assert measure.peak_mib < len(held) / 2**20


def test_processor_time_is_not_the_clocks(tmp_path):
    measure, _, _ = measured(python("import time; time.sleep(0.5)"), tmp_path)
    assert measure.cpu < 0.5 <= measure.seconds


def test_a_failure_tells_the_last_words(tmp_path):
    with pytest.raises(StepError, match="ended with 7: alas"):
        measured(python("import sys; print('alas', file=sys.stderr); sys.exit(7)"), tmp_path)


def test_a_step_is_killed_and_run_again(tmp_path):
    program = "import pathlib, time; p = pathlib.Path('tries'); p.touch()\n"
    program += "with p.open('a') as f: f.write('x')\n"
    program += "time.sleep(0 if p.stat().st_size == 3 else 600)"
    step = Step("slow", (sys.executable, "-c", program), kills=(2.0, 2.0))
    measure, _, killed = measured(step, tmp_path)
    assert (killed, (tmp_path / "tries").read_text()) == (2, "xxx")
    assert measure.seconds >= 4  # all tries together


def test_a_step_that_is_done_before_its_kill_is_not_run_again(tmp_path):
    step = Step("quick", (sys.executable, "-c", "print('done')"), kills=(600.0,))
    assert measured(step, tmp_path)[1:] == ("done\n", 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\\N"),
        ("", ""),
        ("\\N", "\\\\N"),
        ("a\tb\nc\0d", "a\\tb\\nc\\0d"),
        (b"\xff\t", "ff09"),
        (0.1, "0.1"),
        (2**60, "1152921504606846976"),
    ],
)
def test_values_are_written_as_load_data_reads_them(value, text):
    assert _text(value) == text


# ---- results


def test_results_replace_their_own_kind_and_keep_the_others(tmp_path):
    file = tmp_path / "results.json"
    for each in (
        entry(row("a", 1), what="load"),
        entry(row("a", 2), what="dump"),
        entry(row("a", 3), what="load", scale=5),
        entry(row("a", 4), what="load"),
    ):
        results.add(file, each)
    found = json.loads(file.read_text())
    assert list(found) == ["dump", "load"]
    seconds = [(each["scale"], each["rows"][0]["median"]["seconds"]) for each in found["load"]]
    assert seconds == [(1, 4), (5, 3)]


def test_the_page_keeps_what_others_wrote_around_the_tables(tmp_path):
    file, there = tmp_path / "results.json", tmp_path / "performance.md"
    results.add(file, entry(row("ours", 2), row("theirs", 50), bases=("theirs",)))
    there.write_text(f"# Before\n\n{page.BEGIN}\nold\n{page.END}\n\n## After\n")
    page.render(results.read(file), there)
    once = there.read_text()
    page.render(results.read(file), there)
    assert there.read_text() == once
    assert once.startswith("# Before\n\n")
    assert once.endswith("\n\n## After\n")
    assert "old" not in once
    assert "25.00" in once


def test_the_page_in_the_documents_shows_the_results_there_are(tmp_path):
    there = tmp_path / "performance.md"
    there.write_text(PAGE, encoding="utf-8")
    page.render(results.read(ROOT / "bench" / "results.json"), there)
    assert there.read_text(encoding="utf-8") == PAGE, "run: python -m bench --render"


def test_the_readme_claims_no_more_than_was_measured():
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    claim = re.search(
        r"more than (\d+) times as fast as `dumpdata`.*more than (\d+) times as fast as sqlite3-to"
        r".*the same time per object, and no process takes more than (\d+) MiB",
        readme,
    )
    assert claim
    stock, copier, peak = map(int, claim.groups())
    known = results.read(ROOT / "bench" / "results.json")
    servers_measured = {each["server"].split()[0] for each in known["run"]}
    assert servers_measured >= {"MariaDB", "MySQL"}
    for each in known["run"]:
        ours = {found["name"]: found["ratios"] for found in each["rows"]}[
            "fixturepipe run, 2 workers"
        ]
        assert ours[STOCK] > stock
        assert ours[COPIER] > copier
    smallest, *_, largest = sorted(known["scaling"], key=lambda each: each["objects"])
    assert largest["objects"] > 10_000_000
    assert max(found["median"]["peak_mib"] for found in largest["rows"]) < peak
    assert _per_object(largest) < _per_object(smallest)


def _per_object(each: Any) -> float:
    return sum(found["median"]["seconds"] for found in each["rows"]) / each["objects"]


def test_a_table_tells_losses_failures_and_what_was_left_out():
    loss = Loss(2, 0, 1234, {"FP504": 4}, {"shop.coupon": (2, 0, 1234)})
    made = Entry(
        "run",
        "MariaDB 1.2",
        "",
        1,
        1000,
        (),
        [row("theirs", 1, loses=loss), Row("others", error="it fell")],
        ("sqlite3-to-mysql could not be installed: no network",),
    )
    text = page.entry_text(results.as_json(made))
    assert "2 missing, 1,234 differing, FP504 (4) |" in text
    assert "theirs loses: shop.coupon 2 missing 1,234 differing." in text
    assert "others failed: it fell" in text
    assert "Not measured: sqlite3-to-mysql could not be installed: no network." in text


# ---- the whole


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the harness works; the samples are made once."""
    return tmp_path_factory.mktemp("bench")


def bench(
    place: Path, output: Path, target: str, *arguments: str, scale: str = "0.02"
) -> list[dict[str, Any]]:
    """Call the harness; gives the entries of the section, whose rows have a figure each."""
    what = arguments[0]
    options = ("--scale", scale, "--objects", "2000", "--runs", "1")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FIXTUREPIPE_")}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench", "--what", *arguments, *options),
            *("--keep", str(place), "--output", str(output)),
        ],
        cwd=ROOT,
        env=kept | ({"FIXTUREPIPE_TARGET": target} if target else {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    entries: list[dict[str, Any]] = json.loads((output / "results.json").read_text())[what]
    for each in entries:
        assert each["objects"] > 1000 or each["objects"] == 200
        assert each["machine"]["cores"] >= 1
        assert {"Python", "Django", "mysqlclient", "SQLite"} <= set(each["versions"])
        for found in each["rows"]:
            assert found["error"] == ""
            assert found["median"]["seconds"] > 0
            assert found["median"]["peak_mib"] > 1
    assert f"## {what.capitalize()}" in (output / "performance.md").read_text() or what == "run"
    assert not [each for each in place.iterdir() if each.name.startswith("run-")]
    return entries


def test_the_whole_run_is_compared_and_losses_are_counted(
    embedded_server: EmbeddedServer, place: Path, tmp_path: Path
) -> None:
    (found,) = bench(place, tmp_path, servers.embedded(embedded_server).url(""), "run")
    loses = {each["name"]: each["loses"] for each in found["rows"]}
    for name in (name for name in loses if name.startswith("fixturepipe")):
        assert (loses[name]["models"], loses[name]["findings"]) == ({}, {})
    assert loses[STOCK]["missing"] > 0
    assert loses[LIMIT]["models"] == {}
    assert len(loses) == 6 + (COPIER in loses)
    if COPIER not in loses:
        assert COPIER in found["skipped"][0]


@pytest.mark.parametrize(
    ("what", "rows"),
    [("dump", 2), ("load", 6), ("arrange", 2), ("verify", 2), ("scaling", 5)],
)
def test_each_stage_is_compared(
    embedded_server: EmbeddedServer, place: Path, tmp_path: Path, what: str, rows: int
) -> None:
    server = servers.embedded(embedded_server)
    for each in bench(place, tmp_path, server.url(""), what):
        assert len(each["rows"]) == rows
    assert server.execute("SHOW DATABASES LIKE 'bench%'") == ()
    drawn = what == "scaling" and find_spec("matplotlib") is not None
    assert (tmp_path / "scaling.png").exists() == drawn


def test_stages_are_measured_at_a_distance_and_their_round_trips_counted(
    embedded_server: EmbeddedServer, place: Path, tmp_path: Path
) -> None:
    url = servers.embedded(embedded_server).url("")
    (found,) = bench(place, tmp_path, url, "far", "--distances", "1")
    trips = {each["name"]: each["round_trips"] for each in found["rows"]}
    assert len(trips) == 6
    assert trips["loaddata, 1 ms"] > found["objects"] > trips["load, 1 ms"] > 20
    assert "| loaddata" in (tmp_path / "performance.md").read_text()


def test_the_largest_scale_is_killed_on_its_way_and_goes_on(
    embedded_server: EmbeddedServer, place: Path, tmp_path: Path
) -> None:
    url = servers.embedded(embedded_server).url("")
    bench(place, tmp_path, url, "scaling")
    # As if the smaller scale had taken next to nothing: the kill comes at once, for certain.
    file = tmp_path / "results.json"
    earlier = json.loads(file.read_text())
    for each in earlier["scaling"][0]["rows"]:
        each["median"]["seconds"] = 0.01
    file.write_text(json.dumps(earlier))
    found = bench(place, tmp_path, url, "scaling", "--kill", "1", scale="0.05")
    killed = {each["name"]: each["killed"] for each in found[1]["rows"]}
    assert killed == {"check": 0, "dump": 1, "arrange": 0, "load": 1, "verify": 0}
    assert "Killed on the way" in (tmp_path / "performance.md").read_text()


def test_what_allows_files_on_a_server_is_put_back(embedded_server: EmbeddedServer) -> None:
    server = from_url(servers.embedded(embedded_server).url(""))
    server.execute("SET GLOBAL local_infile = 0")
    try:
        with server.local_infile():
            assert server.execute("SELECT @@GLOBAL.local_infile") == ((1,),)
        assert server.execute("SELECT @@GLOBAL.local_infile") == ((0,),)
    finally:
        server.execute("SET GLOBAL local_infile = 1")


def test_without_a_target_the_embedded_server_is_measured_on(place: Path, tmp_path: Path) -> None:
    (found,) = bench(place, tmp_path, "", "check")
    assert found["server"].endswith("(embedded)")


def test_every_section_has_its_place_in_the_results():
    assert set(SECTIONS) == set(results.SECTIONS)


def test_a_target_that_is_no_server_is_refused():
    command = [sys.executable, "-m", "bench", "--target", "mysql"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "a target is a URL" in done.stderr
