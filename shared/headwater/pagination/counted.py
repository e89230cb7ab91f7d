"""Pages that the client counts: page numbers and offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater.errors import IncompleteFetchError
from headwater.http.message import Request
from headwater.jsonpath import find
from headwater.pagination.base import Page, Pagination, Paginator


@dataclass(frozen=True)
class PageNumber(Pagination):
    """`?page=2&per_page=100`, until the total is reached; without a total, until a page is empty.

    Args:
        param: The parameter that holds the page's number.
        size: The parameter that sets how many records a page has, and how many to ask for.
        first: The number of the first page.
        total: Where in the body the number of all records is.
        total_pages: Where in the body the number of all pages is.
        in_body: Page and size go into the JSON body of the request, not into its query.
    """

    param: str = "page"
    size: tuple[str, int] | None = ("per_page", 100)
    first: int = 1
    total: str | None = None
    total_pages: str | None = None
    in_body: bool = False

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _CountedPaginator(self, start=self.first, step=1, total_pages=self.total_pages)


@dataclass(frozen=True)
class Offset(Pagination):
    """`?offset=200&limit=100`, until the total is reached; without one, until a page is empty.

    Args:
        param: The parameter that holds the number of records to pass over.
        size: The parameter that sets how many records a page has, and how many to ask for.
        total: Where in the body the number of all records is.
        overlap: How many records of a page are asked for again with the next one: on a list
            that changes while it is read, records that move between pages are not lost, as
            long as no more than so many move at once.
        identity: The field that identifies a record, for an overlap.
        first: How many records to pass over at first; 1 where the API counts from 1.
        in_body: Offset and size go into the JSON body of the request, not into its query.
    """

    param: str = "offset"
    size: tuple[str, int] = ("limit", 100)
    total: str | None = None
    overlap: int = 0
    identity: str = "id"
    first: int = 0
    in_body: bool = False

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        if self.overlap:
            return _OverlappingPaginator(self)
        return _CountedPaginator(self, start=self.first, step=self.size[1], total_pages=None)


class _CountedPaginator(Paginator):
    def __init__(self, how: PageNumber | Offset, *, start: int, step: int, total_pages: str | None):
        super().__init__(how.size, how.total, in_body=how.in_body)
        self._param = how.param
        self._position, self._step = start, step
        self._start = start
        self._total_pages = total_pages

    def first(self, request: Request) -> Request:
        return self.put(super().first(request), self._param, self._position)

    def progress(self) -> dict[str, Any]:
        return {**super().progress(), "position": self._position}

    def restore(self, progress: Mapping[str, Any]) -> None:
        super().restore(progress)
        self._position = int(progress.get("position", self._start))

    def count(self, page: Page) -> None:
        before = self.reported
        super().count(page)
        if before is None or self.reported is None or self.reported >= before:
            return
        # what is taken out of a counted list moves all that follows: a record slips by unseen
        if not self.allowance.covers(before - self.reported, before):
            raise IncompleteFetchError(
                f"the list shrank from {before} to {self.reported} records while it was read by "
                f"{'pages' if self._step == 1 else 'offsets'}: some may have slipped by "
                f"({page.response.request}).",
                stream=page.response.request.stream,
                advice="Run again; where the list is never still, allow it some drift, or read it "
                "by offsets that overlap.",
            )

    def follow(self, request: Request, page: Page) -> Request | None:
        if self._is_last(request, page):
            return None
        self._position += self._step
        return self.put(request, self._param, self._position)

    def rest(self, request: Request, page: Page) -> list[Request] | None:
        """Return the requests of all other pages, where the first one says how many there are."""
        pages = self._pages(page)
        if pages is None or not page.records:
            return None
        return [
            self.put(request, self._param, self._start + number * self._step)
            for number in range(1, pages)
        ]

    def _pages(self, page: Page) -> int | None:
        if self._total_pages:
            pages = find(page.response.value(), self._total_pages)
            return pages if isinstance(pages, int) else None
        if self.reported is None:
            return None
        # a server may give fewer than it was asked for: then the first page is the measure
        size = len(page.records)
        if self._step != 1 and size != self._step and size < self.reported:
            return None
        return max(1, -(-self.reported // max(1, size)))

    def _is_last(self, request: Request, page: Page) -> bool:
        if self._total_pages:
            pages = find(page.response.value(), self._total_pages)
            if isinstance(pages, int):
                return self._position - self._start + 1 >= pages
        if self.reported is not None:
            missing = self.reported - self.fetched
            if not page.records and missing > 0:
                if self.allowance.covers(missing, self.reported):
                    return True
                raise IncompleteFetchError(
                    f"the API gave an empty page after {self.fetched} of {self.reported} "
                    f"records ({request}).",
                    stream=request.stream,
                    advice="Run again; the collection may have changed while it was read.",
                )
            return missing <= 0
        # without a total only an empty page says that nothing follows: a server may cap sizes
        return not page.records


class _OverlappingPaginator(Paginator):
    """Offsets whose pages overlap: what was seen is known, what slipped by is noticed."""

    def __init__(self, pagination: Offset):
        super().__init__(pagination.size, pagination.total, in_body=pagination.in_body)
        if not 0 < pagination.overlap < pagination.size[1]:
            raise ValueError("an overlap is at least 1 and smaller than a page")
        self._how = pagination
        self._offset = pagination.first
        self._seen: set[Any] = set()
        self._last: set[Any] = set()
        self._has_slipped = False

    def first(self, request: Request) -> Request:
        return self.put(super().first(request), self._how.param, self._offset)

    def fresh(self, records: list[Any]) -> list[Any]:
        identity = self._how.identity
        ids = {record[identity] for record in records}
        self._has_slipped = bool(self._last) and bool(ids) and not ids & self._last
        fresh = [record for record in records if record[identity] not in self._seen]
        self._seen |= ids
        self._last = ids
        return fresh

    def count(self, page: Page) -> None:
        super().count(page)
        self.fetched = len(self._seen)

    def follow(self, request: Request, page: Page) -> Request | None:
        if self._has_slipped:
            raise IncompleteFetchError(
                f"two pages that overlap by {self._how.overlap} have no record in common: more "
                f"records moved than that while the list was read ({request}).",
                stream=request.stream,
                advice="Set a larger 'overlap'.",
            )
        if len(page.records) <= self._how.overlap and self._offset > self._how.first:
            return None
        if not page.records:
            return None
        self._offset += max(1, len(page.records) - self._how.overlap)
        return self.put(request, self._how.param, self._offset)
