"""Streams of HTTP APIs: a request, a paginator, and where the records are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import quote

from headwater.clock import format_moment, parse_moment
from headwater.errors import (
    ConfigError,
    IncompleteFetchError,
    PermanentError,
    SchemaError,
    TransientError,
)
from headwater.http import Request, Response
from headwater.http.client import Skipped, Unchanged
from headwater.jsonpath import exists, find_list
from headwater.pagination import Allowance, Page, Pagination, Paginator, SinglePage
from headwater.parallel import in_order
from headwater.streams.base import Context, Record, Stream, StreamHost
from headwater.streams.conditional import EntityTags
from headwater.streams.from_texts import TEXT_FORMATS, FromTexts
from headwater.streams.resume import Position
from headwater.streams.state import RESUME, order

START = "start"
NAME = re.compile(r"\{(\w+)\}")
ABSOLUTE = re.compile(r"https?://")


class RecordPage(list[Record]):
    """The records of an answer, the answer, and where the list can be taken up after it."""

    def __init__(
        self,
        records: Iterable[Record],
        response: Response,
        position: dict[str, Any] | None = None,
    ):
        super().__init__(records)
        self.response = response
        self.position = position


class RESTStream(Stream):
    """A stream whose pages are answers to HTTP requests.

    Class attributes:
        path: The path below the API's URL, or a whole URL; `{names}` come from the context.
        method: The HTTP method.
        params: Query parameters of every request; `{names}` come from the context. A value
            that is `{start}` is the moment or number to begin at, null where there is none.
        headers: Headers of every request.
        body: A JSON body of every request, filled in as `params` are.
        records: Where in the body the records are, as JSONPath; `` for the body itself.
        may_lack_records: The API leaves out `records` where there are none.
        response_format: `json`, `ndjson`, `csv` or `xml`; gzip and zip of them are unpacked.
        pagination: How the API splits the list into pages.
        allowance: How far the list may fall short of the total that the API reported.
        start_param: The parameter that takes the replication value to begin at.
        start_format: How moments are written there: `rfc3339`, `date`, `epoch`, `epoch_ms`.
        start_is_exclusive: The API gives what is after the start only: one unit less is sent,
            so that what came late at the bookmark's own moment is not lost.
        end_param: The parameter that takes the setting `end_date`.
        newest_first: Records come in descending order of the replication key: the fetch
            ends at the bookmark.
        page_concurrency: How many pages are asked for at once, where they are known to be
            independent and the list does not change while it is read.
        scope: Which of the API's budgets the requests count against.
        is_conditional: The first page is asked for with the ETag of the last run; where it is
            unchanged (304), nothing is emitted.
        tolerated: Statuses that mean "nothing here" for one context, and end nothing.
    """

    path: ClassVar[str] = ""
    method: ClassVar[str] = "GET"
    params: ClassVar[Mapping[str, Any]] = {}
    headers: ClassVar[Mapping[str, str]] = {}
    body: ClassVar[Any] = None
    records: ClassVar[str] = ""
    may_lack_records: ClassVar[bool] = False
    response_format: ClassVar[str] = "json"
    pagination: ClassVar[Pagination] = SinglePage()
    allowance: ClassVar[Allowance] = Allowance()
    start_param: ClassVar[str | None] = None
    start_format: ClassVar[str | None] = None
    start_is_exclusive: ClassVar[bool] = False
    end_param: ClassVar[str | None] = None
    newest_first: ClassVar[bool] = False
    page_concurrency: ClassVar[int] = 1
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
        values = {**(context or {}), START: None if start is None else self.start_value(start)}
        params = {name: filled(value, values) for name, value in self.params.items()}
        if self.start_param and start is not None:
            params[self.start_param] = self.start_value(start)
        if self.end_param and self.config.get("end_date"):
            params[self.end_param] = self._written(self.config["end_date"])
        in_path = {
            name: None if value is None else quote(str(value), safe="/:@,+")
            for name, value in values.items()
        }
        path = str(filled(self.path, in_path))
        return Request(
            path if ABSOLUTE.match(path) else self.api_url + path,
            method=self.method,
            params=params,
            headers={name: str(filled(value, values)) for name, value in self.headers.items()},
            json=filled(self.body, values),
            scope=self.scope,
            stream=self.name,
            tolerated=self.tolerated,
            response_format=self.response_format,
        )

    def as_replication_value(self, moment: Any) -> Any:
        """Return a moment of the settings as a number, where the key's values are numbers."""
        part = self.schema.get("properties", {}).get(self.bookmark_key, {})
        types = part.get("type", ())
        is_number = bool({"integer", "number"} & ({types} if isinstance(types, str) else {*types}))
        if not is_number or not isinstance(moment, str):
            return moment
        form = "epoch_ms" if self.start_format == "epoch_ms" else "epoch"
        return format_moment(parse_moment(moment), form)

    def start_value(self, start: Any) -> Any:
        """Return the start as the API wants it."""
        if not self.start_is_exclusive:
            return self._written(start)
        if isinstance(start, int) and not self.start_format:
            return start - 1
        earlier = parse_moment(start) - timedelta(seconds=1)
        return format_moment(earlier, self.start_format or "rfc3339")

    def _written(self, moment: Any) -> Any:
        if not self.start_format:
            return moment
        return format_moment(parse_moment(moment), self.start_format)

    def parse(self, response: Response, context: Context | None) -> list[Record]:  # noqa: ARG002
        """Return the records of an answer.

        Raises:
            IncompleteFetchError: there is nothing at `records`: the answer is of another form,
                which is not the same as an empty list.
        """
        body = response.value()
        found = self.records_in(body)
        if not found and not self.may_lack_records and not exists(body, self.records):
            raise IncompleteFetchError(
                f"{response.request} answered without '{self.records}': {response.excerpt()}",
                stream=self.name,
                advice="Set where the records are, or 'may_lack_records' where the API leaves "
                "out an empty list.",
            )
        if not {*map(type, found)} <= {dict}:
            odd = next(record for record in found if type(record) is not dict)
            raise SchemaError(
                f"{response.request} has a record that is no object: {odd!r:.80}.",
                stream=self.name,
                advice=f"Records are looked for at '{self.records}'.",
            )
        return found

    def typed(self, records: list[Record]) -> list[Record]:
        """Return records of a form that has texts only with the types of their schema."""
        return self._from_texts(records) if self.response_format in TEXT_FORMATS else records

    @cached_property
    def _from_texts(self) -> FromTexts:
        return FromTexts(self.schema)

    def records_in(self, body: Any) -> list[Any]:
        """Return what is at `records` in a body."""
        return find_list(body, self.records)

    def pagination_for(self, context: Context | None) -> Pagination:  # noqa: ARG002
        """Return how the list of a context is split into pages."""
        return self.pagination

    def memory(self, context: Context | None) -> dict[str, Any]:
        """Return the ETag of the list, where the next run may rely on it."""
        return self._etags.pop(id(context), {})

    def smaller(self, request: Request) -> Request | None:  # noqa: ARG002
        """Return a request for less, after the API timed out on this one; None: it cannot be."""
        return None

    def _beginning(self, context: Context | None, start: Any) -> tuple[Paginator, Request]:
        """Return a paginator for one fetch, and the request for its first page."""
        paginator = self.pagination_for(context).paginator()
        paginator.allowance = self.allowance
        return paginator, paginator.first(self.request(context, start))

    def pages(self, context: Context | None, start: Any) -> Iterator[list[Record]]:
        """Yield the records of each page, until the API says that it was the last."""
        paginator, first = self._beginning(context, start)
        request: Request | None = first
        resumed = self._resumed(context, first)
        if resumed is not None:
            request = resumed.request
            paginator.restore(resumed.progress)
        etags = self._entity_tags(context) if self._may_ask_conditionally else None
        while request is not None:
            try:
                answer = self._send(
                    etags.condition(request) if etags and request is first else request
                )
            except PermanentError as fault:
                if resumed is None or request is not resumed.request:
                    raise
                self.logger.warning(
                    "stream '%s': its list cannot be taken up where it ended, it begins anew: %s",
                    self.name,
                    fault.message,
                )
                paginator, request = self._beginning(context, start)
                continue
            if isinstance(answer, Skipped):
                following = paginator.after_nothing(request)
                if following is None:
                    self._report_skip(request, answer.reason)
                    return
                request = following
                continue
            if isinstance(answer, Unchanged):
                return
            records = self.typed(self.parse(answer, context))
            # asked before the page is handed on, so that a stuck paginator emits nothing twice
            fresh, following = paginator.take(request, Page(answer, records))
            position = self._position(following, paginator)
            yield RecordPage(self.wanted(fresh, start), answer, position)
            others = paginator.rest(request, Page(answer, records)) if following else None
            if others and self.page_concurrency > 1:
                yield from self._at_once(others, paginator, context, start)
                following = None
            if self.reached(records, start):
                following, paginator.reported = None, None
            if etags and request is first and (following is None or self.newest_first):
                self._etags[id(context)] = etags.remember(first, answer, len(records))
            request = following
        if self.report is not None and paginator.reported is not None:
            self.report.reported = (self.report.reported or 0) + paginator.reported

    @property
    def _may_ask_conditionally(self) -> bool:
        # what is compared with the last run, or taken up, must be read as a whole
        return (
            self.is_conditional
            and self.is_leaf
            and not self.detects_changes
            and not self.is_resumable
        )

    def _position(self, following: Request | None, paginator: Paginator) -> dict[str, Any] | None:
        if following is None or not self.is_resumable or self.bookmark_key:
            return None
        return Position(following, paginator.progress()).as_bookmark()

    def _resumed(self, context: Context | None, first: Request) -> Position | None:
        if not self.is_resumable or self.bookmark_key or self.state is None:
            return None
        kept = self.state.peek(self.name, self.state_context(context)).get(RESUME)
        return Position.of(kept, first)

    def _entity_tags(self, context: Context | None) -> EntityTags:
        place = self.state_context(context)
        return EntityTags(
            self.state.peek(self.name, place) if self.state else {},
            properties=self.selected_schema.get("properties", {}),
            page_size=None if self.newest_first else getattr(self.pagination, "size", None),
        )

    def _at_once(
        self, requests: list[Request], paginator: Paginator, context: Context | None, start: Any
    ) -> Iterator[list[Record]]:
        """Yield the records of pages that do not depend on each other, in order."""

        def fetch(request: Request) -> Iterator[tuple[Response, list[Record]]]:
            answer = self._send(request)
            if not isinstance(answer, Response):
                raise IncompleteFetchError(f"{request} was not answered.", stream=self.name)
            yield answer, self.typed(self.parse(answer, context))

        last = requests[0]
        for request, answers in in_order(requests, fetch, self.page_concurrency):
            for answer, records in answers:
                page = Page(answer, records)
                paginator.count(page)
                paginator.refuse_same_page(request, page)
                yield RecordPage(self.wanted(paginator.fresh(records), start), answer)
            last = request
        paginator.finish(last)

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
        key, end = self.bookmark_key, self.config.get("end_date")
        if key and end:
            until = order(self.as_replication_value(end))
            records = [r for r in records if r.get(key) is None or order(r[key]) <= until]
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


def filled(value: Any, context: Mapping[str, Any]) -> Any:
    """Return a value with the `{names}` in its texts filled in; other braces stay.

    A text that is nothing but one name becomes the context's value, whatever its type.

    Raises:
        ConfigError: a text wants the start of a fetch that has none.
    """
    if isinstance(value, str):
        if "{" not in value:
            return value
        whole = NAME.fullmatch(value)
        if whole and whole[1] in context:
            return context[whole[1]]
        if context.get(START, "") is None and "{" + START + "}" in value:
            raise ConfigError(f"'{value}' needs a moment to begin at.", advice="Set 'start_date'.")
        return NAME.sub(lambda m: str(context[m[1]]) if m[1] in context else m[0], value)
    if isinstance(value, Mapping):
        return {name: filled(part, context) for name, part in value.items()}
    return [filled(part, context) for part in value] if isinstance(value, list) else value
