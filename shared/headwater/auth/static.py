"""Credentials that do not change during a run."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests

from headwater.http.message import Response
from headwater.secrets.redaction import REDACTOR


class Authenticator:
    """Puts credentials on requests; the base does nothing (an open API)."""

    def apply(self, request: requests.PreparedRequest, scope: str = "") -> None:
        """Put the credentials on a request."""

    def observe(self, request: requests.PreparedRequest, response: Response) -> None:
        """Learn from a response."""

    def refresh(self, request: requests.PreparedRequest) -> bool:  # noqa: ARG002
        """Renew the credentials this request carried; False where that is impossible."""
        return False

    def pause(self, request: requests.PreparedRequest, scope: str, seconds: float) -> bool:  # noqa: ARG002
        """Close the budget of these credentials; False where the limiter keeps it."""
        return False


class Bearer(Authenticator):
    """`Authorization: Bearer TOKEN`."""

    def __init__(self, token: str):
        REDACTOR.add(token)
        self._header = f"Bearer {token}"

    def apply(self, request: requests.PreparedRequest, scope: str = "") -> None:  # noqa: ARG002
        """Put the token on a request."""
        request.headers["Authorization"] = self._header


class Basic(Authenticator):
    """`Authorization: Basic base64(user:password)`."""

    def __init__(self, user: str, password: str):
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        REDACTOR.add(password, encoded)
        self.header = f"Basic {encoded}"

    def apply(self, request: requests.PreparedRequest, scope: str = "") -> None:  # noqa: ARG002
        """Put user and password on a request."""
        request.headers["Authorization"] = self.header


class Headers(Authenticator):
    """Secret headers, as they are."""

    def __init__(self, headers: Mapping[str, str]):
        REDACTOR.add(*headers.values())
        self._headers = dict(headers)

    def apply(self, request: requests.PreparedRequest, scope: str = "") -> None:  # noqa: ARG002
        """Put the headers on a request."""
        request.headers.update(self._headers)


class APIKey(Authenticator):
    """A key in a header or in a query parameter.

    Args:
        key: The key.
        header: The header that carries it, for example `X-API-Key`.
        param: The query parameter that carries it, where the API wants it there.
    """

    def __init__(self, key: str, *, header: str | None = None, param: str | None = None):
        if (header is None) == (param is None):
            raise ValueError("an API key goes into a header or into a parameter")
        REDACTOR.add(key)
        self._key, self._header, self._param = key, header, param

    def apply(self, request: requests.PreparedRequest, scope: str = "") -> None:  # noqa: ARG002
        """Put the key on a request."""
        if self._header:
            request.headers[self._header] = self._key
            return
        parts = urlsplit(request.url or "")
        query = [
            pair
            for pair in parse_qsl(parts.query, keep_blank_values=True)
            if pair[0] != self._param
        ]
        query.append((self._param or "", self._key))
        request.url = urlunsplit(parts._replace(query=urlencode(query)))
