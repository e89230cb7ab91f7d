"""Pages that the client counts: page numbers and offsets."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    param: str = "page"
    size: tuple[str, int] | None = ("per_page", 100)
    first: int = 1
    total: str | None = None
    total_pages: str | None = None

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _CountedPaginator(self.param, self.size, self.first, 1, self.total, self.total_pages)


@dataclass(frozen=True)
class Offset(Pagination):
    """`?offset=200&limit=100`, until the total is reached; without one, until a page is empty.

    Args:
        param: The parameter that holds the number of records to pass over.
        size: The parameter that sets how many records a page has, and how many to ask for.
        total: Where in the body the number of all records is.
    """

    param: str = "offset"
    size: tuple[str, int] = ("limit", 100)
    total: str | None = None

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _CountedPaginator(self.param, self.size, 0, self.size[1], self.total, None)


class _CountedPaginator(Paginator):
    def __init__(
        self,
        param: str,
        size: tuple[str, int] | None,
        start: int,
        step: int,
        total: str | None,
        total_pages: str | None,
    ):
        super().__init__()
        self._param, self._size = param, size
        self._position, self._step = start, step
        self._start = start
        self._total, self._total_pages = total, total_pages

    def first(self, request: Request) -> Request:
        return request.with_params(
            **{self._param: self._position},
            **({self._size[0]: self._size[1]} if self._size else {}),
        )

    def follow(self, request: Request, page: Page) -> Request | None:
        body = page.response.json() if self._total or self._total_pages else None
        if self._total and isinstance(reported := find(body, self._total), int):
            self.reported = reported
        if self._is_last(request, page, body):
            return None
        self._position += self._step
        return request.with_params(**{self._param: self._position})

    def _is_last(self, request: Request, page: Page, body: object) -> bool:
        if self._total_pages and isinstance(pages := find(body, self._total_pages), int):
            return self._position - self._start + 1 >= pages
        if self.reported is not None:
            if not page.records and self.fetched < self.reported:
                raise IncompleteFetchError(
                    f"the API gave an empty page after {self.fetched} of {self.reported} "
                    f"records ({request}).",
                    stream=request.stream,
                    advice="Run again; the collection may have changed while it was read.",
                )
            return self.fetched >= self.reported
        # without a total only an empty page says that nothing follows: a server may cap sizes
        return not page.records
