"""Pull requests and what hangs on them."""

from __future__ import annotations

from headwater.streams.base import Context, Record

from tap_github.streams.issues import CHANGES
from tap_github.streams.repositories import RepositoryList


class PullRequests(RepositoryList):
    """Pull requests. There is no filter by date: read from the newest down to the bookmark."""

    name = "pull_requests"
    description = "Pull requests."
    path = "/repos/{org}/{repo}/pulls"
    params = {"state": "all", "sort": "updated", "direction": "desc"}
    replication_key = "updated_at"
    newest_first = True

    def child_context(self, record: Record, context: Context | None) -> Context | None:
        """Return the repository and the pull request's number."""
        return {**(context or {}), "pull_number": record["number"]}


class PullRequestReviews(RepositoryList):
    """Reviews, of the pull requests that changed: a review is a change."""

    name = "pull_request_reviews"
    description = "Reviews of the pull requests that changed."
    parent = PullRequests
    path = "/repos/{org}/{repo}/pulls/{pull_number}/reviews"


class ReviewComments(RepositoryList):
    """Comments on the lines of pull requests."""

    name = "review_comments"
    description = "Comments on the lines of pull requests."
    path = "/repos/{org}/{repo}/pulls/comments"
    params = {"sort": "updated", "direction": "asc"}
    replication_key = "updated_at"
    start_param = "since"
    is_sorted = True
    pagination = CHANGES
