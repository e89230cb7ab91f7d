"""The Link header of RFC 8288."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.http.message import Request
from headwater.pagination.base import Page, Pagination, Paginator


@dataclass(frozen=True)
class LinkHeader(Pagination):
    """`Link: <https://api.example/items?page=2>; rel="next"`: follow it, never compute it.

    Args:
        size: The parameter that sets how many records a page has, and how many to ask for.
        total: Where in the body the number of all records is, if it is there.
    """

    size: tuple[str, int] | None = None
    total: str | None = None

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _LinkPaginator(self.size, self.total)


class _LinkPaginator(Paginator):
    def follow(self, request: Request, page: Page) -> Request | None:
        url = page.response.links.get("next")
        return request.at(self.same_host(request, url)) if url else None
