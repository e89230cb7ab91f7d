"""Sends requests: throttle, authenticate, send, judge."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
import requests.adapters
import requests.auth
import requests.utils

from headwater.clock import SYSTEM, Clock
from headwater.errors import HeadwaterError, RateLimitError, TransientError
from headwater.http.judge import (
    ErrorTable,
    GiveUp,
    NotModified,
    Ok,
    RefreshCredentials,
    Retry,
    Skip,
    Verdict,
    judge_exception,
)
from headwater.http.message import Request, Response
from headwater.secrets.redaction import REDACTOR, redact_url

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0
HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "connection", "user-agent"})
MOST_LIMIT_WAITS = 20  # a limit that has opened so often and is closed again will not open


class Authenticator(Protocol):
    """What puts credentials on a request, and learns from the answer."""

    def apply(self, request: requests.PreparedRequest, scope: str) -> None:
        """Put the credentials on; waits where a budget of theirs is used up."""

    def observe(self, request: requests.PreparedRequest, response: Response) -> None:
        """Learn from a response (what is left of a budget, say)."""

    def refresh(self, request: requests.PreparedRequest) -> bool:
        """Renew the credentials that this request carried; False where that is impossible."""

    def pause(self, request: requests.PreparedRequest, scope: str, seconds: float) -> bool:
        """Close the budget that this request counted against; False where there is none."""


class Limiter(Protocol):
    """What keeps requests under a budget."""

    def acquire(self, scope: str = "", cost: int = 1) -> None:
        """Wait until a request may be sent."""

    def observe(self, response: Response) -> None:
        """Learn from a response."""

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long."""


class RetryPolicy(Protocol):
    """How often and how long to try."""

    def wait(self, attempt: int, waited: float, asked: float | None) -> float | None:
        """Return seconds until the next try, or None to stop."""


@dataclass
class RequestCounts:
    """What was sent, for the summary of a run."""

    requests: int = 0
    retries: int = 0
    waited_seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """What `Client.send` returns where the API has nothing here, and that is no fault."""

    reason: str


class Unchanged:
    """What `Client.send` returns for a 304."""


class Client:
    """Sends every request of a tap.

    Args:
        retry: How often and how long to try.
        auth: Puts credentials on requests.
        limiter: Keeps the requests under a budget.
        errors: The vendor's table of answers.
        headers: Headers of every request.
        timeout: Seconds to connect, and seconds without a byte.
        clock: Time.
    """

    def __init__(
        self,
        *,
        retry: RetryPolicy,
        auth: Authenticator | None = None,
        limiter: Limiter | None = None,
        errors: ErrorTable | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
        clock: Clock = SYSTEM,
    ):
        self.retry = retry
        self.auth = auth
        self.limiter = limiter
        self.errors = errors or ErrorTable()
        self.headers = dict(headers or {})
        self.timeout = timeout
        self.clock = clock
        self.counts = RequestCounts()
        self._counting = threading.Lock()
        self._local = threading.local()
        self._environments: dict[tuple[str, str, int | None], dict[str, Any]] = {}

    @property
    def session(self) -> requests.Session:
        """This thread's session: `requests` does not promise that one serves several threads."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.headers.update(self.headers)
            session.auth = _from_url  # credentials come from the settings, not from ~/.netrc
            session.rebuild_auth = _drop_credentials  # type: ignore[method-assign]
            self._local.session = session
        return session

    def send(self, request: Request) -> Response | Skipped | Unchanged:
        """Send a request until it is answered, or until it is clear that it will not be.

        Returns:
            The response, or `Skipped` or `Unchanged` where the error table says so.

        Raises:
            AuthError, RateLimitError, TransientError, PermanentError: as `errors` names them.
        """
        attempt, limit_waits, waited, refreshed = 1, 0, 0.0, False
        while True:
            prepared = self._prepare(request)
            response, verdict = self._try_once(request, prepared)
            if isinstance(verdict, Ok):
                assert response is not None  # noqa: S101  an answer was judged
                return response
            if isinstance(verdict, NotModified):
                return Unchanged()
            if isinstance(verdict, Skip):
                return Skipped(verdict.reason)
            if isinstance(verdict, GiveUp):
                raise verdict.error.about(request.stream) if request.stream else verdict.error
            if isinstance(verdict, RefreshCredentials):
                assert response is not None  # noqa: S101  an answer was judged
                if refreshed or self.auth is None or not self.auth.refresh(prepared):
                    raise self.errors.refused(response)
                logger.info("Renewing the credentials: %s", verdict.reason)
                refreshed = True
                continue
            if verdict.counts:
                asked = verdict.after
                if asked is not None and verdict.doubles:
                    asked *= 2 ** (attempt - 1)
                seconds = self.retry.wait(attempt, waited, asked)
                attempt += 1
                waited += seconds or 0.0
            else:
                limit_waits += 1
                seconds = verdict.after if limit_waits <= MOST_LIMIT_WAITS else None
            if seconds is None:
                raise self._last_error(request, verdict, attempt - 1 + limit_waits, waited)
            with self._counting:
                self.counts.retries += 1
            logger.warning("%s; trying again in %.1f s", REDACTOR.redact(verdict.reason), seconds)
            self._pause(request, prepared, verdict, seconds)

    def _prepare(self, request: Request) -> requests.PreparedRequest:
        prepared = self.session.prepare_request(
            requests.Request(
                request.method,
                request.full_url,
                headers=dict(request.headers),
                json=request.json,
                data=request.data,
            )
        )
        started = self.clock.monotonic()
        if self.limiter:
            self.limiter.acquire(request.scope, request.cost)
        if self.auth:
            self.auth.apply(prepared, request.scope)
        self._count_wait(self.clock.monotonic() - started)
        return prepared

    def _environment(self, prepared: requests.PreparedRequest) -> dict[str, Any]:
        """Return the proxies and certificates that the environment names for this host."""
        origin = _origin(prepared.url or "")
        if origin not in self._environments:
            self._environments[origin] = dict(
                self.session.merge_environment_settings(prepared.url, {}, None, None, None)
            )
        return self._environments[origin]

    def _count_wait(self, seconds: float) -> None:
        with self._counting:
            self.counts.waited_seconds += seconds

    def _try_once(
        self, request: Request, prepared: requests.PreparedRequest
    ) -> tuple[Response | None, Verdict]:
        logger.debug("%s", request)
        with self._counting:
            self.counts.requests += 1
        try:
            raw = self.session.send(prepared, timeout=self.timeout, **self._environment(prepared))
        except (requests.RequestException, OSError) as fault:
            verdict = judge_exception(fault)
            if verdict is None:
                raise
            return None, verdict
        if raw.history:
            logger.info("%s was redirected to %s", request, redact_url(raw.url))
        response = Response(request, raw)
        with self._counting:
            statuses = self.counts.statuses
            statuses[response.status] = statuses.get(response.status, 0) + 1
        if self.limiter:
            self.limiter.observe(response)
        if self.auth:
            self.auth.observe(prepared, response)
        return response, self._judge(response)

    def _judge(self, response: Response) -> Verdict:
        now: datetime = self.clock.now()
        if response.status < 300:
            try:
                response.value()
            except TransientError as fault:
                return Retry(fault.message)
        return self.errors.judge(response, now)

    def _pause(
        self, request: Request, prepared: requests.PreparedRequest, verdict: Retry, seconds: float
    ) -> None:
        if verdict.pause_all:
            if self.auth and self.auth.pause(prepared, request.scope, seconds):
                return
            if self.limiter:
                self.limiter.pause(seconds)
                return
        self._count_wait(seconds)
        self.clock.sleep(seconds)

    def _last_error(
        self, request: Request, verdict: Retry, attempt: int, waited: float
    ) -> HeadwaterError:
        kind = RateLimitError if verdict.pause_all else TransientError
        return kind(
            f"gave up after {attempt} tries and {waited:.0f} s of waiting: {verdict.reason}",
            stream=request.stream,
            advice="Run again later; the state is where the last complete part ended.",
        )


def _from_url(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Put on the user and password that a URL of the settings holds, if it does."""
    if "@" in (prepared.url or ""):
        user, password = requests.utils.get_auth_from_url(prepared.url or "")
        if user or password:
            requests.auth.HTTPBasicAuth(user, password)(prepared)
    return prepared


def _drop_credentials(prepared: requests.PreparedRequest, response: requests.Response) -> None:
    """Keep only harmless headers when a redirect leaves the host they were meant for."""
    if _origin(response.request.url or "") != _origin(prepared.url or ""):
        for name in list(prepared.headers):
            if name.lower() not in HARMLESS_HEADERS:
                del prepared.headers[name]


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port
