"""One function from (response or exception) to what to do next, and one table to differ by."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

import requests
import urllib3.exceptions

from headwater.errors import AuthError, HeadwaterError, PermanentError
from headwater.http.message import Response

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Ok:
    """The response is what was asked for."""


@dataclass(frozen=True)
class NotModified:
    """Nothing changed since the last fetch (304)."""


@dataclass(frozen=True)
class Retry:
    """The fault passes.

    Args:
        reason: What happened.
        after: Seconds to wait at least, where the API said so; else the policy decides.
        pause_all: The whole budget is closed until then, not only this request.
        counts: Whether it uses up one of the policy's tries (a limit that opens at a
            known time does not).
        doubles: Whether `after` doubles with every try.
    """

    reason: str
    after: float | None = None
    pause_all: bool = False
    counts: bool = True
    doubles: bool = False


@dataclass(frozen=True)
class RefreshCredentials:
    """The credentials were refused: renew them and try once more."""

    reason: str


@dataclass(frozen=True)
class Skip:
    """There is nothing here to fetch, and that does not end the run.

    Args:
        reason: Why, for the report.
    """

    reason: str


@dataclass(frozen=True)
class GiveUp:
    """Asking again would not help."""

    error: HeadwaterError


Verdict = Ok | NotModified | Retry | RefreshCredentials | Skip | GiveUp


@dataclass(frozen=True)
class Rule:
    """One row of a vendor's table.

    Args:
        statuses: The statuses it speaks of.
        verdict: A verdict, or a function of the response and the time now that returns one,
            or None where it does not apply after all.
    """

    statuses: Sequence[int]
    verdict: Verdict | Callable[[Response, datetime], Verdict | None]


@dataclass(frozen=True)
class ErrorTable:
    """How a vendor's answers differ from what HTTP says: the first rule that applies wins.

    Args:
        rules: The vendor's rows, tried in order before HTTP's own.
        login_advice: What to do when the credentials are refused.
    """

    rules: Sequence[Rule] = ()
    login_advice: str = "Check the credentials in the tap's settings."

    def judge(self, response: Response, now: datetime) -> Verdict:
        """Say what a response means."""
        for rule in self.rules:
            if response.status in rule.statuses:
                verdict = rule.verdict(response, now) if callable(rule.verdict) else rule.verdict
                if verdict is not None:
                    return verdict
        return self._by_status(response, now)

    def _by_status(self, response: Response, now: datetime) -> Verdict:
        status = response.status
        if status == 304:
            return NotModified()
        if status < 300:
            return Ok()
        if status in response.request.tolerated:
            return Skip(f"{status} {_message(response)}")
        if status == 401:
            return RefreshCredentials(describe(response))
        if status in TRANSIENT_STATUSES or status >= 500:
            return Retry(
                describe(response), after=retry_after(response, now), pause_all=status == 429
            )
        return GiveUp(PermanentError(describe(response), stream=response.request.stream))

    def refused(self, response: Response) -> AuthError:
        """Return the error for credentials that were refused for good."""
        return AuthError(
            describe(response), stream=response.request.stream, advice=self.login_advice
        )


def judge_exception(fault: Exception) -> Verdict | None:
    """Say what an exception while sending means; None: it is not about the network."""
    if isinstance(fault, requests.exceptions.SSLError) and _certificate_refused(fault):
        error = PermanentError(
            f"the server's certificate was refused: {_root(fault)}",
            advice="Check the host name in the URL, or the certificates of this machine.",
        )
        return GiveUp(error)
    if isinstance(
        fault,
        (
            requests.exceptions.ConnectionError,
            requests.exceptions.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
            urllib3.exceptions.HTTPError,
        ),
    ):
        return Retry(f"{type(fault).__name__}: {_root(fault)}")
    return None


def retry_after(response: Response, now: datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for, given as a number or as an HTTP date."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def describe(response: Response) -> str:
    """Return what was asked and what was answered, for an error."""
    return f"{response.request} answered {response.status}: {response.excerpt()}"


def _message(response: Response) -> str:
    """Return what the body says in one line: its `message`, or how it begins."""
    try:
        body = response.value()
    except HeadwaterError:
        body = None
    text = body.get("message") if isinstance(body, dict) else None
    return str(text or response.excerpt()[:80] or response.raw.reason)


def _certificate_refused(fault: BaseException) -> bool:
    return isinstance(_root(fault), ssl.SSLCertVerificationError) or (
        "CERTIFICATE_VERIFY_FAILED" in str(fault)
    )


def _root(fault: BaseException) -> BaseException:
    """Return the innermost cause: the text that says what went wrong on the wire."""
    reason = fault
    while True:
        inner = (
            getattr(reason, "reason", None)
            if isinstance(getattr(reason, "reason", None), BaseException)
            else next((arg for arg in reason.args if isinstance(arg, BaseException)), None)
        )
        if inner is None:
            return reason
        reason = inner
