"""A far server: how often the stages wait for it, counted by a proxy."""

from __future__ import annotations

from dataclasses import replace

from bench.measuring import ROOT
from bench.proxy import proxy_to
from fixturepipe.check.stage import seconds_of_run
from tests.servers import Server
from tests.shop import Shop

# For the sample with some forty tables, on Django 4.2, which asks two questions more than later
# ones; one round trip more is 20 ms more, or 200.
MOST = {"empty": 16, "check": 17, "load": 200, "verify": 75}


def test_stages_wait_for_a_far_server_a_few_times(server: Server, shop_target: Shop) -> None:
    target = {
        "DJANGO_SETTINGS_MODULE": "tests.bookshop_target",
        "BOOKSHOP_TARGET": shop_target.target,
        "PYTHONPATH": str(ROOT),
    }
    name = shop_target.execute("SELECT DATABASE()")[0][0]
    with proxy_to(server.base, 0.01) as proxy:
        where = {**server.base, "HOST": "127.0.0.1", "PORT": proxy.port}
        far = replace(shop_target, target=replace(server, base=where).url(name))

        def round_trips(stage: str, *arguments: str) -> int:
            before = proxy.round_trips
            far.done(stage, *arguments)
            return proxy.round_trips - before

        counted = {"empty": round_trips("check")}
        assert shop_target.manage("migrate", **target).returncode == 0
        counted["check"] = round_trips("check")
        far.done("dump")
        far.done("arrange")
        counted |= {stage: round_trips(stage, "--workers", "2") for stage in ("load", "verify")}
    assert {stage for stage, count in counted.items() if count > MOST[stage]} == set(), counted


def test_the_estimate_reckons_with_the_distance_and_the_buffer_pool() -> None:
    size, pool = 200_000_000, 1 << 30
    near = seconds_of_run(1.0, size, pool=pool)
    far = seconds_of_run(1.0 + 5 * 0.02, size, distance=0.02, pool=pool)
    assert near + 2 < far < near + 10
    assert seconds_of_run(1.0, size, distance=0.02, new_tables=40, pool=pool) > far + 5
    assert seconds_of_run(1.0, size, pool=128 << 20) > 2 * near
    assert seconds_of_run(1.0, size, pool=None) == near
