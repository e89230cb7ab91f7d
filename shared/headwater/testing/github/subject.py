"""tap-github under test."""

from __future__ import annotations

import copy
from typing import Any

from headwater.testing.conformance.subject import Subject
from headwater.testing.github.api import GitHubAPI
from headwater.testing.github.world import seeded_world

TOKEN = "demo-token"  # noqa: S105  the demo server's
OWNER, NAME = "acme", "rocket"


class GitHubVendor(GitHubAPI):
    """GitHub, whose issues change while they are read."""

    def __init__(self) -> None:
        super().__init__(seeded_world(OWNER, NAME))
        self._issues = self.world.repositories[f"{OWNER}/{NAME}"].lists["issues"]

    def grow(self) -> None:
        """Open an issue."""
        number = max(issue["number"] for issue in self._issues) + 1
        issue = copy.deepcopy(self._issues[0])
        issue |= {"id": 10**9 + number, "number": number, "updated_at": "2025-06-01T00:00:00Z"}
        self._issues.append(issue)

    def shrink(self) -> None:
        """Delete the issue that was updated first."""
        self._issues.remove(min(self._issues, key=lambda issue: issue["updated_at"]))


def config(url: str) -> dict[str, Any]:
    """Return tap-github's config for the server."""
    return {
        "api_url": url,
        "auth_token": TOKEN,
        "repositories": [f"{OWNER}/{NAME}"],
        "rate_limit_buffer": 0,
        "request_timeout": 1,
        "backoff_max_tries": 4,
        "concurrency": 1,
    }


SUBJECT = Subject(
    tap="tap-github",
    serve=GitHubVendor,
    config=config,
    streams=("issues", "pull_requests", "workflow_runs", "discussions", "labels"),
    counted=f"/repos/{OWNER}/{NAME}/actions/runs",
    limited={
        "status": 403,
        "body": {"message": "You have exceeded a secondary rate limit."},
        "headers": {"Retry-After": "1"},
    },
)
