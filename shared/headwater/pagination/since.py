"""Changes in ascending order: what follows the last record, asked for by its own value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from headwater.http.message import Request
from headwater.pagination.base import Page, Pagination, Paginator


@dataclass(frozen=True)
class SortedSince(Pagination):
    """`?since=T&sort=updated`: after a full page, `since` becomes the last record's value.

    Page numbers would lose records here: what is updated while the list is read moves to its
    end, everything behind moves up, and the next page begins too late. The API's `since` is
    inclusive, so the records of that moment come twice; `fresh` drops the second ones.

    Args:
        param: The parameter that takes the moment.
        key: The field that the list is sorted by, ascending.
        size: The parameter that sets how many records a page has, and how many to ask for.
        identity: The field that identifies a record.
    """

    can_resume: ClassVar[bool] = False
    param: str
    key: str
    size: tuple[str, int]
    identity: str = "id"

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _SincePaginator(self)


class _SincePaginator(Paginator):
    def __init__(self, pagination: SortedSince):
        super().__init__()
        self._pagination = pagination
        self._origin: Request | None = None
        self._since: Any = None
        self._seen_there: set[Any] = set()

    def first(self, request: Request) -> Request:
        name, count = self._pagination.size
        self._since = request.params.get(self._pagination.param)
        self._origin = request.with_params(**{name: count})
        return self._origin

    def fresh(self, records: list[Any]) -> list[Any]:
        identity = self._pagination.identity
        return [r for r in records if r[identity] not in self._seen_there]

    def follow(self, request: Request, page: Page) -> Request | None:
        how = self._pagination
        url = page.response.links.get("next")
        if not url or not page.records:
            return None
        last = page.records[-1][how.key]
        at_last = {r[how.identity] for r in page.records if r[how.key] == last}
        if last == self._since:
            # more records of one moment than a page holds: only the link leads on
            self._seen_there |= at_last
            return request.at(self.same_host(request, url))
        self._since, self._seen_there = last, at_last
        # a link that was followed has pages in its URL; the moments start from the first request
        return (self._origin or request).with_params(**{how.param: last})
