"""Credentials that may have been rotated where they are kept: read again once after a 401."""

from __future__ import annotations

import threading
from collections.abc import Callable

import requests

from headwater.auth.static import Authenticator
from headwater.http.client import Authenticator as AnyAuthenticator
from headwater.http.message import Response


class Reloading(Authenticator):
    """Another authenticator, made anew when the secrets behind it have changed.

    Args:
        inner: The authenticator.
        reload: Reads the secrets again; returns a new authenticator, or None where nothing
            has changed.
    """

    def __init__(self, inner: AnyAuthenticator, reload: Callable[[], AnyAuthenticator | None]):
        self._inner = inner
        self._reload = reload
        self._generation = 0
        self._lock = threading.Lock()

    def apply(self, request: requests.PreparedRequest, scope: str = "") -> None:
        """Put the credentials on."""
        request.headwater_generation = self._generation  # type: ignore[attr-defined]
        self._inner.apply(request, scope)

    def observe(self, request: requests.PreparedRequest, response: Response) -> None:
        """Learn from a response."""
        self._inner.observe(request, response)

    def pause(self, request: requests.PreparedRequest, scope: str, seconds: float) -> bool:
        """Close the budget of these credentials."""
        return self._inner.pause(request, scope, seconds)

    def refresh(self, request: requests.PreparedRequest) -> bool:
        """Renew the credentials, or read their secrets again, once for all threads."""
        with self._lock:
            if getattr(request, "headwater_generation", -1) != self._generation:
                return True
            if self._inner.refresh(request):
                return True
            fresh = self._reload()
            if fresh is None:
                return False
            self._inner = fresh
            self._generation += 1
            return True
