"""Tokens that expire: renewed before they do, once for all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import requests

from headwater.auth.static import Authenticator
from headwater.clock import SYSTEM, Clock
from headwater.secrets.redaction import REDACTOR

REFRESH_MARGIN = timedelta(seconds=300)


@dataclass(frozen=True)
class Token:
    """A token and the moment from which the API refuses it (None: not told)."""

    value: str
    expires_at: datetime | None = None


class ExpiringToken(Authenticator):
    """A token that is renewed when less than a margin is left, and after a 401.

    Args:
        fetch: Asks for a new token. Raises `AuthError` where it is refused.
        margin: How long before its end a token is renewed; at most half of its life.
        header: The header that carries it.
        form: The header's value, `{token}` in it.
        clock: Time.
    """

    def __init__(
        self,
        fetch: Callable[[], Token],
        *,
        margin: timedelta = REFRESH_MARGIN,
        header: str = "Authorization",
        form: str = "Bearer {token}",
        clock: Clock = SYSTEM,
    ):
        self._fetch = fetch
        self._margin = margin
        self._header = header
        self._form = form
        self._clock = clock
        self._token: Token | None = None
        self._renew_at: datetime | None = None
        self._lock = threading.Lock()

    def apply(self, request: requests.PreparedRequest, scope: str = "") -> None:  # noqa: ARG002
        """Put a token on that lives long enough."""
        with self._lock:
            if self._token is None or self._ends_soon():
                self._renew()
            request.headers[self._header] = self._value()

    def refresh(self, request: requests.PreparedRequest) -> bool:
        """Renew the token, unless another thread has done it since this request was sent."""
        with self._lock:
            if self._token is None or request.headers.get(self._header) == self._value():
                self._renew()
            return True

    def _value(self) -> str:
        assert self._token is not None  # noqa: S101  _renew sets it or raises
        return self._form.format(token=self._token.value)

    def _ends_soon(self) -> bool:
        return self._renew_at is not None and self._clock.now() >= self._renew_at

    def _renew(self) -> None:
        token = self._fetch()
        REDACTOR.add(token.value)
        self._token, self._renew_at = token, None
        if token.expires_at is not None:
            # a token that lives for less than the margin would be renewed at every request
            life = token.expires_at - self._clock.now()
            self._renew_at = token.expires_at - min(self._margin, life / 2)
