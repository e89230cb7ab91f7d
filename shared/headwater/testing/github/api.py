"""GitHub's REST and GraphQL behaviour: auth, Link pages, rate limits, ETags, faults."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from headwater.testing.github.world import Item, Repository, World
from headwater.testing.server import Answer, Asked, Server

ENVELOPES = {"actions/workflows": "workflows", "actions/runs": "workflow_runs"}
TRAFFIC = {"traffic/views": "views", "traffic/clones": "clones"}
PUBLIC_BUDGET = 5000
Fault = Callable[[int, Asked], "Answer | None"]


class GitHubAPI:
    """The API over a world.

    Args:
        world: What it holds; tests change it between runs.
        tokens: The tokens it accepts, each with a budget of its own.
        budget: Requests in a rate-limit window.
        window: Seconds of that window.
        fault: Called with the request's number; an answer it returns is sent instead.
        latency: Seconds before each answer.
    """

    def __init__(
        self,
        world: World,
        *,
        tokens: tuple[str, ...] = ("demo-token",),
        budget: int = PUBLIC_BUDGET,
        window: float = 3600.0,
        fault: Fault | None = None,
        latency: float = 0.0,
    ):
        self.world = world
        self.tokens = set(tokens)
        self.fault = fault
        self.latency = latency
        self.count = 0
        self.not_modified = 0
        self._budget, self._window = budget, window
        self._used: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self.server = Server(self.answer)
        self.url = self.server.url

    def close(self) -> None:
        """Stop listening."""
        self.server.close()

    def answer(self, asked: Asked) -> Answer:
        """Return the answer to a request."""
        if self.latency:
            time.sleep(self.latency)
        with self._lock:
            self.count += 1
            number = self.count
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if "user-agent" not in asked.headers:
            return _error(403, "Request forbidden by administrative rules.")
        if token not in self.tokens:
            return _error(401, "Bad credentials")
        if self.fault and (wrong := self.fault(number, asked)):
            return wrong
        with self._lock:
            limits, over = self._count(token)
        if over:
            return Answer(403, {"message": "API rate limit exceeded"}, limits)
        answer = self._graphql(asked) if asked.path == "/graphql" else self._rest(asked)
        etag = '"' + hashlib.sha256(answer.content()).hexdigest()[:32] + '"'
        if answer.status == 200 and asked.headers.get("if-none-match") == etag:
            with self._lock:
                self.not_modified += 1
                start, used = self._used[token]
                self._used[token] = (start, used - 1)
            return Answer(304, None, {**limits, "ETag": etag})
        return Answer(answer.status, answer.body, {**limits, "ETag": etag, **answer.headers})

    def _count(self, token: str) -> tuple[dict[str, str], bool]:
        now = time.time()
        start, used = self._used.get(token, (now, 0))
        if now - start >= self._window:
            start, used = now, 0
        over = used >= self._budget
        used += 0 if over else 1
        self._used[token] = (start, used)
        return {
            "X-RateLimit-Limit": str(self._budget),
            "X-RateLimit-Remaining": str(self._budget - used),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(int(start + self._window) + 1),
            "X-RateLimit-Resource": "core",
        }, over

    # --- REST -------------------------------------------------------------------------

    def _rest(self, asked: Asked) -> Answer:
        if match := re.fullmatch(r"/repos/([^/]+)/([^/]+)(?:/(.+))?", asked.path):
            repository = self.world.repositories.get(f"{match[1]}/{match[2]}")
            if repository is None:
                return _error(404, "Not Found")
            return self._repository(asked, repository, match[3])
        if match := re.fullmatch(r"/orgs/([^/]+)(?:/(.+))?", asked.path):
            return self._organization(asked, match[1], match[2])
        if match := re.fullmatch(r"/users?/([^/]+)", asked.path):
            for person in self.world.users.values():
                if match[1] in (person["login"], str(person["id"])):
                    return Answer(200, person)
        if asked.path == "/search/repositories":
            found = [r.item for r in self.world.repositories.values()]
            return self._page(asked, found, "items", {"incomplete_results": False})
        return _error(404, "Not Found")

    def _repository(self, asked: Asked, repository: Repository, rest: str | None) -> Answer:
        if rest is None:
            return Answer(200, repository.item)
        if match := re.fullmatch(r"pulls/(\d+)/reviews", rest):
            return self._page(asked, repository.reviews.get(int(match[1]), []))
        if match := re.fullmatch(r"actions/runs/(\d+)/jobs", rest):
            return self._page(asked, repository.jobs.get(int(match[1]), []), "jobs")
        if match := re.fullmatch(r"compare/([0-9a-f]+)\.\.\.HEAD", rest):
            return self._compare(asked, repository.lists["commits"], match[1])
        if rest not in repository.lists:
            return _error(404, "Not Found")
        items = repository.lists[rest]
        if rest in TRAFFIC:
            return Answer(200, {"count": 0, "uniques": 0, TRAFFIC[rest]: items})
        if rest == "commits" and not items:
            return _error(409, "Git Repository is empty.")
        if rest == "contributors" and not items:
            return Answer(204)
        if rest == "stargazers" and "star+json" not in asked.headers.get("accept", ""):
            items = [item["user"] for item in items]
        return self._page(asked, self._filtered(asked, rest, items), ENVELOPES.get(rest))

    def _compare(self, asked: Asked, commits: list[Item], base: str) -> Answer:
        shas = [commit["sha"] for commit in commits]
        if base not in shas:
            return _error(404, "Not Found")
        ahead = commits[: shas.index(base)][::-1]
        return self._page(asked, ahead, "commits", {"total_commits": len(ahead)})

    @staticmethod
    def _filtered(asked: Asked, rest: str, items: list[Item]) -> list[Item]:
        params = asked.params
        if rest in ("issues", "pulls", "milestones"):
            state = params.get("state", "open")
            items = [item for item in items if state in ("all", item["state"])]
        since = params.get("since", "")
        if rest == "commits":
            return [i for i in items if i["commit"]["committer"]["date"] >= since]
        if since:
            items = [item for item in items if item["updated_at"] >= since]
        if rest == "actions/runs":
            return sorted(items, key=lambda item: item["created_at"], reverse=True)
        if "sort" in params:
            key = {"updated": "updated_at", "created": "created_at"}.get(params["sort"], "id")
            down = params.get("direction", "desc") == "desc"
            return sorted(items, key=lambda item: (item[key], item["id"]), reverse=down)
        return items

    def _organization(self, asked: Asked, login: str, rest: str | None) -> Answer:
        organization = self.world.organizations.get(login)
        if organization is None:
            return _error(404, "Not Found")
        if rest is None:
            return Answer(200, organization)
        if rest == "repos":
            mine = [r.item for r in self.world.repositories.values() if r.owner == login]
            return self._page(asked, mine)
        if rest == "teams":
            return self._page(asked, self.world.teams.get(login, []))
        if rest == "members" or re.fullmatch(r"teams/[^/]+/members", rest):
            return self._page(asked, self.world.members.get(login, []))
        return _error(404, "Not Found")

    def _page(
        self,
        asked: Asked,
        items: list[Item],
        envelope: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Answer:
        size = min(int(asked.params.get("per_page", 30)), 100)
        page = int(asked.params.get("page", 1))
        last = max(1, -(-len(items) // size))
        links = []
        for relation, number in (("next", page + 1), ("last", last)):
            if page < last:
                query = urlencode({**asked.params, "page": number})
                links.append(f'<{self.url}{asked.path}?{query}>; rel="{relation}"')
        part = items[(page - 1) * size : page * size]
        body: Any = part
        if envelope:
            body = {"total_count": len(items), **(extra or {}), envelope: part}
        return Answer(200, body, {"Link": ", ".join(links)} if links else {})

    # --- GraphQL ----------------------------------------------------------------------

    def _graphql(self, asked: Asked) -> Answer:
        question = asked.json()
        variables = question["variables"]
        if "discussions" in question["query"]:
            repository = self.world.repositories.get(f"{variables['org']}/{variables['repo']}")
            if repository is None:
                return _not_found("repository")
            connection = _connection(repository.lists["discussions"], variables)
            return Answer(200, {"data": {"repository": {"discussions": connection}}})
        if variables["org"] not in self.world.organizations:
            return _not_found("organization")
        projects = [
            {
                "id": f"P_{n}",
                "number": n,
                "title": f"Project {n}",
                "closed": False,
                "public": True,
                "createdAt": "2024-01-01T00:00:00Z",
                "updatedAt": "2024-01-02T00:00:00Z",
            }
            for n in range(3)
        ]
        connection = _connection(projects, variables)
        return Answer(200, {"data": {"organization": {"projectsV2": connection}}})


def _connection(items: list[Item], variables: dict[str, Any]) -> Item:
    start = int(variables.get("after") or 0)
    end = min(start + variables["first"], len(items))
    return {
        "totalCount": len(items),
        "nodes": items[start:end],
        "pageInfo": {"hasNextPage": end < len(items), "endCursor": str(end)},
    }


def _not_found(name: str) -> Answer:
    error = {"type": "NOT_FOUND", "path": [name], "message": f"Could not resolve to a {name}."}
    return Answer(200, {"data": {name: None}, "errors": [error]})


def _error(status: int, message: str) -> Answer:
    return Answer(status, json.dumps({"message": message, "status": str(status)}).encode())
