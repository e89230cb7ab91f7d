"""Conditional requests: a list that has not changed since the last run is not sent again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from headwater.http import Request, Response

if TYPE_CHECKING:
    from headwater.streams.base import Context
    from headwater.streams.rest import RESTStream

ETAG, ETAG_OF = "etag", "etag_of"


class EntityTags:
    """The ETag of one context's list, kept in its bookmark (RFC 9110, section 13).

    Args:
        stream: The stream.
        context: The context whose list is fetched.
    """

    def __init__(self, stream: RESTStream, context: Context | None):
        self._stream = stream
        state = stream.state
        place = stream.state_context(context)
        self._bookmark: dict[str, Any] = state.peek(stream.name, place) if state else {}

    def condition(self, request: Request) -> Request:
        """Return the request with the ETag of the same request in the last run, if there is one."""
        etag = self._bookmark.get(ETAG)
        if not etag or self._bookmark.get(ETAG_OF) != self._identity(request):
            return request
        return request.with_headers(If_None_Match=str(etag))

    def remember(self, request: Request, answer: Response, count: int) -> dict[str, Any]:
        """Return what the bookmark keeps of the first page's answer.

        Nothing where the page is full: what is added behind it would not change it.
        """
        etag = answer.headers.get("ETag")
        size = getattr(self._stream.pagination, "size", None)
        is_full = size is not None and count >= size[1] and not self._stream.newest_first
        if not etag or is_full:
            return {}
        return {ETAG: etag, ETAG_OF: self._identity(request)}

    def _identity(self, request: Request) -> str:
        # a property selected since then must not be missing because nothing changed
        properties = sorted(self._stream.selected_schema.get("properties", {}))
        text = f"{request.full_url}\n{properties}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
