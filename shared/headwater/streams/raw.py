"""Raw streams: each answer as it came, for deriving records anew later."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
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
        "encoding": {"type": "string", "enum": ["utf-8", "base64"]},
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
    encoding, payload = _as_text(response.content)
    return {
        "_raw_id": hashlib.blake2b(identity.encode(), digest_size=16).hexdigest(),
        "url": url,
        "method": response.request.method,
        "status": response.status,
        "content_type": response.headers.get("Content-Type"),
        "fetched_at": fetched_at,
        "context": REDACTOR.redact(encode(dict(context)).decode()) if context else None,
        "encoding": encoding,
        "payload": payload,
    }


def _as_text(content: bytes) -> tuple[str, str]:
    """Return a body as text that every destination keeps as it is, and how it was made so."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    # databases have no NUL in their texts
    return ("base64", base64.b64encode(content).decode()) if "\0" in text else ("utf-8", text)


def response_of(row: Mapping[str, Any], request: Request) -> Response:
    """Return the answer that a row was made from.

    Args:
        row: The row.
        request: What the stream would ask: it says of what form the answer is.
    """
    request = replace(request, url=str(row["url"]), params={}, method=str(row["method"]))
    text = str(row["payload"])
    payload = base64.b64decode(text) if row.get("encoding") == "base64" else text.encode()
    headers = {"Content-Type": str(row["content_type"])} if row.get("content_type") else {}
    return Response.of(request, int(row["status"]), headers, payload)
