"""What a paginator is, and the proof of completeness that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit

from headwater.errors import IncompleteFetchError
from headwater.http.message import Request, Response
from headwater.jsonpath import find


@dataclass(frozen=True)
class Page:
    """One answer and the records in it."""

    response: Response
    records: list[Any]


@dataclass(frozen=True)
class Allowance:
    """How far a live collection may fall short of the total it reported.

    Args:
        records: So many records.
        share: So much of the total, 0.01 for one percent.
    """

    records: int = 0
    share: float = 0.0

    @classmethod
    def of(cls, text: int | str) -> Allowance:
        """Return the allowance that `5` or `"1%"` names.

        Raises:
            ValueError: it names none.
        """
        if isinstance(text, str) and text.strip().endswith("%"):
            return cls(share=float(text.strip()[:-1]) / 100)
        return cls(records=int(text))

    def covers(self, missing: int, total: int) -> bool:
        """Whether so many records of a total may be missing."""
        return missing <= max(self.records, self.share * total)


NOTHING_ALLOWED = Allowance()


class Pagination:
    """How an API splits a list into pages: a value that a stream declares.

    Class attributes:
        can_resume: A list can be taken up at any of its pages.
    """

    can_resume: ClassVar[bool] = True

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        raise NotImplementedError


class Paginator:
    """Walks one fetch.

    It ends only when the API says so: `next` returns None for that, and raises where the
    API repeats itself.

    Args:
        size: The parameter that sets how many records a page has, and how many to ask for.
        total: Where in the body the number of all records is.
        in_body: Parameters go into the JSON body of the request, not into its query.

    Attributes:
        fetched: Records so far.
        reported: The total that the API has named.
        allowance: How far the end may fall short of it.
    """

    def __init__(
        self,
        size: tuple[str, int] | None = None,
        total: str | None = None,
        *,
        in_body: bool = False,
    ) -> None:
        self._size = size
        self._total = total
        self._in_body = in_body
        self._asked: set[str] = set()
        self._last_content: bytes | None = None
        self.fetched = 0
        self.reported: int | None = None
        self.allowance = NOTHING_ALLOWED

    def first(self, request: Request) -> Request:
        """Return the request for the first page."""
        return self.put(request, self._size[0], self._size[1]) if self._size else request

    def put(self, request: Request, name: str, value: Any) -> Request:
        """Return the request with a parameter of the pagination in its query or in its body."""
        if not self._in_body:
            return request.with_params(**{name: value})
        body = request.json if isinstance(request.json, dict) else {}
        return replace(request, json={**body, name: value})

    def take(self, request: Request, page: Page) -> tuple[list[Any], Request | None]:
        """Return the records of a page that are new, and the request for the page after it.

        Raises:
            IncompleteFetchError: the fetch cannot be proven to be complete.
        """
        fresh = self.fresh(page.records)
        return fresh, self.next(request, page)

    def fresh(self, records: list[Any]) -> list[Any]:
        """Return the records of a page that have not come with an earlier one."""
        return records

    def next(self, request: Request, page: Page) -> Request | None:
        """Return the request for the page after this one; None: the API says it was the last.

        Raises:
            IncompleteFetchError: the fetch cannot be proven to be complete.
        """
        self.count(page)
        self.refuse_same_page(request, page)
        following = self.follow(request, page)
        if following is None:
            self.finish(request)
            return None
        self._asked.add(_identity(request))
        if _identity(following) in self._asked:
            raise IncompleteFetchError(
                f"the API sent the fetch back to a page it had already been given ({following}).",
                stream=request.stream,
                advice="The pagination is stuck; nothing after that page was fetched.",
            )
        return following

    def progress(self) -> dict[str, Any]:
        """Return what `restore` needs to go on in another run."""
        return {"fetched": self.fetched, "reported": self.reported}

    def restore(self, progress: Mapping[str, Any]) -> None:
        """Take up what another run's `progress` returned."""
        self.fetched = int(progress.get("fetched") or 0)
        self.reported = progress.get("reported")

    def count(self, page: Page) -> None:
        """Count a page's records, and learn the total."""
        self.fetched += len(page.records)
        if self._total:
            reported = find(page.response.value(), self._total)
            if isinstance(reported, str) and reported.isdigit():
                reported = int(reported)
            if isinstance(reported, int):
                self.reported = reported

    def follow(self, request: Request, page: Page) -> Request | None:
        """Return the request for the next page, or None; each kind of pagination says how."""
        raise NotImplementedError

    def after_nothing(self, request: Request) -> Request | None:  # noqa: ARG002
        """Return what is asked for after the API had nothing for a request; None: no more."""
        return None

    def rest(self, request: Request, page: Page) -> list[Request] | None:  # noqa: ARG002
        """Return all requests after the first page where they are known then; else None."""
        return None

    def finish(self, request: Request) -> None:
        """Check the end of the fetch against the total that the API reported, if it did."""
        if self.reported is None or self.fetched >= self.reported:
            return
        if not self.allowance.covers(self.reported - self.fetched, self.reported):
            raise IncompleteFetchError(
                f"the API reported {self.reported} records and ended after {self.fetched} "
                f"({request}).",
                stream=request.stream,
                advice="Run again; the collection may have changed while it was read. Where it "
                "always does, allow the stream some drift.",
            )

    def refuse_same_page(self, request: Request, page: Page) -> None:
        """Raise where a page is the same as the one before it."""
        if not page.records:
            self._last_content = None
            return
        content = page.response.content
        if content == self._last_content:
            raise IncompleteFetchError(
                f"the API answered two different pages with the same records ({request}).",
                stream=request.stream,
                advice="The pagination is stuck; nothing after that page was fetched.",
            )
        self._last_content = content

    @staticmethod
    def same_host(request: Request, url: str) -> str:
        """Return the absolute form of a URL that the API gave.

        Raises:
            IncompleteFetchError: it leads to another host, which must not get credentials.
        """
        absolute = urljoin(request.url, url)
        here, there = urlsplit(request.url), urlsplit(absolute)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise IncompleteFetchError(
                f"the next page is on another host ({there.netloc} instead of {here.netloc}).",
                stream=request.stream,
                advice="Set the API's URL to the host that it answers with.",
            )
        return absolute


def _identity(request: Request) -> str:
    return f"{request.full_url}\n{request.json!r}"


class SinglePage(Pagination):
    """The API answers with everything at once."""

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _SinglePagePaginator()


class _SinglePagePaginator(Paginator):
    def follow(self, request: Request, page: Page) -> Request | None:
        if "next" in page.response.links:
            raise IncompleteFetchError(
                f"the answer to {request} names a next page, and the stream has no pagination.",
                stream=request.stream,
                advice="Declare how its list is split into pages.",
            )
        return None
