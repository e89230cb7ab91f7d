"""The fault table: what goes wrong between a tap and an API, and what may come of it.

For each: either the run ends well with every record exactly once, or it fails with an error
that says what happened, and a state from which the next run loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from headwater.testing.conformance.proxy import Behaviour, Exchange
from headwater.testing.conformance.subject import Subject, Vendor
from headwater.testing.server import RESET, TRICKLE, TRUNCATE, Answer

STRUCK = (2, 4)  # the requests that a passing fault strikes: not the first, and more than one
STALL_SECONDS = 3.0
HTML = b"<!doctype html><html><body><h1>Please log in</h1></body></html>"
Make = Callable[[Subject, Vendor | None], Behaviour]


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Args:
        name: What goes wrong.
        make: Makes the proxy's behaviour.
        must_complete: The fault passes, so the run has to end well.
        must_fail: The answers are not complete, so the run must not end well.
        errors: The errors that may end the run, by name.
        url: The API's URL, where it is not the proxy's.
        needs: What the subject must have: `vendor` (a server that can change while it is read)
            or `counted`.
    """

    name: str
    make: Make
    must_complete: bool = False
    must_fail: bool = False
    errors: tuple[str, ...] = ()
    url: str | None = None
    needs: str | None = None


def _strikes(answer: Callable[[Exchange], Answer]) -> Make:
    """Return a behaviour that strikes some requests, and passes the others on."""
    return lambda subject, vendor: (  # noqa: ARG005  the shape of all makers
        lambda exchange: answer(exchange) if exchange.number in STRUCK else exchange.forward()
    )


def _status(status: int, headers: dict[str, str] | None = None) -> Make:
    body = {"message": f"injected {status}"}
    return _strikes(lambda _: Answer(status, body, headers or {}))


def _limited(subject: Subject, vendor: Vendor | None) -> Behaviour:  # noqa: ARG001
    given = subject.limited or {"status": 429, "body": {}, "headers": {"Retry-After": "1"}}
    answer = Answer(given["status"], given["body"], given["headers"])
    return lambda e: answer if e.number in STRUCK else e.forward()


def _expired(subject: Subject, vendor: Vendor | None) -> Behaviour:  # noqa: ARG001
    """The credentials of one moment are refused from a request on."""
    refused: set[str] = set()

    def answer(exchange: Exchange) -> Answer:
        used = exchange.asked.headers.get("authorization", "")
        if exchange.number == 3 and used:
            refused.add(used)
        if used in refused:
            return Answer(401, {"message": "the token has expired"})
        return exchange.forward()

    return answer


def _again(subject: Subject, vendor: Vendor | None) -> Behaviour:  # noqa: ARG001
    """The second page of a list is the first one again."""
    first: dict[str, Answer] = {}

    def answer(exchange: Exchange) -> Answer:
        path = exchange.asked.path
        if exchange.nth_of_path == 2 and path in first:
            return first[path]
        found = exchange.forward()
        if _is_list(found):
            first.setdefault(path, found)
        return found

    return answer


def _stuck(subject: Subject, vendor: Vendor | None) -> Behaviour:  # noqa: ARG001
    """The second page of a list names the same next page as the first: itself."""
    first: dict[str, Answer] = {}

    def answer(exchange: Exchange) -> Answer:
        path = exchange.asked.path
        found = exchange.forward()
        if not _is_list(found):
            return found
        before = first.setdefault(path, found)
        if exchange.nth_of_path != 2:
            return found
        records = _longest(_decoded(found.content())) or []
        return replace(before, body=_with_records(before.content(), records))

    return answer


def _short(subject: Subject, vendor: Vendor | None) -> Behaviour:  # noqa: ARG001
    """One record is missing, while the total counts it."""

    def answer(exchange: Exchange) -> Answer:
        found = exchange.forward()
        if exchange.asked.path != subject.counted or exchange.nth_of_path != 1:
            return found
        return replace(found, body=_without_one(found.content()))

    return answer


def _changes(change: str) -> Make:
    """Return a behaviour under which the collection changes after its first pages."""

    def make(subject: Subject, vendor: Vendor | None) -> Behaviour:  # noqa: ARG001
        def answer(exchange: Exchange) -> Answer:
            if exchange.number in (3, 5) and vendor is not None:
                getattr(vendor, change)()
            return exchange.forward()

        return answer

    return make


def _none(subject: Subject, vendor: Vendor | None) -> Behaviour:  # noqa: ARG001
    return lambda exchange: exchange.forward()


def _is_list(answer: Answer) -> bool:
    return answer.status == 200 and _longest(_decoded(answer.content())) is not None


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _longest(value: Any) -> list[Any] | None:
    """Return the longest list of objects in a value."""
    if isinstance(value, list):
        return value if len(value) > 1 and isinstance(value[0], dict) else None
    lists = [_longest(part) for part in value.values()] if isinstance(value, dict) else []
    return max((found for found in lists if found), key=len, default=None)


def _without_one(content: bytes) -> bytes:
    value = _decoded(content)
    if found := _longest(value):
        found.pop()
    return json.dumps(value).encode()


def _with_records(content: bytes, records: list[Any]) -> bytes:
    value = _decoded(content)
    found = _longest(value)
    if found is not None:
        found[:] = records
    return json.dumps(value).encode()


PASSING = ("TransientError",)

FAULTS: tuple[Fault, ...] = (
    Fault("nothing", _none, must_complete=True),
    Fault("401, the token has expired", _expired, errors=("AuthError",)),
    Fault("403, a secondary limit", _limited, must_complete=True),
    Fault("429 with Retry-After", _status(429, {"Retry-After": "1"}), must_complete=True),
    Fault("429 with Retry-After as a date in the past",
          _status(429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), must_complete=True),
    Fault("429 without Retry-After", _status(429), must_complete=True),
    Fault("500", _status(500), must_complete=True),
    Fault("502", _status(502), must_complete=True),
    Fault("503", _status(503), must_complete=True),
    Fault("504", _status(504), must_complete=True),
    Fault("500 without end", lambda s, v: lambda e: Answer(500, {"message": "injected"})  # noqa: ARG005
          if e.number > 2 else e.forward(), must_fail=True, errors=PASSING),
    Fault("400 in the middle", lambda s, v: lambda e: Answer(400, {"message": "injected"})  # noqa: ARG005
          if e.number == 3 else e.forward(), must_fail=True, errors=("PermanentError",)),
    Fault("the connection is reset", _strikes(lambda _: Answer(fault=RESET)),
          must_complete=True),
    Fault("a time-out", _strikes(lambda e: replace(e.forward(), delay=STALL_SECONDS)),
          must_complete=True),
    Fault("the TLS handshake fails", _none, must_fail=True, errors=PASSING, url="tls"),
    Fault("the host's name is not found", _none, must_fail=True, errors=PASSING,
          url="http://no-such-host.invalid"),
    Fault("the body is cut off", _strikes(lambda e: replace(e.forward(), fault=TRUNCATE)),
          must_complete=True),
    Fault("the JSON is cut off, the length fits",
          _strikes(lambda e: _cut(e.forward())), must_complete=True),
    Fault("HTML instead of JSON, with status 200",
          _strikes(lambda _: Answer(200, HTML, {"Content-Type": "text/html"})),
          must_complete=True),
    Fault("a page comes twice", _again, must_fail=True, errors=("IncompleteFetchError",)),
    Fault("a cursor that stands still", _stuck, errors=("IncompleteFetchError",)),
    Fault("the list is short of its total by one", _short, must_fail=True,
          errors=("IncompleteFetchError",), needs="counted"),
    Fault("the list grows while it is read", _changes("grow"),
          errors=("IncompleteFetchError",), needs="vendor"),
    Fault("the list shrinks while it is read", _changes("shrink"),
          errors=("IncompleteFetchError",), needs="vendor"),
    Fault("the body trickles in", _strikes(lambda e: replace(e.forward(), fault=TRICKLE)),
          must_complete=True),
)  # fmt: skip


def _cut(answer: Answer) -> Answer:
    content = answer.content()
    return replace(answer, body=content[: max(1, len(content) // 2)])
