"""Databases reached through the proxy of `bench`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.proxy import Proxy
from fixturepipe.databases.endpoints import Endpoint


def through(proxy: Proxy, endpoint: Endpoint, **options: Any) -> Endpoint:
    """The same database, reached through the proxy, with these OPTIONS."""
    where = {"HOST": "127.0.0.1", "PORT": proxy.port}
    options = {**endpoint.settings["OPTIONS"], **options}
    return replace(endpoint, settings={**endpoint.settings, **where, "OPTIONS": options})
