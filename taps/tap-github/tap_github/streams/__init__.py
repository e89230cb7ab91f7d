"""The streams of tap-github."""

from tap_github.streams.actions import WorkflowJobs, WorkflowRuns, Workflows
from tap_github.streams.activity import Deployments, Events, TrafficClones, TrafficViews
from tap_github.streams.code import Branches, Commits, Releases, Tags
from tap_github.streams.graphql import Discussions, Projects
from tap_github.streams.issues import IssueComments, Issues, Labels, Milestones
from tap_github.streams.organizations import (
    OrganizationMembers,
    Organizations,
    TeamMembers,
    Teams,
)
from tap_github.streams.people import (
    Assignees,
    Collaborators,
    Contributors,
    Forks,
    Stargazers,
    Users,
)
from tap_github.streams.pulls import PullRequestReviews, PullRequests, ReviewComments
from tap_github.streams.repositories import Repositories

STREAMS = (
    Repositories,
    Issues,
    IssueComments,
    PullRequests,
    PullRequestReviews,
    ReviewComments,
    Commits,
    Branches,
    Tags,
    Releases,
    Milestones,
    Labels,
    Stargazers,
    Forks,
    Contributors,
    Collaborators,
    Assignees,
    Workflows,
    WorkflowRuns,
    WorkflowJobs,
    Events,
    Deployments,
    Discussions,
    TrafficViews,
    TrafficClones,
    Organizations,
    Teams,
    TeamMembers,
    OrganizationMembers,
    Projects,
    Users,
)
