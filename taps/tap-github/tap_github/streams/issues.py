"""Issues and what hangs on them."""

from __future__ import annotations

from typing import Any

from headwater.http import Request
from headwater.pagination import SortedSince
from headwater.streams.base import Context

from tap_github.streams.repositories import RepositoryList

# asking for what follows the last record, not for page 2: what is updated while we read
# moves to the end, and page 2 would begin one record late
CHANGES = SortedSince(param="since", key="updated_at", size=("per_page", 100))


class Issues(RepositoryList):
    """Issues; GitHub counts pull requests among them (`pull_request` is set)."""

    name = "issues"
    description = "Issues, and pull requests as issues."
    path = "/repos/{org}/{repo}/issues"
    params = {"state": "all", "sort": "updated", "direction": "asc"}
    replication_key = "updated_at"
    start_param = "since"
    is_sorted = True
    pagination = CHANGES


class IssueComments(RepositoryList):
    """Comments on issues and pull requests."""

    name = "issue_comments"
    description = "Comments on issues and pull requests."
    path = "/repos/{org}/{repo}/issues/comments"
    params = {"sort": "updated", "direction": "asc"}
    replication_key = "updated_at"
    start_param = "since"
    is_sorted = True
    pagination = CHANGES


class Milestones(RepositoryList):
    """Milestones, in the state that setting `stream_options` names."""

    name = "milestones"
    description = "Milestones."
    path = "/repos/{org}/{repo}/milestones"

    def request(self, context: Context | None, start: Any) -> Request:
        """Return the request for the first page."""
        options = (self.config.get("stream_options") or {}).get("milestones") or {}
        return super().request(context, start).with_params(state=options.get("state", "all"))


class Labels(RepositoryList):
    """Labels."""

    name = "labels"
    description = "Labels."
    path = "/repos/{org}/{repo}/labels"
