"""Accounts and servers with limits, as managed ones have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.servers import Server
from tests.shop import Shop


@pytest.fixture
def limited(server: Server, shop: Shop) -> Iterator[Shop]:
    """The sample shop with a target whose account may have three connections."""
    with server.database() as endpoint:
        name = str(endpoint.settings["NAME"])
        user = f"'{name}'@'%'"
        server.execute(f"CREATE USER {user} IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 3")
        server.execute(f"GRANT ALL ON `{name}`.* TO {user}")
        try:
            account = replace(server, base={**server.base, "USER": name, "PASSWORD": "x"})
            yield replace(shop, target=account.url(name))
        finally:
            server.execute(f"DROP USER {user}")


@pytest.mark.parametrize("workers", ["1", "4"])
def test_an_account_of_three_connections_is_enough(limited: Shop, workers: str) -> None:
    limited.done("run", "--workers", workers)
