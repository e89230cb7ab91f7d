"""From a declared stream to a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headwater.pagination import CursorInBody, LinkHeader, NextURL, Pagination, SinglePage
from headwater.streams import RESTStream

PAGINATIONS: dict[str, Callable[..., Pagination]] = {
    "none": SinglePage,
    "link": LinkHeader,
    "next_url": NextURL,
    "cursor": CursorInBody,
}
TEXT = {"type": "string"}
STREAM_SCHEMA = {
    "type": "object",
    "required": ["name", "path", "schema"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "path": TEXT,
        "method": {"enum": ["GET", "POST"]},
        "params": {"type": "object"},
        "headers": {"type": "object"},
        "records": TEXT,
        "primary_keys": {"type": "array", "items": TEXT},
        "replication_key": TEXT,
        "start_param": TEXT,
        "is_sorted": {"type": "boolean"},
        "pagination": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": list(PAGINATIONS)}},
        },
        "schema": {"type": "object"},
    },
}


def declared(declaration: Mapping[str, Any]) -> type[RESTStream]:
    """Return the stream type that a declaration describes."""
    attributes = {k: v for k, v in declaration.items() if k not in ("pagination", "schema")}
    attributes["primary_keys"] = tuple(declaration.get("primary_keys") or ())
    attributes["pagination"] = _pagination(declaration.get("pagination") or {"type": "none"})
    attributes["declared_schema"] = declaration["schema"]
    return type(str(declaration["name"]), (RESTStream,), attributes)


def _pagination(declaration: Mapping[str, Any]) -> Pagination:
    options = {k: v for k, v in declaration.items() if k != "type"}
    if isinstance(options.get("size"), list):
        options["size"] = tuple(options["size"])
    return PAGINATIONS[declaration["type"]](**options)
