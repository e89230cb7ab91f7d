"""Where a list that was read in part can be taken up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headwater.http import Request
from headwater.secrets.redaction import REDACTOR


@dataclass(frozen=True)
class Position:
    """The next request of a list.

    Args:
        request: The request.
        progress: What the paginator knows of the part before it.
    """

    request: Request
    progress: Mapping[str, Any] = field(default_factory=dict)

    def as_bookmark(self) -> dict[str, Any] | None:
        """Return it as a state keeps it; None where the state would keep a secret."""
        url = self.request.full_url
        kept = {"url": url, "progress": dict(self.progress)}
        if self.request.json is not None:
            kept["json"] = self.request.json
        return kept if REDACTOR.redact(repr(kept)) == repr(kept) else None

    @classmethod
    def of(cls, kept: Any, first: Request) -> Position | None:
        """Return the position that a bookmark keeps; None where it is of another request.

        Args:
            kept: What the bookmark holds.
            first: The request for the list's beginning.
        """
        if not isinstance(kept, Mapping) or not str(kept.get("url", "")).startswith(first.url):
            return None
        request = replace(first, url=str(kept["url"]), params={}, json=kept.get("json", first.json))
        return cls(request, kept.get("progress") or {})
