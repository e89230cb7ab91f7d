"""What kind of column a JSON Schema asks for, and what two kinds have in common."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from headwater.errors import SchemaError

UNIONS = ("anyOf", "oneOf", "allOf")


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

    A union of an integer and a number is a number, of a date and a timestamp a timestamp; of
    anything else, JSON where an object or an array is among them, and text where not. A schema
    that names no type is JSON.
    """
    kinds = _kinds(schema)
    if not kinds:
        return Kind.JSON
    found = kinds[0]
    for kind in kinds[1:]:
        found = widest(found, kind)
    return found


def widest(one: Kind, other: Kind) -> Kind:
    """Return the kind that holds the values of both."""
    both = {one, other}
    if len(both) == 1:
        return one
    if Kind.JSON in both:
        return Kind.JSON
    if both == {Kind.INTEGER, Kind.NUMBER}:
        return Kind.NUMBER
    if both == {Kind.DATE, Kind.TIMESTAMP}:
        return Kind.TIMESTAMP
    return Kind.TEXT


def scale_of(schema: Any) -> int | None:
    """Return the decimal places that `multipleOf` promises; None where it promises none."""
    if isinstance(schema, Mapping):
        for union in UNIONS:
            for option in schema.get(union) or ():
                if (scale := scale_of(option)) is not None:
                    return scale
        step = schema.get("multipleOf")
        if isinstance(step, (int, float, Decimal)) and step > 0:
            digits = Decimal(str(step)).normalize().as_tuple()
            if digits.digits == (1,) and isinstance(digits.exponent, int):
                return max(0, -digits.exponent)
    return None


def _kinds(schema: Any) -> list[Kind]:
    if not isinstance(schema, Mapping):
        return []
    for union in UNIONS:
        if union in schema:
            return [kind for option in schema[union] for kind in _kinds(option)]
    types = schema.get("type", _type_of_values(schema))
    found = []
    for name in [types] if isinstance(types, str) else types:
        if name == "string":
            found.append(FORMATS.get(schema.get("format", ""), Kind.TEXT))
        elif name in SCALARS:
            found.append(SCALARS[name])
        elif name != "null":
            found.append(Kind.JSON)
    return found


def _type_of_values(schema: Mapping[str, Any]) -> list[str]:
    """Return the types of `enum` and `const`, where they are all that a schema says."""
    values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]
    if values and all(value is None or isinstance(value, str) for value in values):
        return ["string"]
    return []


def resolve_references(schema: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """Return a schema in which every local `$ref` is replaced by what it names.

    Raises:
        SchemaError: a reference leads nowhere, or out of the schema.
    """
    if "$ref" not in repr(schema):
        return dict(schema)
    resolved = _resolve(schema, schema, stream, ())
    assert isinstance(resolved, dict)  # noqa: S101  a mapping resolves to a mapping
    return resolved


def _resolve(part: Any, root: Mapping[str, Any], stream: str, inside: tuple[str, ...]) -> Any:
    if isinstance(part, list):
        return [_resolve(item, root, stream, inside) for item in part]
    if not isinstance(part, Mapping):
        return part
    place = part.get("$ref")
    if not isinstance(place, str):
        return {name: _resolve(value, root, stream, inside) for name, value in part.items()}
    if place in inside:
        return {}  # a recursive type: anything, kept as JSON
    found: Any = root
    for step in place.removeprefix("#").strip("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if not place.startswith("#") or not isinstance(found, Mapping) or name not in found:
            raise SchemaError(f"its schema's reference '{place}' leads nowhere.", stream=stream)
        found = found[name]
    siblings = {name: value for name, value in part.items() if name != "$ref"}
    return _resolve({**found, **siblings}, root, stream, (*inside, place))
