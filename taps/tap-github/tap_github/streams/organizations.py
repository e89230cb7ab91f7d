"""Organizations and their people."""

from __future__ import annotations

from typing import ClassVar

from headwater.pagination import SinglePage
from headwater.streams.base import Context, Record, Stream

from tap_github.streams.base import NOT_ALLOWED, GitHubStream


class Organizations(GitHubStream):
    """The organizations of setting `organizations`."""

    name = "organizations"
    description = "The organizations in setting `organizations`."
    path = "/orgs/{org}"
    pagination = SinglePage()
    is_conditional = False  # streams below it change without it

    def contexts(self) -> list[Context]:
        """Return one context an organization."""
        return [{"org": org} for org in self.config.get("organizations") or ()]

    def child_context(self, record: Record, context: Context | None) -> Context:  # noqa: ARG002
        """Return the organization's login."""
        return {"org": record["login"]}


class OrganizationList(GitHubStream):
    """A list of an organization; who is not a member may not see it."""

    parent: ClassVar[type[Stream] | None] = Organizations
    tolerated = NOT_ALLOWED


class Teams(OrganizationList):
    """Teams."""

    name = "teams"
    description = "Teams (needs `read:org`)."
    path = "/orgs/{org}/teams"

    def child_context(self, record: Record, context: Context | None) -> Context:
        """Return the organization, and the team's slug and id."""
        return {**(context or {}), "team_slug": record["slug"], "team_id": record["id"]}


class TeamMembers(OrganizationList):
    """Members of teams."""

    name = "team_members"
    description = "Members of teams (needs `read:org`)."
    parent = Teams
    path = "/orgs/{org}/teams/{team_slug}/members"
    primary_keys = ("team_id", "id")


class OrganizationMembers(OrganizationList):
    """Members of organizations."""

    name = "organization_members"
    description = "Members of organizations; public ones for others."
    path = "/orgs/{org}/members"
    primary_keys = ("org", "id")
