"""A proxy before an API, over real sockets, that does what a fault says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import requests

from headwater.testing.server import Answer, Asked, Server

HOP_BY_HOP = frozenset(
    {"connection", "content-length", "content-encoding", "transfer-encoding", "keep-alive",
     "server", "date"}
)  # fmt: skip


@dataclass(frozen=True)
class Exchange:
    """One request on its way.

    Args:
        number: Counts all requests, from 1.
        nth_of_path: Counts those to the same path, from 1.
        asked: The request.
        forward: Asks the API, and returns its answer.
    """

    number: int
    nth_of_path: int
    asked: Asked
    forward: Callable[[], Answer]


Behaviour = Callable[[Exchange], Answer]


def honest(exchange: Exchange) -> Answer:
    """Return what the API answers."""
    return exchange.forward()


class FaultProxy:
    """Listens on a port of 127.0.0.1, and passes requests on to an API.

    Args:
        upstream: The API's URL; where an answer names it, the proxy's stands instead.
        behaviour: What becomes of each request.
    """

    def __init__(self, upstream: str, behaviour: Behaviour = honest):
        self.behaviour = behaviour
        self._upstream = upstream.rstrip("/")
        self._lock = threading.Lock()
        self._session = requests.Session()
        self._session.trust_env = False
        self._count = 0
        self._by_path: dict[str, int] = {}
        self._server = Server(self._answer)
        self.url = self._server.url

    @property
    def count(self) -> int:
        """How many requests have come."""
        return self._count

    def close(self) -> None:
        """Stop listening."""
        self._server.close()
        self._session.close()

    def _answer(self, asked: Asked) -> Answer:
        with self._lock:
            self._count += 1
            self._by_path[asked.path] = self._by_path.get(asked.path, 0) + 1
            number, nth = self._count, self._by_path[asked.path]
        return self.behaviour(Exchange(number, nth, asked, lambda: self._forward(asked)))

    def _forward(self, asked: Asked) -> Answer:
        headers = {n: v for n, v in asked.headers.items() if n not in {*HOP_BY_HOP, "host"}}
        headers["accept-encoding"] = "identity"
        answer = self._session.request(
            asked.method,
            self._upstream + asked.path,
            params=asked.query,
            headers=headers,
            data=asked.body,
            allow_redirects=False,
            timeout=60,
        )
        here, there = self.url, self._upstream
        kept = {
            name: value.replace(there, here)
            for name, value in answer.headers.items()
            if name.lower() not in HOP_BY_HOP
        }
        body = answer.content.replace(there.encode(), here.encode())
        return Answer(answer.status_code, body, kept)
