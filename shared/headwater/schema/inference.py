"""A JSON Schema from samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)")


def infer(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the schema of records: everything may be null, or be missing."""
    properties: dict[str, Any] = {}
    for record in records:
        for name, value in record.items():
            properties[name] = merge(properties.get(name), schema_of(value))
    return {"type": "object", "properties": {n: nullable(s) for n, s in properties.items()}}


def schema_of(value: Any) -> dict[str, Any]:
    """Return the schema of one value; {} for null, which says nothing."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"type": ["boolean"]}
    if isinstance(value, int):
        return {"type": ["integer"]}
    if isinstance(value, (float, Decimal)):
        return {"type": ["number"]}
    if isinstance(value, str):
        return {"type": ["string"], **({"format": "date-time"} if MOMENT.fullmatch(value) else {})}
    if isinstance(value, Mapping):
        return {"type": ["object"], "properties": {n: schema_of(v) for n, v in value.items()}}
    items: dict[str, Any] = {}
    for part in value:
        items = merge(items, schema_of(part))
    return {"type": ["array"], "items": items}


def merge(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of values of both."""
    if not one:
        return dict(other)
    if not other:
        return dict(one)
    types = [*one["type"], *(name for name in other["type"] if name not in one["type"])]
    if {"integer", "number"} <= {*types}:
        types.remove("integer")
    merged: dict[str, Any] = {"type": types}
    if one.get("format") and one.get("format") == other.get("format"):
        merged["format"] = one["format"]
    if "object" in types:
        properties = dict(one.get("properties", {}))
        for name, part in other.get("properties", {}).items():
            properties[name] = merge(properties.get(name), part)
        merged["properties"] = properties
    if "array" in types:
        merged["items"] = merge(one.get("items"), other.get("items") or {})
    return merged


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that takes null too, at every level; of what was only null, anything."""
    if not schema:
        return {}
    changed: dict[str, Any] = {**schema, "type": [*schema["type"], "null"]}
    if "properties" in schema:
        changed["properties"] = {n: nullable(part) for n, part in schema["properties"].items()}
    if "items" in schema:
        changed["items"] = nullable(schema["items"])
    return changed
