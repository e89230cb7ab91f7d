"""A request as a value, and a response whose body is decoded at most once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests

from headwater.errors import TransientError
from headwater.http.formats import UndecodableError, decode_body
from headwater.secrets.redaction import redact_url

EXCERPT = 500


@dataclass(frozen=True)
class Request:
    """What a stream wants to ask.

    Args:
        url: The absolute URL, possibly with a query of its own.
        method: The HTTP method.
        params: Query parameters; a list gives the parameter several times, None leaves it out.
        headers: Headers of this request.
        json: A body to send as JSON.
        data: A body to send as a form (a mapping) or as it is (bytes).
        scope: Which budget it counts against, where the API has several.
        cost: How much of a declared budget it uses up.
        stream: The stream that asks, for errors and logs.
        tolerated: Statuses that mean "nothing here" for this request, and end nothing.
        response_format: What the answer's body has to be: `json`, `ndjson`, `csv` or `xml`;
            gzip and zip of them are unpacked.
    """

    url: str
    method: str = "GET"
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    data: Any = None
    scope: str = ""
    cost: int = 1
    stream: str | None = None
    tolerated: frozenset[int] = frozenset()
    response_format: str = "json"

    def with_params(self, **params: Any) -> Request:
        """Return the same request with these parameters added or replaced."""
        return replace(self, params={**self.params, **params})

    def with_headers(self, **headers: str) -> Request:
        """Return the same request with these headers added or replaced (`_` stands for `-`)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **named})

    def at(self, url: str) -> Request:
        """Return the same request for a URL that is complete, parameters included."""
        return replace(self, url=url, params={})

    @property
    def full_url(self) -> str:
        """The URL with all its parameters."""
        pairs = [
            (name, str(part).lower() if isinstance(part, bool) else str(part))
            for name, value in self.params.items()
            if value is not None
            for part in (value if isinstance(value, (list, tuple)) else (value,))
        ]
        if not pairs:
            return self.url
        return self.url + ("&" if urlsplit(self.url).query else "?") + urlencode(pairs)

    def __str__(self) -> str:
        return f"{self.method} {redact_url(self.full_url)}"


class Response:
    """A response whose body is whole.

    Args:
        request: What was asked.
        raw: What `requests` returned, body read.
    """

    def __init__(self, request: Request, raw: requests.Response):
        self.request = request
        self.raw = raw
        self.status: int = raw.status_code
        self.headers = raw.headers
        self.url: str = raw.url or request.full_url
        self._decoded: Any = None
        self._is_decoded = False

    @classmethod
    def of(
        cls, request: Request, status: int, headers: Mapping[str, str], content: bytes
    ) -> Response:
        """Return a response that was kept."""
        raw = requests.Response()
        raw.status_code = status
        raw.url = request.full_url
        raw.headers.update(headers)
        raw._content = content
        return cls(request, raw)

    @property
    def content(self) -> bytes:
        """The body."""
        return self.raw.content

    @property
    def links(self) -> dict[str, str]:
        """The URLs of the Link header, by relation."""
        return {rel: link["url"] for rel, link in self.raw.links.items() if "url" in link}

    def value(self) -> Any:
        """Return the body's value, decoded once, in the form that the request asked for.

        Raises:
            TransientError: the body is of another form (a proxy's error page, a cut answer).
        """
        if not self._is_decoded:
            try:
                self._decoded = decode_body(self.content, self.request.response_format)
            except UndecodableError as fault:
                raise TransientError(
                    f"{self.request} answered {self.status} with a body that is not "
                    f"{fault}: {self.excerpt()}",
                    stream=self.request.stream,
                ) from fault
            self._is_decoded = True
        return self._decoded

    def excerpt(self) -> str:
        """Return the start of the body for an error message."""
        text = self.content[: EXCERPT * 4].decode(errors="replace").strip()
        return text[:EXCERPT]
