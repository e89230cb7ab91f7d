"""Schemas that lie as JSON files beside a tap's code."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from headwater.errors import SchemaError
from headwater.messages.json import decode


@cache
def load_schema(package: str, name: str) -> dict[str, Any]:
    """Return the schema in `PACKAGE/schemas/NAME.json`.

    Raises:
        SchemaError: there is no such file.
    """
    file = resources.files(package) / "schemas" / f"{name}.json"
    try:
        schema: dict[str, Any] = decode(file.read_bytes())
    except FileNotFoundError as fault:
        raise SchemaError(
            f"it has no schema: {package}/schemas/{name}.json is missing.", stream=name
        ) from fault
    return schema
