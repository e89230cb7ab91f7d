"""GitHub Actions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from headwater.pagination import LinkHeader
from headwater.streams.base import Context, Record
from headwater.streams.state import look_back, order

from tap_github.streams.repositories import RepositoryList

COUNTED_PAGES = LinkHeader(size=("per_page", 100), total="total_count")
# a run changes for at most so long after it was created: 30 days to re-run it, 35 to finish
RUN_LIFETIME = timedelta(days=65)


class Workflows(RepositoryList):
    """Workflows."""

    name = "workflows"
    description = "Workflows."
    path = "/repos/{org}/{repo}/actions/workflows"
    records = "workflows"
    pagination = COUNTED_PAGES


class WorkflowRuns(RepositoryList):
    """Runs, newest first. With a filter GitHub lists 1,000 at most, so there is none."""

    name = "workflow_runs"
    description = "Runs of workflows."
    path = "/repos/{org}/{repo}/actions/runs"
    records = "workflow_runs"
    replication_key = "updated_at"
    newest_first = True
    pagination = COUNTED_PAGES
    is_conditional = False  # an old run can change without changing the first page

    def reached(self, records: list[Record], start: Any) -> bool:
        """Whether all further runs were created too long ago to have changed since."""
        if not records or start is None or not self.bookmark_key:
            return False
        oldest = order(records[-1]["created_at"])
        return bool(oldest < order(look_back(start, RUN_LIFETIME)))

    def child_context(self, record: Record, context: Context | None) -> Context | None:
        """Return the repository and the run's id."""
        return {**(context or {}), "run_id": record["id"]}


class WorkflowJobs(RepositoryList):
    """Jobs, of the runs that changed; of every attempt."""

    name = "workflow_jobs"
    description = "Jobs of the runs that changed."
    parent = WorkflowRuns
    path = "/repos/{org}/{repo}/actions/runs/{run_id}/jobs"
    params = {"filter": "all"}
    records = "jobs"
    pagination = COUNTED_PAGES
