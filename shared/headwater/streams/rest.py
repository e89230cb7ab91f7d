"""Streams of HTTP APIs: a request, a paginator, and where the records are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from headwater.errors import IncompleteFetchError, TransientError
from headwater.http import Request, Response
from headwater.http.client import Skipped, Unchanged
from headwater.jsonpath import exists, find_list
from headwater.pagination import Page, Pagination, SinglePage
from headwater.streams.base import Context, Record, Stream, StreamHost
from headwater.streams.conditional import EntityTags
from headwater.streams.state import order


class RESTStream(Stream):
    """A stream whose pages are answers to HTTP requests.

    Class attributes:
        path: The path below the API's URL; `{names}` come from the context.
        method: The HTTP method.
        params: Query parameters of every request; `{names}` come from the context.
        headers: Headers of every request.
        records: Where in the body the records are, as JSONPath; `` for the body itself.
        may_lack_records: The API leaves out `records` where there are none.
        pagination: How the API splits the list into pages.
        start_param: The parameter that takes the replication value to begin at.
        newest_first: Records come in descending order of the replication key: the fetch
            ends at the bookmark.
        scope: Which of the API's budgets the requests count against.
        is_conditional: The first page is asked for with the ETag of the last run; where it is
            unchanged (304), nothing is emitted.
        tolerated: Statuses that mean "nothing here" for one context, and end nothing.
    """

    path: ClassVar[str] = ""
    method: ClassVar[str] = "GET"
    params: ClassVar[Mapping[str, Any]] = {}
    headers: ClassVar[Mapping[str, str]] = {}
    records: ClassVar[str] = ""
    may_lack_records: ClassVar[bool] = False
    pagination: ClassVar[Pagination] = SinglePage()
    start_param: ClassVar[str | None] = None
    newest_first: ClassVar[bool] = False
    scope: ClassVar[str] = ""
    tolerated: ClassVar[frozenset[int]] = frozenset()

    def __init__(self, tap: StreamHost):
        super().__init__(tap)
        self._etags: dict[int, dict[str, Any]] = {}

    @property
    def is_conditional(self) -> bool:
        """Whether the list is asked for with the ETag of the last run."""
        return False

    @property
    def api_url(self) -> str:
        """The URL that `path` is below; the tap's setting `api_url` by default."""
        return str(self.config["api_url"]).rstrip("/")

    def request(self, context: Context | None, start: Any) -> Request:
        """Return the request for the first page."""
        values = context or {}
        params = {
            name: value.format(**values) if isinstance(value, str) else value
            for name, value in self.params.items()
        }
        if self.start_param and start is not None:
            params[self.start_param] = start
        return Request(
            self.api_url + self.path.format(**values),
            method=self.method,
            params=params,
            headers=dict(self.headers),
            scope=self.scope,
            stream=self.name,
            tolerated=self.tolerated,
        )

    def parse(self, response: Response, context: Context | None) -> list[Record]:  # noqa: ARG002
        """Return the records of an answer.

        Raises:
            IncompleteFetchError: there is nothing at `records`: the answer is of another form,
                which is not the same as an empty list.
        """
        body = response.json()
        found = find_list(body, self.records)
        if not found and not self.may_lack_records and not exists(body, self.records):
            raise IncompleteFetchError(
                f"{response.request} answered without '{self.records}': {response.excerpt()}",
                stream=self.name,
                advice="Set where the records are, or 'may_lack_records' where the API leaves "
                "out an empty list.",
            )
        return found

    def pagination_for(self, context: Context | None) -> Pagination:  # noqa: ARG002
        """Return how the list of a context is split into pages."""
        return self.pagination

    def memory(self, context: Context | None) -> dict[str, Any]:
        """Return the ETag of the list, where the next run may rely on it."""
        return self._etags.pop(id(context), {})

    def smaller(self, request: Request) -> Request | None:  # noqa: ARG002
        """Return a request for less, after the API timed out on this one; None: it cannot be."""
        return None

    def pages(self, context: Context | None, start: Any) -> Iterator[list[Record]]:
        """Yield the records of each page, until the API says that it was the last."""
        paginator = self.pagination_for(context).paginator()
        first: Request | None = paginator.first(self.request(context, start))
        request = first
        etags = EntityTags(self, context) if self.is_conditional and self.is_leaf else None
        while request is not None:
            answer = self._send(etags.condition(request) if etags and request is first else request)
            if isinstance(answer, Skipped):
                self._report_skip(request, answer.reason)
                return
            if isinstance(answer, Unchanged):
                return
            records = self.parse(answer, context)
            fresh = paginator.fresh(records)
            # asked before the page is handed on, so that a stuck paginator emits nothing twice
            following = paginator.next(request, Page(answer, records))
            yield self.wanted(fresh, start)
            if self.reached(records, start):
                following, paginator.reported = None, None
            if etags and request is first and (following is None or self.newest_first):
                self._etags[id(context)] = etags.remember(first, answer, len(records))
            request = following
        if self.report is not None and paginator.reported is not None:
            self.report.reported = (self.report.reported or 0) + paginator.reported

    def _send(self, request: Request) -> Response | Skipped | Unchanged:
        while True:
            try:
                return self.tap.client.send(request)
            except TransientError:
                less = self.smaller(request)
                if less is None:
                    raise
                self.logger.warning("stream '%s': asking for smaller pages", self.name)
                request = less

    def wanted(self, records: list[Record], start: Any) -> list[Record]:
        """Return the records that an incremental fetch is about."""
        key = self.bookmark_key
        if not (self.newest_first and key and start is not None):
            return records
        since = order(start)
        return [r for r in records if r.get(key) is None or order(r[key]) >= since]

    def reached(self, records: list[Record], start: Any) -> bool:
        """Whether a newest-first list has come down to what an earlier run has seen."""
        key = self.bookmark_key
        if not (self.newest_first and key and records and start is not None):
            return False
        oldest = records[-1].get(key)
        return oldest is not None and order(oldest) < order(start)

    def _report_skip(self, request: Request, reason: str) -> None:
        self.logger.warning("stream '%s': nothing to fetch at %s: %s", self.name, request, reason)
        if self.report is not None:
            self.report.skip(str(request), reason)
