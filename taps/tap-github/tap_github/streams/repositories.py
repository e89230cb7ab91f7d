"""Repositories, from three kinds of settings; the parents of most streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from headwater.errors import IncompleteFetchError
from headwater.http import Request, Response
from headwater.pagination.base import Pagination
from headwater.pagination.link import LinkHeader
from headwater.streams.base import Context, Record, Stream

from tap_github.streams.base import GitHubStream, repository_context

SEARCH_CAP = 1000


class Repositories(GitHubStream):
    """One repository by name, all of an organization, or what a search finds."""

    name = "repositories"
    description = "Repositories by name, by organization, or by search."
    is_conditional = False  # streams below it change without it

    def contexts(self) -> list[Context]:
        """Return one context for each name, organization and search in the settings."""
        self._seen: set[int] = set()
        names = [name.split("/", 1) for name in self.config.get("repositories") or ()]
        return [
            *({"org": owner, "repo": name} for owner, name in names),
            *({"org": org} for org in self.config.get("organizations") or ()),
            *(
                {"search_name": search["name"], "search_query": search["query"]}
                for search in self.config.get("searches") or ()
            ),
        ]

    def request(self, context: Context | None, start: Any) -> Request:
        """Return the request that a context of `contexts` asks for."""
        context = context or {}
        if "repo" in context:
            path, params = "/repos/{org}/{repo}", {}
        elif "org" in context:
            path, params = "/orgs/{org}/repos", {"type": "all"}
        else:
            path, params = "/search/repositories", {"q": context["search_query"]}
        request = super().request(context, start)
        scope = "search" if "search_query" in context else self.scope
        url = self.api_url + path.format(**context)
        return replace(request, url=url, params=params, scope=scope)

    def pagination_for(self, context: Context | None) -> Pagination:
        """Return how the answer to a context's request is split."""
        if context and "search_query" in context:
            return LinkHeader(size=("per_page", 100), total="total_count")
        if context and "repo" in context:
            return LinkHeader()
        return self.pagination

    def pages(self, context: Context | None, start: Any) -> Iterator[list[Record]]:
        """Yield repositories; those of the settings as they are where no one wants more."""
        if (
            self.config.get("skip_parent_streams")
            and not self.selected
            and context
            and "repo" in context
        ):
            yield [{"owner": {"login": context["org"]}, "name": context["repo"]}]
            return
        yield from super().pages(context, start)

    def parse(self, response: Response, context: Context | None) -> list[Record]:
        """Return the repositories of an answer.

        Raises:
            IncompleteFetchError: a search finds more than GitHub hands out.
        """
        body = response.value()
        if not context or "search_query" not in context:
            return body if isinstance(body, list) else [body]
        if body["total_count"] > SEARCH_CAP:
            raise IncompleteFetchError(
                f"search '{context['search_name']}' finds {body['total_count']} repositories, "
                f"and GitHub hands out the first {SEARCH_CAP} only.",
                advice="Split it in setting 'searches', for example by 'created:2020..2021'.",
            )
        return list(body["items"])

    def post_process(self, record: Record, context: Context | None) -> Record | None:  # noqa: ARG002
        """Name the owner, and leave out what another setting has already brought."""
        if "id" in record:
            if record["id"] in self._seen:
                return None
            self._seen.add(record["id"])
        record["org"] = record["owner"]["login"]
        return record

    def child_context(self, record: Record, context: Context | None) -> Context:  # noqa: ARG002
        """Return owner, name and id."""
        return repository_context(record)


class RepositoryList(GitHubStream):
    """A list of a repository, `/repos/OWNER/NAME/...`; bookmarks are kept by owner and name."""

    parent: ClassVar[type[Stream] | None] = Repositories

    def state_context(self, context: Context | None) -> Context | None:
        """Return owner and name."""
        return {name: context[name] for name in ("org", "repo")} if context else None
