"""Pages whose body says what comes next: a cursor, a URL, a GraphQL connection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from headwater.errors import IncompleteFetchError
from headwater.http.message import Request
from headwater.jsonpath import find
from headwater.pagination.base import Page, Pagination, Paginator


@dataclass(frozen=True)
class CursorInBody(Pagination):
    """`{"data": [...], "paging": {"next": {"after": "abc"}}}` asks for `?after=abc`.

    Args:
        param: The parameter that takes the cursor.
        cursor: Where in the body the next cursor is; absent or null at the end.
        header: Instead: the header of the answer that holds the next cursor.
        from_last: Instead: the field of the page's last record that is the next cursor.
        in_body: Cursor and size go into the JSON body of the request, not into its query.
        more: Where in the body it says whether there are more pages.
        size: The parameter that sets how many records a page has, and how many to ask for.
        total: Where in the body the number of all records is.
    """

    param: str
    cursor: str | None = None
    header: str | None = None
    from_last: str | None = None
    in_body: bool = False
    more: str | None = None
    size: tuple[str, int] | None = None
    total: str | None = None

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _CursorPaginator(self)


class _CursorPaginator(Paginator):
    def __init__(self, pagination: CursorInBody):
        super().__init__(pagination.size, pagination.total, in_body=pagination.in_body)
        self._pagination = pagination

    def follow(self, request: Request, page: Page) -> Request | None:
        how = self._pagination
        if how.more and not find(page.response.value(), how.more):
            return None
        cursor = self._cursor(page)
        if cursor is None or cursor == "":
            if how.more:
                raise IncompleteFetchError(
                    f"the API says there are more records but gives no cursor ({request}).",
                    stream=request.stream,
                )
            return None
        return self.put(request, how.param, cursor)

    def _cursor(self, page: Page) -> Any:
        how = self._pagination
        if how.header:
            return page.response.headers.get(how.header)
        if how.cursor:
            return find(page.response.value(), how.cursor)
        return find(page.records[-1], how.from_last or "") if page.records else None


@dataclass(frozen=True)
class NextURL(Pagination):
    """`{"items": [...], "next": "https://api.example/items?after=abc"}`.

    Args:
        url: Where in the body the next page's URL is; absent or null at the end.
        size: The parameter that sets how many records a page has, and how many to ask for.
        total: Where in the body the number of all records is.
    """

    url: str
    size: tuple[str, int] | None = None
    total: str | None = None

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _NextURLPaginator(self)


class _NextURLPaginator(Paginator):
    def __init__(self, pagination: NextURL):
        super().__init__(pagination.size, pagination.total)
        self._url = pagination.url

    def follow(self, request: Request, page: Page) -> Request | None:
        url = find(page.response.value(), self._url)
        if isinstance(url, list):  # a path that selects among links
            url = url[0] if url else None
        return request.at(self.same_host(request, str(url))) if url else None


@dataclass(frozen=True)
class GraphQLConnection(Pagination):
    """`{"data": {"items": {"nodes": [], "pageInfo": {"hasNextPage": true, "endCursor": "x"}}}}`.

    Args:
        path: Where in the body the connection is, for example `data.repository.discussions`.
        variable: The query's variable that takes the cursor.
        size: The variable that sets how many nodes a page has, and how many to ask for.
    """

    path: str
    variable: str = "after"
    size: tuple[str, int] = ("first", 100)

    def paginator(self) -> Paginator:
        """Return a paginator for one fetch."""
        return _ConnectionPaginator(self)


class _ConnectionPaginator(Paginator):
    def __init__(self, pagination: GraphQLConnection):
        super().__init__()
        self._pagination = pagination

    def first(self, request: Request) -> Request:
        return self._with_variables(request, **dict([self._pagination.size]))

    def follow(self, request: Request, page: Page) -> Request | None:
        connection = find(page.response.value(), self._pagination.path)
        if not isinstance(connection, dict):
            return None
        if isinstance(total := connection.get("totalCount"), int):
            self.reported = total
        info = connection.get("pageInfo") or {}
        if not info.get("hasNextPage"):
            return None
        cursor = info.get("endCursor")
        if not cursor:
            raise IncompleteFetchError(
                "the API says there are more nodes but gives no cursor.", stream=request.stream
            )
        return self._with_variables(request, **{self._pagination.variable: cursor})

    @staticmethod
    def _with_variables(request: Request, **variables: Any) -> Request:
        body = dict(request.json or {})
        body["variables"] = {**body.get("variables", {}), **variables}
        return replace(request, json=body)
