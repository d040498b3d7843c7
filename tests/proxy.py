"""A TCP proxy on loopback that delays, or falls silent as a network does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from fixturepipe.databases.endpoints import Endpoint


class Proxy:
    """Forwards connections to the server of `base`; `port` is where it listens.

    While it is `silent` it forwards nothing and keeps all connections open. `delay` is in seconds,
    in each direction.
    """

    def __init__(self, base: Mapping[str, Any]) -> None:
        self.silent = False
        self.silences = 0
        self.delay = 0.0
        self._base = base
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def be_silent(self, seconds: float) -> None:
        """Fall silent for a while."""
        self.silences += 1
        self.silent = True
        threading.Timer(seconds, setattr, (self, "silent", False)).start()

    def close(self) -> None:
        """End all connections."""
        self.silent = False
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _connect(self) -> socket.socket:
        host = self._base["HOST"]
        if not host.startswith("/"):
            return socket.create_connection((host, int(self._base["PORT"])))
        server = socket.socket(socket.AF_UNIX)
        server.connect(host)
        return server

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                time.sleep(self.delay)
                while self.silent:
                    time.sleep(0.01)
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy_to(base: Mapping[str, Any]) -> Iterator[Proxy]:
    """A proxy to the server of these settings, for the length of the block."""
    proxy = Proxy(base)
    try:
        yield proxy
    finally:
        proxy.close()


def through(proxy: Proxy, endpoint: Endpoint, **options: Any) -> Endpoint:
    """The same database, reached through the proxy, with these OPTIONS."""
    where = {"HOST": "127.0.0.1", "PORT": proxy.port}
    options = {**endpoint.settings["OPTIONS"], **options}
    return replace(endpoint, settings={**endpoint.settings, **where, "OPTIONS": options})
