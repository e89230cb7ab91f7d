"""What the streams of GitHub have in common."""

from __future__ import annotations

from typing import ClassVar

from headwater.pagination import LinkHeader
from headwater.pagination.base import Pagination
from headwater.streams import GraphQLStream, RESTStream
from headwater.streams.base import Context, Record, Stream

PAGES = LinkHeader(size=("per_page", 100))
# not there, empty, gone, blocked for legal reasons: said of one repository, it ends nothing
NOT_HERE = frozenset({404, 409, 410, 451})
NOT_ALLOWED = NOT_HERE | {403}


class GitHubStream(RESTStream):
    """A REST list, 100 records a page."""

    scope: ClassVar[str] = "core"
    pagination: ClassVar[Pagination] = PAGES
    tolerated: ClassVar[frozenset[int]] = NOT_HERE
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)

    @property
    def is_conditional(self) -> bool:
        """Whether the first page is asked for with the ETag of the last run."""
        # incremental or not, a list that did not change has nothing to say
        return self.bookmark_key is not None or bool(self.config.get("conditional_requests"))


class GitHubGraphQLStream(GraphQLStream):
    """A connection of the GraphQL API."""

    tolerated: ClassVar[frozenset[int]] = NOT_HERE
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)

    @property
    def api_url(self) -> str:
        """The GraphQL endpoint that belongs to the REST API's URL."""
        url = super().api_url
        # https://HOST/api/v3 of an Enterprise Server has https://HOST/api/graphql
        return url.removesuffix("/v3") + "/graphql"


def repository_context(record: Record) -> Context:
    """Return the context that a repository gives to the streams below it."""
    return {"org": record["owner"]["login"], "repo": record["name"], "repo_id": record.get("id")}


class OfRepository(Stream):
    """Bookmarks of what belongs to a repository are kept by owner and name."""

    def state_context(self, context: Context | None) -> Context | None:
        """Return owner and name."""
        if context is None:
            return None
        return {name: context[name] for name in ("org", "repo")}


def by_name(*names: str) -> tuple[str, ...]:
    """Return the keys of records that are unique in their repository only."""
    return ("org", "repo", *names)
