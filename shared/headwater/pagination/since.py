"""Changes in ascending order: what follows the last record, asked for by its own value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from headwater.errors import IncompleteFetchError
from headwater.http.message import Request
from headwater.pagination.base import Page, Pagination, Paginator

MOST_ROUNDS = 20


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
        self._is_inside = False
        self._found_new = False
        self._rounds = 0

    def first(self, request: Request) -> Request:
        name, count = self._pagination.size
        self._since = request.params.get(self._pagination.param)
        self._origin = request.with_params(**{name: count})
        return self._origin

    def fresh(self, records: list[Any]) -> list[Any]:
        how = self._pagination
        found = [r for r in records if r[how.identity] not in self._seen_there]
        self._found_new |= any(r[how.key] == self._since for r in found)
        return found

    def next(self, request: Request, page: Page) -> Request | None:
        # a round inside one moment asks again for what was asked before: `_rounds` ends it
        self.count(page)
        self.refuse_same_page(request, page)
        return self.follow(request, page)

    def follow(self, request: Request, page: Page) -> Request | None:
        how = self._pagination
        url = page.response.links.get("next")
        last = page.records[-1][how.key] if page.records else None
        if url and last is not None and last == self._since:
            # more records of one moment than a page holds: only the link leads on
            self._is_inside = True
            self._remember(page.records)
            return request.at(self.same_host(request, url))
        if self._is_inside and self._found_new:
            # pages by number, while records may have moved between them: once more, until a
            # round finds nothing that was not seen
            self._remember(page.records)
            return self._another_round(request)
        if not url or last is None:
            return None
        self._is_inside, self._rounds = False, 0
        self._since, self._seen_there = last, set()
        self._remember(page.records)
        return self._from_moment()

    def _remember(self, records: list[Any]) -> None:
        how = self._pagination
        self._seen_there |= {r[how.identity] for r in records if r[how.key] == self._since}

    def _another_round(self, request: Request) -> Request:
        self._rounds += 1
        if self._rounds > MOST_ROUNDS:
            raise IncompleteFetchError(
                f"the records of {self._since} changed faster than they could be read.",
                stream=request.stream,
                advice="Run again.",
            )
        self._is_inside = self._found_new = False
        self._last_content = None
        return self._from_moment()

    def _from_moment(self) -> Request:
        # a link that was followed has pages in its URL; the moments start from the first request
        assert self._origin is not None  # noqa: S101  first() has set it
        return self._origin.with_params(**{self._pagination.param: self._since})
