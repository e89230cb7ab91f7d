"""What kind of column a JSON Schema asks for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any


class Kind(Enum):
    """The kinds of columns that all destinations know."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    TIMESTAMP = "timestamp"
    DATE = "date"
    TIME = "time"
    TEXT = "text"
    JSON = "json"


FORMATS = {"date-time": Kind.TIMESTAMP, "date": Kind.DATE, "time": Kind.TIME}
SCALARS = {"boolean": Kind.BOOLEAN, "integer": Kind.INTEGER, "number": Kind.NUMBER}


def kind_of(schema: Any) -> Kind:
    """Return the kind of column that holds every value a schema allows.

    A union of an integer and a number is a number; of anything else, JSON where an object or
    an array is among them, and text where not. A schema that names no type is JSON.
    """
    kinds = set(_kinds(schema))
    if len(kinds) == 1:
        return kinds.pop()
    if kinds == {Kind.INTEGER, Kind.NUMBER}:
        return Kind.NUMBER
    if not kinds or Kind.JSON in kinds:
        return Kind.JSON
    return Kind.TEXT


def _kinds(schema: Any) -> list[Kind]:
    if not isinstance(schema, Mapping):
        return []
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return [kind for option in schema[union] for kind in _kinds(option)]
    types = schema.get("type", [])
    found = []
    for name in [types] if isinstance(types, str) else types:
        if name == "string":
            found.append(FORMATS.get(schema.get("format", ""), Kind.TEXT))
        elif name in SCALARS:
            found.append(SCALARS[name])
        elif name != "null":
            found.append(Kind.JSON)
    return found
