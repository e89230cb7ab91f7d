"""Requests: what is tried again, how long it is waited, and what ends a run."""

import random
import socket
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from headwater.clock import format_moment, parse_moment, parse_rfc3339, rfc3339
from headwater.errors import (
    AuthError,
    PermanentError,
    RateLimitError,
    TransientError,
)
from headwater.http import Client, ErrorTable, Request, Response, Retry, Rule, Skip
from headwater.http.client import Skipped, Unchanged
from headwater.http.judge import retry_after
from headwater.rate_limit import Budget, HeaderBudget, HeaderLimiter, Window
from headwater.retry import RetryPolicy
from headwater.testing.server import RESET, TRUNCATE, Answer, Server
from hypothesis import given
from hypothesis import strategies as st

FAST = RetryPolicy(attempts=3, first_wait=0.01)
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def send(answer, *, retry=FAST, path="/x", **more):
    with Server(answer) as server:
        result = Client(retry=retry, **more).send(Request(server.url + path, stream="items"))
        return result, server.asked


# --- the policy, as a table of numbers ------------------------------------------------------


def test_waits_double_up_to_the_cap():
    policy = RetryPolicy(attempts=20, jitter=False)
    waits = [policy.wait(attempt, 0, None) for attempt in range(1, 12)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_there_are_five_attempts_by_default():
    policy = RetryPolicy()
    assert policy.wait(4, 0, None) is not None
    assert policy.wait(5, 0, None) is None


@given(attempt=st.integers(1, 4), seed=st.integers())
def test_jitter_is_full(attempt, seed):
    random.seed(seed)
    wait = RetryPolicy().wait(attempt, 0, None)
    assert 0 <= wait <= 2 ** (attempt - 1)


@given(asked=st.floats(0, 10_000), attempt=st.integers(1, 4))
def test_what_the_api_asks_for_is_waited_at_least(asked, attempt):
    wait = RetryPolicy(total_wait=10**9).wait(attempt, 0, asked)
    assert wait >= asked


def test_all_waits_together_have_a_budget():
    policy = RetryPolicy(attempts=100, total_wait=50, jitter=False)
    assert policy.wait(3, 46, None) == 4
    assert policy.wait(4, 46, None) is None
    assert policy.wait(1, 0, 60) is None


# --- statuses ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_passing_statuses_are_tried_again(status):
    answers = iter([Answer(status), Answer(status), Answer(200, [1])])
    result, asked = send(lambda _: next(answers))
    assert result.value() == [1]
    assert len(asked) == 3


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 422, 451])
def test_other_refusals_fail_at_once_and_say_all(status):
    body = {"message": "z" * 600}
    with pytest.raises(PermanentError) as error:
        send(lambda _: Answer(status, body), path="/x?api_key=canary-key-value&page=2")
    text = str(error.value)
    assert "stream 'items'" in text
    assert "GET http://127.0.0.1" in text
    assert f"answered {status}" in text
    assert "page=2" in text
    assert "canary" not in text
    assert text.count("z") <= 500
    assert text.count("z") > 450


def test_a_fault_that_stays_ends_with_the_number_of_tries():
    with pytest.raises(TransientError, match="3 tries"):
        send(lambda _: Answer(502))
    with pytest.raises(RateLimitError):
        send(lambda _: Answer(429, {}, {"Retry-After": "0"}))


@pytest.mark.parametrize(
    "faulty",
    [
        Answer(fault=RESET),
        Answer(200, {"x": "y" * 5000}, fault=TRUNCATE),
        Answer(200, b'{"x": [1, 2'),
        Answer(200, b"<html>please log in</html>", {"Content-Type": "text/html"}),
        Answer(200, [1], {"Content-Encoding": "gzip"}),
    ],
    ids=["reset", "cut off", "half JSON", "HTML", "not gzip"],
)
def test_faults_on_the_wire_are_tried_again(faulty):
    answers = iter([faulty, Answer(200, [1])])
    result, _ = send(lambda _: next(answers))
    assert result.value() == [1]


def test_a_time_out_is_tried_again():
    waits = iter([1.0, 0.0])
    result, _ = send(lambda _: Answer(200, [1], delay=next(waits)), timeout=(1, 0.3))
    assert result.value() == [1]


def test_nobody_listening_is_a_passing_fault():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(TransientError, match="3 tries"):
        Client(retry=FAST).send(Request(f"http://127.0.0.1:{port}/"))


def test_an_empty_answer_is_no_fault():
    result, _ = send(lambda _: Answer(204))
    assert result.value() is None


def test_unchanged_and_tolerated():
    with Server(lambda a: Answer(304 if a.path == "/same" else 404)) as server:
        sender = Client(retry=FAST)
        assert isinstance(sender.send(Request(server.url + "/same")), Unchanged)
        gone = sender.send(Request(server.url + "/gone", tolerated=frozenset({404})))
        assert isinstance(gone, Skipped)


def test_a_vendors_table_comes_first():
    table = ErrorTable(
        rules=(
            Rule((409,), Retry("busy", after=0)),
            Rule((403,), lambda response, _: Skip("x") if b"nothing" in response.content else None),
        )
    )
    answers = iter([Answer(409), Answer(409), Answer(200, [])])
    result, _ = send(lambda _: next(answers), errors=table)
    assert result.value() == []
    assert isinstance(send(lambda _: Answer(403, b"nothing here"), errors=table)[0], Skipped)
    with pytest.raises(PermanentError):
        send(lambda _: Answer(403, {}), errors=table)


def test_a_401_without_credentials_is_an_auth_error():
    with pytest.raises(AuthError, match="settings"):
        send(lambda _: Answer(401, {"message": "who"}))


def test_redirects_to_another_host_carry_no_credentials():
    seen = []

    def elsewhere(asked):
        seen.append(asked.headers)
        return Answer(200, [])

    with Server(elsewhere) as other:
        target = other.url.replace("127.0.0.1", "localhost")
        with Server(lambda _: Answer(302, None, {"Location": f"{target}/y"})) as server:
            Client(retry=FAST, headers={"X-Secret-Key": "canary-key"}).send(
                Request(server.url + "/x", headers={"Authorization": "Bearer canary"})
            )
    assert "canary" not in str(seen)


def test_credentials_come_from_settings_and_not_from_netrc(tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with Server(lambda _: Answer(200, [])) as server:
        Client(retry=FAST).send(Request(server.url))
        Client(retry=FAST).send(Request(server.url.replace("//", "//me:mine@")))
    first, second = (asked.headers.get("authorization") for asked in server.asked)
    assert first is None
    assert second == "Basic bWU6bWluZQ=="


# --- Retry-After, resets, budgets -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("Wed, 21 Oct", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(text, seconds):
    response = Response.of(Request("http://x"), 429, {"Retry-After": text}, b"")
    assert retry_after(response, NOW) == seconds


def test_retry_after_is_waited():
    answers = iter([Answer(429, {}, {"Retry-After": "1"}), Answer(200, [])])
    started = time.monotonic()
    send(lambda _: next(answers))
    assert time.monotonic() - started >= 1


def test_a_used_up_header_budget_is_waited_for():
    seen = []

    def answer(_):
        seen.append(time.monotonic())
        return Answer(200, [], {"X-Left": "0" if len(seen) == 1 else "9", "X-Reset": "1"})

    budget = HeaderBudget(remaining="X-Left", reset="X-Reset", is_relative=True)
    with Server(answer) as server:
        sender = Client(retry=FAST, limiter=HeaderLimiter(budget))
        for _ in range(3):
            sender.send(Request(server.url))
    assert seen[1] - seen[0] >= 1
    assert seen[2] - seen[1] < 1


@given(
    waits=st.lists(st.floats(0, 0.6), min_size=20, max_size=60),
    most=st.integers(1, 6),
    costs=st.lists(st.integers(1, 3), min_size=60, max_size=60),
)
def test_no_window_ever_holds_more_than_its_budget(waits, most, costs):
    class FakeClock:
        time = 0.0

        def monotonic(self):
            return self.time

        def sleep(self, seconds):
            self.time += seconds

    clock = FakeClock()
    windows = (Window(most * 3, 1.0), Window(most * 9, 5.0))
    budget = Budget(*windows, clock=clock)
    sent = []
    for wait, cost in zip(waits, costs, strict=False):
        clock.time += wait
        budget.acquire("", cost)
        sent += [clock.time] * cost
    for window in windows:
        for moment in sent:
            inside = sum(moment <= m < moment + window.seconds - 1e-9 for m in sent)
            assert inside <= window.requests


def test_a_pause_holds_all_threads():
    budget = Budget(Window(1000, 1))
    budget.pause(0.5)
    started = time.monotonic()
    threads = [threading.Thread(target=budget.acquire) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 0.45


# --- moments --------------------------------------------------------------------------------


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_moments_survive_being_written(moment):
    assert parse_rfc3339(rfc3339(moment)) == moment


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=timezone.utc)),
        ("2026-01-31T09:30:00.5+02:00", datetime(2026, 1, 31, 7, 30, 0, 500000, timezone.utc)),
        (1767225600, datetime(2026, 1, 1, tzinfo=timezone.utc)),
        ("1767225600", datetime(2026, 1, 1, tzinfo=timezone.utc)),
        (1767225600000, datetime(2026, 1, 1, tzinfo=timezone.utc)),
        ("2026", datetime(2026, 1, 1, tzinfo=timezone.utc)),
    ],
)
def test_moments_in_the_forms_that_apis_use(value, moment):
    if value == "2026":
        with pytest.raises(ValueError):
            parse_moment(value)
        return
    assert parse_moment(value) == moment


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("rfc3339", "2026-01-31T09:30:00Z"),
        ("date", "2026-01-31"),
        ("epoch", 1769851800),
        ("epoch_ms", 1769851800000),
        ("%Y%m%dT%H", "20260131T09"),
    ],
)
def test_moments_as_an_api_wants_them(form, written):
    assert format_moment(datetime(2026, 1, 31, 9, 30, tzinfo=timezone.utc), form) == written
