"""What only the GraphQL API has."""

from __future__ import annotations

from headwater.pagination import GraphQLConnection
from headwater.streams.base import Context

from tap_github.streams.base import GitHubGraphQLStream
from tap_github.streams.organizations import Organizations
from tap_github.streams.repositories import Repositories

DISCUSSIONS = """
query ($org: String!, $repo: String!, $first: Int!, $after: String) {
  repository(owner: $org, name: $repo) {
    discussions(first: $first, after: $after, orderBy: {field: UPDATED_AT, direction: DESC}) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes {
        id databaseId number title body url locked closed isAnswered upvoteCount
        createdAt updatedAt closedAt answerChosenAt
        author { login }
        category { id name isAnswerable }
        comments { totalCount }
      }
    }
  }
}
"""

PROJECTS = """
query ($org: String!, $first: Int!, $after: String) {
  organization(login: $org) {
    projectsV2(first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes {
        id fullDatabaseId number title shortDescription readme public closed template url
        createdAt updatedAt closedAt
        creator { login }
        items { totalCount }
      }
    }
  }
}
"""


class Discussions(GitHubGraphQLStream):
    """Discussions, newest change first."""

    name = "discussions"
    description = "Discussions (GraphQL)."
    parent = Repositories
    query = DISCUSSIONS
    variables = {"org": "{org}", "repo": "{repo}"}
    records = "data.repository.discussions.nodes"
    pagination = GraphQLConnection("data.repository.discussions")
    replication_key = "updatedAt"
    newest_first = True

    def state_context(self, context: Context | None) -> Context | None:
        """Return owner and name."""
        return {name: context[name] for name in ("org", "repo")} if context else None


class Projects(GitHubGraphQLStream):
    """Projects of an organization."""

    name = "projects"
    description = "Projects of organizations (GraphQL, needs `read:project`)."
    parent = Organizations
    query = PROJECTS
    variables = {"org": "{org}"}
    records = "data.organization.projectsV2.nodes"
    pagination = GraphQLConnection("data.organization.projectsV2")
