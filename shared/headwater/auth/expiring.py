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
    """A bearer token that is renewed when less than a margin is left, and after a 401.

    Args:
        fetch: Asks for a new token. Raises `AuthError` where it is refused.
        margin: How long before its end a token is renewed.
        clock: Time.
    """

    def __init__(
        self,
        fetch: Callable[[], Token],
        *,
        margin: timedelta = REFRESH_MARGIN,
        clock: Clock = SYSTEM,
    ):
        self._fetch = fetch
        self._margin = margin
        self._clock = clock
        self._token: Token | None = None
        self._lock = threading.Lock()

    def apply(self, request: requests.PreparedRequest, scope: str = "") -> None:  # noqa: ARG002
        """Put a token on that lives long enough."""
        with self._lock:
            if self._token is None or self._ends_soon(self._token):
                self._renew()
            assert self._token is not None  # noqa: S101  _renew sets it or raises
            request.headers["Authorization"] = f"Bearer {self._token.value}"

    def refresh(self, request: requests.PreparedRequest) -> bool:
        """Renew the token, unless another thread has done it since this request was sent."""
        with self._lock:
            current = f"Bearer {self._token.value}" if self._token else None
            if request.headers.get("Authorization") == current:
                self._renew()
            return True

    def _ends_soon(self, token: Token) -> bool:
        if token.expires_at is None:
            return False
        return token.expires_at - self._clock.now() < self._margin

    def _renew(self) -> None:
        self._token = self._fetch()
        REDACTOR.add(self._token.value)
