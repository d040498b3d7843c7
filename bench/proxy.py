"""A TCP proxy on loopback: a network that delays, counts round trips, and falls silent.

Each direction has two threads, one that reads and one that writes when it is time, so that bytes
which follow each other are delayed once: what a network does, and a pause before each send does
not. A new connection costs the round trip and a half of TCP's three-way handshake (RFC 9293, 3.5)
before the server hears of it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Queue
from typing import Any

_BYTES, _QUEUED = 1 << 16, 1024


class Proxy:
    """Forwards connections to the server of `base`; `port` is where it listens.

    `round_trip` is how many seconds the network takes there and back. While it is `silent` it
    forwards nothing and keeps all connections open. `base` has HOST and PORT as in DATABASES.
    """

    def __init__(self, base: Mapping[str, Any], round_trip: float = 0.0) -> None:
        self.silent = False
        self.silences = 0
        self.round_trip = round_trip
        self._base = base
        self._lines: list[_Line] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return len(self._lines)

    @property
    def round_trips(self) -> int:
        """How often a client has said something and then waited, on all connections together."""
        return sum(line.questions for line in self._lines)

    def be_silent(self, seconds: float) -> None:
        """Fall silent for a while."""
        self.silences += 1
        self.silent = True
        threading.Timer(seconds, setattr, (self, "silent", False)).start()

    def close(self) -> None:
        """End all connections."""
        self.silent = False
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self._lines:
            line.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                line = _Line(client)
                self._lines.append(line)
                threading.Thread(target=self._open, args=(line,), daemon=True).start()

    def _open(self, line: _Line) -> None:
        time.sleep(1.5 * self.round_trip)
        try:
            line.server = self._connect()
        except OSError:
            line.close()
            return
        for there in (True, False):
            waiting: _Waiting = Queue(_QUEUED)
            for work in (self._read, self._write):
                threading.Thread(target=work, args=(line, there, waiting), daemon=True).start()

    def _connect(self) -> socket.socket:
        host = self._base["HOST"]
        if not host.startswith("/"):
            server = socket.create_connection((host, int(self._base["PORT"])))
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return server
        server = socket.socket(socket.AF_UNIX)
        server.connect(host)
        return server

    def _read(self, line: _Line, there: bool, waiting: _Waiting) -> None:
        with suppress(OSError):
            while data := line.sender(there).recv(_BYTES):
                line.heard(there)
                waiting.put((time.monotonic() + self.round_trip / 2, data))
        waiting.put((time.monotonic() + self.round_trip / 2, b""))

    def _write(self, line: _Line, there: bool, waiting: _Waiting) -> None:
        other = line.sender(not there)
        with suppress(OSError):
            while True:
                due, data = waiting.get()
                time.sleep(max(0.0, due - time.monotonic()))
                while self.silent:
                    time.sleep(0.01)
                if not data:
                    break
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@dataclass
class _Line:
    """One connection of a client, and the server's end of it; `questions` counts turns."""

    client: socket.socket
    server: socket.socket | None = None
    questions: int = 0
    _client_speaks: bool = False

    def __post_init__(self) -> None:
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def sender(self, there: bool) -> socket.socket:
        """Who speaks in the direction to the server, or from it."""
        assert self.server is not None
        return self.client if there else self.server

    def heard(self, there: bool) -> None:
        """One of the two has spoken."""
        if there and not self._client_speaks:
            self.questions += 1
        self._client_speaks = there

    def close(self) -> None:
        """End the connection."""
        for each in (self.client, self.server):
            if each is not None:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()


_Waiting = Queue[tuple[float, bytes]]


@contextmanager
def proxy_to(base: Mapping[str, Any], round_trip: float = 0.0) -> Iterator[Proxy]:
    """A proxy to the server of these settings, for the length of the block."""
    proxy = Proxy(base, round_trip)
    try:
        yield proxy
    finally:
        proxy.close()
