"""An API of three plain lists, each split into pages in another way, behind OAuth."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from headwater.testing.conformance.subject import Subject
from headwater.testing.server import Answer, Asked, Server

COUNT = 230
PAGE = 50
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "updated_at": {"type": "string", "format": "date-time"},
        "text": {"type": "string"},
    },
}


class ItemsAPI:
    """Orders by page and total, events by cursor and total, tickets by offset.

    Args:
        count: How many records each list has.
        lifetime: Seconds that a token lives.
        latency: Seconds before each answer.
    """

    def __init__(self, count: int = COUNT, *, lifetime: float = 3600, latency: float = 0.0):
        self.lists = {
            name: [
                {
                    "id": n,
                    "updated_at": f"2026-01-{1 + n // 1440 % 28:02}T{n // 60 % 24:02}:{n % 60:02}"
                    ":00Z",
                    "text": f"{name} {n}",
                }
                for n in range(count)
            ]
            for name in ("orders", "events", "tickets")
        }
        self._next = count
        self._lifetime = lifetime
        self._latency = latency
        self._tokens: dict[str, float] = {}
        self._lock = threading.Lock()
        self.tokens_given = 0
        self._server = Server(self._answer)
        self.url = self._server.url

    @property
    def asked(self) -> list[Asked]:
        """Every request so far."""
        return self._server.asked

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def grow(self) -> None:
        """Add a record to the end of each list."""
        for items in self.lists.values():
            items.append({"id": self._next, "updated_at": "2026-01-28T00:00:00Z", "text": "new"})
        self._next += 1

    def shrink(self) -> None:
        """Take away a record of each list that came with its first page."""
        for items in self.lists.values():
            items.pop(1)

    def _answer(self, asked: Asked) -> Answer:
        time.sleep(self._latency)
        if asked.path == "/token":
            return self._token(asked)
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0) < time.monotonic():
            return Answer(401, {"message": "the token is not valid"})
        items = self.lists.get(asked.path[1:])
        if items is None:
            return Answer(404, {"message": "no such list"})
        return self._list(asked.path[1:], items, asked.params)

    def _token(self, asked: Asked) -> Answer:
        form = parse_qs(asked.body.decode())
        if form.get("client_secret") != ["items-client-secret"]:
            return Answer(401, {"error": "invalid_client"})
        with self._lock:
            self.tokens_given += 1
            token = f"items-access-token-{self.tokens_given}"
        self._tokens[token] = time.monotonic() + self._lifetime
        return Answer(200, {"access_token": token, "expires_in": self._lifetime})

    @staticmethod
    def _list(name: str, items: list[dict[str, Any]], params: Mapping[str, str]) -> Answer:
        if name == "orders":
            start = (int(params["page"]) - 1) * PAGE
            return Answer(200, {"data": items[start : start + PAGE], "total": len(items)})
        if name == "events":
            after = int(params.get("after", -1))
            found = [item for item in items if item["id"] > after]
            page = found[:PAGE]
            more = str(page[-1]["id"]) if len(found) > PAGE else None
            return Answer(200, {"data": page, "next": more, "total": len(items)})
        start = int(params["offset"])
        return Answer(200, {"data": items[start : start + int(params["limit"])]})


def config(url: str) -> dict[str, Any]:
    """Return tap-rest's config for the API."""
    lists = {
        "orders": {"type": "page", "size": None, "total": "total"},
        # a record that is deleted after it was read is in no total any more
        "events": {"type": "cursor", "param": "after", "cursor": "next"},
        "tickets": {"type": "offset", "size": ["limit", PAGE], "overlap": 5},
    }
    return {
        "api_url": url,
        "backoff_max_tries": 3,
        "retry": {"first_wait": 0.1},
        "request_timeout": 1,
        "auth": {
            "type": "oauth_client_credentials",
            "token_url": f"{url}/token",
            "client_id": "items-client",
            "client_secret": "items-client-secret",
        },
        "errors": [{"status": 403, "contains": "secondary limit", "then": "retry", "after": 0.1}],
        "streams": [
            {
                "name": name,
                "path": f"/{name}",
                "records": "data",
                "primary_keys": ["id"],
                "pagination": pagination,
                "schema": SCHEMA,
            }
            for name, pagination in lists.items()
        ],
    }


SUBJECT = Subject(
    tap="tap-rest",
    serve=ItemsAPI,
    config=config,
    counted="/orders",
    limited={"status": 403, "body": {"message": "a secondary limit"}, "headers": {}},
)
