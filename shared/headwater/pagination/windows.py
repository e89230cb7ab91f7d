"""Time windows: a long range asked for in parts, halved where a part is more than the API shows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from headwater.clock import SYSTEM, Clock, format_moment, parse_moment
from headwater.errors import IncompleteFetchError
from headwater.http.message import Request
from headwater.pagination.base import Page, Pagination, Paginator, SinglePage

ONE_PAGE = SinglePage()


@dataclass(frozen=True)
class TimeWindows(Pagination):
    """`?from=2026-01-01T00:00:00Z&to=2026-01-31T00:00:00Z`, a month at a time.

    Args:
        start_param: The parameter that takes a window's beginning.
        end_param: The parameter that takes its end.
        width: How long a window is.
        begin: Where the first window begins when the stream has no bookmark and no start date.
        inner: How one window's list is split into pages.
        cap: The most records that the API shows of one window, however many there are: a
            window that holds so many is halved.
        smallest: How short a window may become.
        form: How moments are written: `rfc3339`, `date`, `epoch`, `epoch_ms`, or a format of
            strftime.
        end_is_inclusive: The API counts a record of the end's very moment in: the end sent is
            one unit earlier, so that none comes twice.
        unit: The smallest step of `form`: by default a day for `date`, else a second.
    """

    can_resume: ClassVar[bool] = False
    start_param: str
    end_param: str
    width: timedelta = timedelta(days=30)
    begin: str = "2000-01-01T00:00:00Z"
    inner: Pagination = ONE_PAGE
    cap: int | None = None
    smallest: timedelta = timedelta(seconds=1)
    form: str = "rfc3339"
    end_is_inclusive: bool = False
    unit: timedelta | None = None
    clock: Clock = SYSTEM

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _WindowsPaginator(self)


class _WindowsPaginator(Paginator):
    def __init__(self, how: TimeWindows):
        super().__init__()
        self._how = how
        self._windows: deque[tuple[datetime, datetime]] = deque()
        self._origin: Request | None = None
        self._inner = how.inner.paginator()
        self._is_first_page = True
        self._complete = 0

    def first(self, request: Request) -> Request:
        how = self._how
        given = request.params.get(how.start_param)
        begin = parse_moment(given if given is not None else how.begin)
        last = request.params.get(how.end_param)
        end = parse_moment(last) if last is not None else how.clock.now()
        while begin < end:
            after = min(begin + how.width, end)
            self._windows.append((begin, after))
            begin = after
        if not self._windows:
            self._windows.append((end, end))
        self._origin = request
        return self._begin_window()

    def _begin_window(self) -> Request:
        assert self._origin is not None  # noqa: S101  first() has set it
        how, (start, end) = self._how, self._windows[0]
        self._inner = how.inner.paginator()
        self._inner.allowance = self.allowance
        self._is_first_page = True
        unit = how.unit or timedelta(**{"days" if how.form == "date" else "seconds": 1})
        sent_end = max(start, end - unit) if how.end_is_inclusive else end
        window = {
            how.start_param: format_moment(start, how.form),
            how.end_param: format_moment(sent_end, how.form),
        }
        return self._inner.first(self._origin.with_params(**window))

    def take(self, request: Request, page: Page) -> tuple[list[Any], Request | None]:
        is_first, self._is_first_page = self._is_first_page, False
        fresh, following = self._inner.take(request, page)
        found = self._inner.reported if self._inner.reported is not None else self._inner.fetched
        cap = self._how.cap
        if cap is not None and found >= cap:
            if not is_first:
                raise IncompleteFetchError(
                    f"a window holds {cap} records or more, which is all that the API shows of "
                    f"one ({request}).",
                    stream=request.stream,
                    advice="Set a smaller 'width'.",
                )
            return [], self._halve(request)
        if following is None:
            self._complete += self._inner.fetched
            self.fetched = self._complete
            following = self.after_nothing(request)
        return fresh, following

    def after_nothing(self, request: Request) -> Request | None:  # noqa: ARG002
        self._windows.popleft()
        return self._begin_window() if self._windows else None

    def _halve(self, request: Request) -> Request:
        start, end = self._windows.popleft()
        if end - start < 2 * self._how.smallest:
            raise IncompleteFetchError(
                f"more than {self._how.cap} records lie in {end - start}, and the API shows no "
                f"more of one window ({request}).",
                stream=request.stream,
                advice="Split the stream in another way too: by a filter of the API.",
            )
        middle = start + (end - start) / 2
        middle = middle.replace(microsecond=0) if middle.replace(microsecond=0) > start else middle
        self._windows.extendleft([(middle, end), (start, middle)])
        return self._begin_window()

    def follow(self, request: Request, page: Page) -> Request | None:
        raise NotImplementedError("windows follow their inner pagination")
