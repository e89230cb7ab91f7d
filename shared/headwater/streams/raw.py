"""Raw streams: each answer as it came, for deriving records anew later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from headwater.http import Request, Response
from headwater.messages.json import encode
from headwater.secrets.redaction import REDACTOR, redact_url

SUFFIX = "__raw"
KEYS = ("_raw_id",)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "_raw_id": {"type": "string"},
        "url": {"type": "string"},
        "method": {"type": "string"},
        "status": {"type": "integer"},
        "content_type": {"type": ["string", "null"]},
        "fetched_at": {"type": "string", "format": "date-time"},
        "context": {"type": ["string", "null"]},
        "payload": {"type": "string"},
    },
}


def raw_row(
    stream: str, response: Response, context: Mapping[str, Any] | None, fetched_at: str
) -> dict[str, Any]:
    """Return an answer as a row: nothing secret in its metadata, its body as it came."""
    url = redact_url(response.request.full_url)
    body = response.request.json
    identity = f"{stream}\n{url}\n{body!r}\n{fetched_at}"
    return {
        "_raw_id": hashlib.blake2b(identity.encode(), digest_size=16).hexdigest(),
        "url": url,
        "method": response.request.method,
        "status": response.status,
        "content_type": response.headers.get("Content-Type"),
        "fetched_at": fetched_at,
        "context": REDACTOR.redact(encode(dict(context)).decode()) if context else None,
        "payload": response.content.decode(errors="surrogateescape"),
    }


def response_of(row: Mapping[str, Any], stream: str) -> Response:
    """Return the answer that a row was made from."""
    request = Request(str(row["url"]), method=str(row["method"]), stream=stream)
    payload = str(row["payload"]).encode(errors="surrogateescape")
    headers = {"Content-Type": str(row["content_type"])} if row.get("content_type") else {}
    return Response.of(request, int(row["status"]), headers, payload)
