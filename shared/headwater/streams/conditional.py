"""Conditional requests: a list that has not changed since the last run is not sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from headwater.http import Request, Response

ETAG, ETAG_OF = "etag", "etag_of"


class EntityTags:
    """The ETag of one context's list, kept in its bookmark (RFC 9110, section 13).

    Args:
        bookmark: The bookmark of the last run.
        properties: What is selected: a property selected since then must not be missing
            because nothing changed.
        page_size: The parameter and size of a full page, behind which something can be added
            without the first page changing; None where new records come first.
    """

    def __init__(
        self,
        bookmark: Mapping[str, Any],
        *,
        properties: Iterable[str],
        page_size: tuple[str, int] | None,
    ):
        self._bookmark = bookmark
        self._properties = sorted(properties)
        self._page_size = page_size

    def condition(self, request: Request) -> Request:
        """Return the request with the ETag of the same request in the last run, if there is one."""
        etag = self._bookmark.get(ETAG)
        if not etag or self._bookmark.get(ETAG_OF) != self._identity(request):
            return request
        return request.with_headers(If_None_Match=str(etag))

    def remember(self, request: Request, answer: Response, count: int) -> dict[str, Any]:
        """Return what the bookmark keeps of the first page's answer; nothing for a full page."""
        etag = answer.headers.get("ETag")
        is_full = self._page_size is not None and count >= self._page_size[1]
        if not etag or is_full:
            return {}
        return {ETAG: etag, ETAG_OF: self._identity(request)}

    def _identity(self, request: Request) -> str:
        text = f"{request.full_url}\n{self._properties}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
