"""Sources of other kinds: servers, time zones, wide rows, and the memory that they take."""

import datetime
import subprocess
import sys
import zoneinfo

import pytest
from django.db import connections
from django.test import override_settings

from fixturepipe.databases.endpoints import Endpoint, Endpoints
from fixturepipe.dump import rowquery
from tests.apps.everyfield.models import ByText, Everything
from tests.apps.hidden.models import House, Stay
from tests.apps.loading.models import Line, Place
from tests.apps.naturals.models import Pointer, Unique
from tests.dumping import Dumped, dumped_while_deleted
from tests.verify.test_verify import VALUES


@pytest.fixture
def server_source(endpoints):
    """The migrated server as a source, bound to "default" like any source of a test."""
    source = Endpoints("default", endpoints.target)
    with source.bound_to_source():
        yield source.source


def test_a_server_is_dumped_as_sqlite_is(server_source, source, tmp_path):
    """The same rows in both give the same files."""
    files = []
    for end in (server_source, source):
        with Endpoints("default", end).bound_to_source():
            Everything.objects.create(**VALUES)
            Everything.objects.create(json=None)
            red = Unique.objects.create(slug="red")
            Pointer.objects.create(unique=red, loose_id=404)
            house = House.objects.create(number=2)
            House.objects.update(changed=VALUES["timestamp"])
            Stay.objects.create(house=house, number=VALUES["uuid"], note="wet")
        dumped = Dumped(tmp_path / end.vendor, end)
        dumped("everyfield", "naturals", "hidden")
        assert dumped.manifest.natural_references.count("naturals.unique") == 1
        files.append(
            {
                app: dumped.objects(app)
                for app in (
                    "everyfield.everything",
                    "naturals.pointer",
                    "hidden.house",
                    "hidden.stay",
                )
            }
        )
    assert files[0] == files[1]


def test_a_server_is_read_in_pages_and_a_dump_of_it_is_reused(server_source, tmp_path, monkeypatch):
    monkeypatch.setattr(rowquery, "PAGE_ROWS", 7)
    ByText.objects.bulk_create([ByText(name=f"n{n}", value=n) for n in range(50)])
    house = House.objects.create()
    Stay.objects.bulk_create([Stay(house=house, note=str(n)) for n in range(20)])
    dumped = Dumped(tmp_path / "run", server_source)
    result = dumped("everyfield", "hidden")
    assert sorted(each["fields"]["value"] for each in dumped.objects("everyfield.bytext")) == [
        *range(50)
    ]
    assert sorted(int(f["note"]) for f in dumped.fields("hidden.stay").values()) == [*range(20)]
    assert result.skipped == ()
    assert dumped("everyfield", "hidden").skipped == ("everyfield", "hidden")
    ByText.objects.filter(name="n7").update(value=8)
    assert dumped("everyfield", "hidden").skipped == ()


def test_rows_with_an_order_of_their_own_come_in_it(server_source, tmp_path, monkeypatch):
    """In pages too, and whatever their keys: stock loaddata numbers them as they come."""
    monkeypatch.setattr(rowquery, "PAGE_ROWS", 3)
    places = [Place.objects.create(name=name) for name in "ab"]
    lines = [Line.objects.create(place=place) for _ in range(5) for place in places]
    for place in places:
        place.set_line_order([line.pk for line in reversed(lines) if line.place == place])
    dumped = Dumped(tmp_path / "run", server_source)
    dumped("loading")
    found = [(each["fields"]["_order"], each["pk"]) for each in dumped.objects("loading.line")]
    assert len(found) == 10
    assert found == sorted(found)


def test_what_is_committed_on_a_server_while_it_is_dumped_is_not_dumped(server_source, tmp_path):
    Unique.objects.create(slug="red")
    dumped = dumped_while_deleted(tmp_path / "run", server_source, "naturals.unique")
    assert dumped == 1


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna", "America/St_Johns"])
def test_datetimes_are_those_of_the_connections_time_zone(source, tmp_path, zone):
    settings = {**source.settings, "TIME_ZONE": zone}
    timestamp = datetime.datetime(2024, 7, 1, 12, 30, 15, 250, zoneinfo.ZoneInfo(zone))
    with Endpoints("default", Endpoint("zoned", settings)).bound_to_source():
        Everything.objects.create(timestamp=timestamp)
        dumped = Dumped(tmp_path / "run", Endpoint("zoned", settings))
        dumped("everyfield.everything")
    (fields,) = dumped.fields("everyfield.everything").values()
    assert datetime.datetime.fromisoformat(fields["timestamp"]) == timestamp


def test_datetimes_without_a_time_zone_stay_without(source, tmp_path):
    with override_settings(USE_TZ=False), Endpoints("default", source).bound_to_source():
        Everything.objects.create(timestamp=datetime.datetime(2024, 1, 2, 3, 4, 5, 6))  # noqa: DTZ001
        dumped = Dumped(tmp_path / "run", source)
        dumped("everyfield.everything")
    (fields,) = dumped.fields("everyfield.everything").values()
    assert fields["timestamp"] == "2024-01-02T03:04:05.000006"


def test_an_offset_that_sqlite_holds_is_kept(source, tmp_path):
    row = Everything.objects.create()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "UPDATE everyfield_everything SET timestamp = %s WHERE id = %s",
            ["2024-01-02 03:04:05+02:00", row.pk],
        )
    dumped = Dumped(tmp_path / "run", source)
    dumped("everyfield.everything")
    assert (
        dumped.fields("everyfield.everything")[row.pk]["timestamp"] == "2024-01-02T03:04:05+02:00"
    )


def test_memory_does_not_grow_with_long_values(source, tmp_path):
    """Sixty texts of a million characters, in a process that may not hold them all."""
    with connections["default"].cursor() as cursor:
        for pk in range(60):
            cursor.execute(
                "INSERT INTO everyfield_everything (id, text, email, file, slug, url)"
                " VALUES (%s, hex(zeroblob(500000)), '', '', '', '')",
                [pk + 1],
            )
    program = f"""
import resource
import django
django.setup()
from pathlib import Path
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.endpoints import Endpoints, resolve_endpoint
from fixturepipe.dump.stage import DumpOptions, dump
endpoints = Endpoints("default", resolve_endpoint("sqlite:///{source.settings["NAME"]}"))
def run(labels, name):
    dump(RunDirectory(Path({str(tmp_path)!r}) / name), endpoints, DumpOptions(labels=labels))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(run(("auth",), "small"), run(("everyfield.everything",), "large"))
"""
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    small, large = map(int, output.split())
    assert (tmp_path / "large/1-dump/everyfield.json").stat().st_size > 60_000_000
    assert large - small < 100_000
