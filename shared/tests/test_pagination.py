"""Every pagination, on lists of any length and page size: each record once, or an error."""

import json
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from headwater.clock import rfc3339
from headwater.errors import IncompleteFetchError
from headwater.http import Request, Response
from headwater.pagination import (
    Allowance,
    CursorInBody,
    GraphQLConnection,
    LinkHeader,
    NextURL,
    Offset,
    Page,
    PageNumber,
    SinglePage,
    SortedSince,
    TimeWindows,
)
from hypothesis import given
from hypothesis import strategies as st

URL = "https://api.example/items"
COUNTS = st.integers(0, 60)
SIZES = st.integers(1, 20)


def params_of(request):
    return {k: v[-1] for k, v in parse_qs(urlsplit(request.full_url).query).items()}


def fetch(pagination, server, allowance=None, request=None, limit=500):
    """Fetch a whole list from a function of the request; return ids and the requests."""
    paginator = pagination.paginator()
    if allowance is not None:
        paginator.allowance = Allowance.of(allowance)
    request = paginator.first(request or Request(URL, stream="items"))
    found, asked = [], []
    while request is not None:
        asked.append(request)
        assert len(asked) < limit, "it never ends"
        body, headers = server(request)
        answer = Response.of(request, 200, headers, json.dumps(body).encode())
        records = body if isinstance(body, list) else body.get("data", [])
        fresh, request = paginator.take(request, Page(answer, records))
        found += [record["id"] for record in fresh]
    return found, asked


def items(count):
    return [{"id": n} for n in range(count)]


# --- servers that really paginate --------------------------------------------------------


def by_page(rows, *, total=True, most=None):
    def server(request):
        asked = params_of(request)
        size = min(int(asked["per_page"]), most or 10**6)
        start = (int(asked["page"]) - 1) * size
        body = {"data": rows[start : start + size]}
        return {**body, **({"total": len(rows)} if total else {})}, {}

    return server


def by_offset(rows, *, total=True):
    def server(request):
        asked = params_of(request)
        start, size = int(asked["offset"]), int(asked["limit"])
        body = {"data": rows[start : start + size]}
        return {**body, **({"total": len(rows)} if total else {})}, {}

    return server


def by_cursor(rows, *, header=False):
    def server(request):
        asked = params_of(request)
        start, size = int(asked.get("after", 0)), int(asked["limit"])
        end = start + size
        following = str(end) if end < len(rows) else None
        body = {"data": rows[start:end], "total": len(rows)}
        if header:
            return body, {"X-Next": following} if following else {}
        return {**body, "paging": {"next": following}}, {}

    return server


def by_link(rows):
    def server(request):
        asked = params_of(request)
        page, size = int(asked.get("page", 1)), int(asked["per_page"])
        link = f'<{URL}?per_page={size}&page={page + 1}>; rel="next"'
        body = rows[(page - 1) * size : page * size]
        return body, {"Link": link} if page * size < len(rows) else {}

    return server


def by_next_url(rows, size):
    def server(request):
        start = int(params_of(request).get("start", 0))
        following = f"/items?start={start + size}" if start + size < len(rows) else None
        return {"data": rows[start : start + size], "next": following}, {}

    return server


def by_graphql(rows):
    def server(request):
        variables = request.json["variables"]
        start, size = int(variables.get("after") or 0), variables["first"]
        end = start + size
        nodes = rows[start:end]
        info = {"hasNextPage": end < len(rows), "endCursor": str(end)}
        return {"c": {"nodes": nodes, "pageInfo": info, "totalCount": len(rows)}, "data": nodes}, {}

    return server


KINDS = {
    "page": (lambda size: PageNumber(size=("per_page", size), total="total"), by_page),
    "page without a total": (
        lambda size: PageNumber(size=("per_page", size)),
        lambda rows: by_page(rows, total=False),
    ),
    "page of a server that gives less than asked": (
        lambda size: PageNumber(size=("per_page", size * 3), total="total"),
        lambda rows: by_page(rows, most=7),
    ),
    "offset": (lambda size: Offset(size=("limit", size), total="total"), by_offset),
    "offset without a total": (
        lambda size: Offset(size=("limit", size)),
        lambda rows: by_offset(rows, total=False),
    ),
    "cursor": (
        lambda size: CursorInBody("after", "paging.next", size=("limit", size), total="total"),
        by_cursor,
    ),
    "cursor in a header": (
        lambda size: CursorInBody("after", header="X-Next", size=("limit", size), total="total"),
        lambda rows: by_cursor(rows, header=True),
    ),
    "link": (lambda size: LinkHeader(size=("per_page", size)), by_link),
    "next URL": (lambda _: NextURL("next"), lambda rows: by_next_url(rows, 7)),
}


@pytest.mark.parametrize("kind", KINDS)
@given(count=COUNTS, size=SIZES)
def test_each_record_comes_once_and_in_order(kind, count, size):
    make, serve = KINDS[kind]
    found, _ = fetch(make(size), serve(items(count)))
    assert found == list(range(count))


@given(count=COUNTS, size=SIZES)
def test_a_graphql_connection(count, size):
    connection = GraphQLConnection("c", size=("first", size))
    request = Request(URL, method="POST", json={"query": "q", "variables": {"x": 1}})
    found, asked = fetch(connection, by_graphql(items(count)), request=request)
    assert found == list(range(count))
    assert all(r.json["variables"]["x"] == 1 for r in asked)


@given(count=st.integers(1, 60), size=st.integers(2, 20), lost=st.integers(0, 59))
@pytest.mark.parametrize("kind", ["page", "offset", "cursor", "cursor in a header"])
def test_a_record_that_the_api_counts_and_does_not_give_is_an_error(kind, count, size, lost):
    make, serve = KINDS[kind]
    honest = serve(items(count))

    def server(request):
        body, headers = honest(request)
        body["data"] = [r for r in body["data"] if r["id"] != lost % count]
        return body, headers

    with pytest.raises(IncompleteFetchError):
        fetch(make(size), server)
    found, _ = fetch(make(size), server, allowance=1)
    assert len(found) == count - 1


@pytest.mark.parametrize("kind", KINDS)
@given(count=st.integers(41, 60), struck=st.integers(2, 4))
def test_a_page_that_comes_again_is_an_error(kind, count, struck):
    make, serve = KINDS[kind]
    honest = serve(items(count))
    answers = []

    def server(request):
        answers.append(honest(request) if len(answers) + 1 != struck else answers[-1])
        return answers[-1]

    with pytest.raises(IncompleteFetchError):
        fetch(make(10), server)


def test_a_repeated_cursor_is_an_error():
    def server(request):
        after = params_of(request).get("after", "start")
        return {"data": [{"id": f"{after} {len(request.full_url)}"}],
                "paging": {"next": {"start": "a", "a": "b", "b": "a"}[after]}}, {}  # fmt: skip

    with pytest.raises(IncompleteFetchError, match="sent the fetch back"):
        fetch(CursorInBody("after", "paging.next"), server)


def test_an_empty_page_before_the_total_is_an_error():
    def server(request):
        page = int(params_of(request)["page"])
        return {"data": items(10) if page == 1 else [], "total": 30}, {}

    with pytest.raises(IncompleteFetchError, match="empty page after 10 of 30"):
        fetch(PageNumber(size=("per_page", 10), total="total"), server)


@pytest.mark.parametrize(
    "pagination", [LinkHeader(), NextURL("next")], ids=["Link header", "URL in the body"]
)
def test_a_next_page_on_another_host_is_an_error(pagination):
    url = "https://evil.example/items?page=2"

    def server(_):
        return {"data": items(1), "next": url}, {"Link": f'<{url}>; rel="next"'}

    with pytest.raises(IncompleteFetchError, match=r"evil\.example"):
        fetch(pagination, server)


def test_more_without_a_cursor_is_an_error():
    def server(_):
        return {"data": items(1), "has_more": True}, {}

    with pytest.raises(IncompleteFetchError, match="gives no cursor"):
        fetch(CursorInBody("after", "cursor", more="has_more"), server)


def test_a_list_without_pagination_that_has_a_next_page_is_an_error():
    with pytest.raises(IncompleteFetchError, match="no pagination"):
        fetch(SinglePage(), by_link(items(50)), request=Request(f"{URL}?per_page=10"))


@given(count=st.integers(30, 90), overlap=st.integers(1, 9), moves=st.lists(st.integers(0, 9)))
def test_an_overlap_loses_nothing_as_long_as_fewer_records_move(count, overlap, moves):
    rows = items(count)
    lasting = {row["id"] for row in rows}
    moves = iter(moves)

    def server(request):
        asked = params_of(request)
        start, size = int(asked["offset"]), int(asked["limit"])
        if start:
            gone = min(next(moves, 0), overlap - 1, start)
            lasting.difference_update(row["id"] for row in rows[:gone])
            del rows[:gone]
        return {"data": rows[start : start + size]}, {}

    found, _ = fetch(Offset(size=("limit", 10), overlap=overlap), server)
    assert lasting <= set(found)
    assert len(found) == len(set(found))


def test_more_moves_than_an_overlap_bears_are_an_error():
    rows = items(60)

    def server(request):
        asked = params_of(request)
        start, size = int(asked["offset"]), int(asked["limit"])
        if start:
            del rows[:5]
        return {"data": rows[start : start + size]}, {}

    with pytest.raises(IncompleteFetchError, match="overlap"):
        fetch(Offset(size=("limit", 10), overlap=2), server)


def test_a_list_that_shrinks_while_its_pages_are_counted_is_an_error():
    rows = items(40)

    def server(request):
        page = int(params_of(request)["page"])
        if page == 2:
            del rows[0]
        return {"data": rows[(page - 1) * 10 : page * 10], "total": len(rows)}, {}

    with pytest.raises(IncompleteFetchError, match="shrank from 40 to 39"):
        fetch(PageNumber(size=("per_page", 10), total="total"), server)
    rows[:] = items(40)
    found, _ = fetch(PageNumber(size=("per_page", 10), total="total"), server, allowance="10%")
    assert len(found) >= 38


def test_where_the_size_and_the_page_go():
    honest = by_page(items(25))
    seen = []

    def server(request):
        seen.append(request)
        asked = Request(URL, params={k: request.json[k] for k in ("page", "per_page")})
        return honest(asked)

    how = PageNumber(size=("per_page", 10), total="total", in_body=True)
    found, _ = fetch(how, server, request=Request(URL, method="POST", json={"filter": "x"}))
    assert found == list(range(25))
    assert [r.json["page"] for r in seen] == [1, 2, 3]
    assert all(r.json["filter"] == "x" and not r.params for r in seen)


# --- changes in ascending order -----------------------------------------------------------


@given(
    moments=st.lists(st.integers(0, 30), min_size=0, max_size=60),
    size=st.integers(1, 12),
    touched=st.lists(st.integers(0, 59), max_size=10),
)
def test_changes_that_move_while_they_are_read_are_not_lost(moments, size, touched):
    rows = [{"id": n, "at": f"2026-01-01T00:00:{m:02}Z"} for n, m in enumerate(moments)]
    wanted = {row["id"] for row in rows}
    touches = iter(touched)

    def server(request):
        asked = params_of(request)
        found = sorted(
            (r for r in rows if r["at"] >= asked.get("since", "")), key=lambda r: (r["at"], r["id"])
        )
        page = int(asked.get("page", 1))
        link = f"{URL}?since={asked.get('since', '')}&per_page={size}&page={page + 1}"
        body = [dict(r) for r in found[(page - 1) * size : page * size]]
        for index in (next(touches, None),):
            if index is not None and index < len(rows):
                rows[index]["at"] = "2026-01-01T00:00:59Z"
        return body, {"Link": f'<{link}>; rel="next"'} if page * size < len(found) else {}

    how = SortedSince(param="since", key="at", size=("per_page", size))
    with suppress(IncompleteFetchError):  # an error is no loss
        found, _ = fetch(how, server)
        assert set(found) == wanted


# --- windows ------------------------------------------------------------------------------

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def by_window(seconds, cap=None, page_size=None):
    """Serve records by their second, at most `cap` of a window."""

    def server(request):
        asked = params_of(request)
        start, end = (datetime.fromisoformat(asked[n].replace("Z", "+00:00"))
                      for n in ("from", "to"))  # fmt: skip
        rows = [{"id": i} for i, s in enumerate(seconds)
                if start <= START + timedelta(seconds=s) < end]  # fmt: skip
        total = len(rows)
        rows = rows[:cap]
        if page_size:
            page = int(asked["page"])
            rows = rows[(page - 1) * page_size : page * page_size]
        return {"data": rows, "total": total}, {}

    return server


def windows(**more):
    return TimeWindows("from", "to", width=timedelta(seconds=1000), **more)


def asked_for(seconds):
    end = rfc3339(START + timedelta(seconds=seconds))
    return Request(URL, params={"from": rfc3339(START), "to": end})


@given(seconds=st.lists(st.integers(0, 3999), max_size=80), cap=st.integers(3, 20))
def test_a_window_that_hits_the_cap_is_halved(seconds, cap):
    many = max((seconds.count(s) for s in seconds), default=0)
    how = windows(cap=cap)
    if many >= cap:
        with pytest.raises(IncompleteFetchError, match="no more of one window"):
            fetch(how, by_window(seconds, cap), request=asked_for(4000))
        return
    found, _ = fetch(how, by_window(seconds, cap), request=asked_for(4000))
    assert sorted(found) == list(range(len(seconds)))


@given(seconds=st.lists(st.integers(0, 2999), max_size=60))
def test_windows_have_pages_of_their_own(seconds):
    how = windows(inner=PageNumber(size=("per_page", 7), total="total"), cap=40)
    found, _ = fetch(how, by_window(seconds, 40, page_size=7), request=asked_for(3000))
    assert sorted(found) == list(range(len(seconds)))


def test_windows_cover_the_range_without_gap_or_overlap():
    _, asked = fetch(windows(), by_window([]), request=asked_for(2500))
    bounds = [(params_of(r)["from"], params_of(r)["to"]) for r in asked]
    assert [start for start, _ in bounds[1:]] == [end for _, end in bounds[:-1]]
    assert bounds[0][0] == "2026-01-01T00:00:00Z"
    assert bounds[-1][1] == "2026-01-01T00:41:40Z"


@pytest.mark.parametrize(
    ("text", "missing", "total", "covered"),
    [(5, 5, 100, True), (5, 6, 100, False), ("1%", 1, 100, True), ("1%", 2, 100, False),
     ("0.5%", 1, 100, False), (0, 1, 100, False)],
)  # fmt: skip
def test_allowances(text, missing, total, covered):
    assert Allowance.of(text).covers(missing, total) is covered
