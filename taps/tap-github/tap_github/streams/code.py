"""Commits, and the names that point at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from headwater.http import Request, Response
from headwater.streams.base import Context, Record

from tap_github.streams.repositories import RepositoryList


class Commits(RepositoryList):
    """Commits of the default branch.

    The first run lists them. Later runs ask for what the branch has and the head of the last
    run has not: a filter by date would miss commits made before that run and pushed after it.
    """

    name = "commits"
    description = "Commits of the default branch."
    path = "/repos/{org}/{repo}/commits"
    primary_keys = ("org", "repo", "sha")
    replication_key = "commit_timestamp"
    start_param = "since"
    is_conditional = False  # the comparison with the last head takes its place

    def __init__(self, tap: Any):
        super().__init__(tap)
        self._heads: dict[str, str] = {}

    def request(self, context: Context | None, start: Any) -> Request:
        """Return the request for the commits since the last head, or since a date."""
        request = super().request(context, start)
        head = self._known_head(context) if start is not None else None
        if not head or not context:
            return request
        base = self.api_url + "/repos/{org}/{repo}".format(**context)
        return replace(request, url=f"{base}/compare/{head}...HEAD", params={})

    def pages(self, context: Context | None, start: Any) -> Iterator[list[Record]]:
        """Yield commits, by date where the last head is not in the repository any more."""
        found = False
        for page in super().pages(context, start):
            found = True
            yield page
        if not found and self._known_head(context) and self.state and context:
            # a rewritten history: the head that we know is gone
            bookmark = self.state.bookmark(self.name, self.state_context(context))
            bookmark.pop("head", None)
            yield from super().pages(context, start)

    def parse(self, response: Response, context: Context | None) -> list[Record]:
        """Return the commits, and remember the newest."""
        body = response.value()
        if isinstance(body, dict):
            commits = list(body["commits"])  # oldest first
            newest = commits[-1:] if commits else []
        else:
            commits = body or []
            newest = [] if self._key(context) in self._heads else commits[:1]  # newest first
        for commit in newest:
            self._heads[self._key(context)] = commit["sha"]
        return commits

    def post_process(self, record: Record, context: Context | None) -> Record:  # noqa: ARG002
        """Give the commit the date that GitHub filters by."""
        record["commit_timestamp"] = record["commit"]["committer"]["date"]
        return record

    def memory(self, context: Context | None) -> dict[str, Any]:
        """Return the head of the branch."""
        head = self._heads.get(self._key(context))
        return {"head": head} if head else {}

    def _known_head(self, context: Context | None) -> str | None:
        if self.state is None:
            return None
        head = self.state.peek(self.name, self.state_context(context)).get("head")
        return str(head) if head else None

    def _key(self, context: Context | None) -> str:
        return repr(self.state_context(context))


class Branches(RepositoryList):
    """Branches."""

    name = "branches"
    description = "Branches."
    path = "/repos/{org}/{repo}/branches"
    primary_keys = ("org", "repo", "name")


class Tags(RepositoryList):
    """Tags."""

    name = "tags"
    description = "Tags."
    path = "/repos/{org}/{repo}/tags"
    primary_keys = ("org", "repo", "name")


class Releases(RepositoryList):
    """Releases."""

    name = "releases"
    description = "Releases."
    path = "/repos/{org}/{repo}/releases"
