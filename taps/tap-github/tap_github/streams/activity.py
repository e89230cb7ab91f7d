"""What happens in a repository."""

from __future__ import annotations

from headwater.pagination import SinglePage
from headwater.streams.base import Context, Record

from tap_github.streams.base import NOT_ALLOWED
from tap_github.streams.repositories import RepositoryList


class Events(RepositoryList):
    """Events, newest first; GitHub keeps the last 300 of 30 days."""

    name = "events"
    description = "Events: the last 300."
    path = "/repos/{org}/{repo}/events"
    replication_key = "created_at"
    newest_first = True

    def post_process(self, record: Record, context: Context | None) -> Record:
        """Put the names of owner and repository where the API has objects of the same name."""
        return {**record, **(context or {})}


class Deployments(RepositoryList):
    """Deployments."""

    name = "deployments"
    description = "Deployments."
    path = "/repos/{org}/{repo}/deployments"


class TrafficViews(RepositoryList):
    """Views of the last 14 days, by day; needs push access."""

    name = "traffic_views"
    description = "Views by day, for 14 days (needs push access)."
    path = "/repos/{org}/{repo}/traffic/views"
    records = "views"
    primary_keys = ("org", "repo", "timestamp")
    pagination = SinglePage()
    tolerated = NOT_ALLOWED


class TrafficClones(RepositoryList):
    """Clones of the last 14 days, by day; needs push access."""

    name = "traffic_clones"
    description = "Clones by day, for 14 days (needs push access)."
    path = "/repos/{org}/{repo}/traffic/clones"
    records = "clones"
    primary_keys = ("org", "repo", "timestamp")
    pagination = SinglePage()
    tolerated = NOT_ALLOWED
