"""A record decoder compiled from a JSON Schema: decoding is validation.

For the schemas that most taps write (types, unions with null, nested properties, items,
required) a typed decoder accepts nothing that the schema refuses, in a fraction of the time
that decoding and then validating takes. Schemas with other keywords, and records that the
typed decoder refuses, take the general path, which decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias
from typing import Any

import msgspec
from msgspec import Raw

from headwater.loading.plan import Plan
from headwater.schema.kinds import UNIONS, Kind

NULL = Raw(b"null")
# keywords that say nothing about which values are valid
SILENT = frozenset(
    {
        "$schema", "$id", "$comment", "title", "description", "default", "examples", "example",
        "readOnly", "writeOnly", "deprecated", "format", "contentMediaType", "contentEncoding",
        "selected", "secret", "inclusion", "x-sql-datatype", "nullable",
    }
)  # fmt: skip
OBJECT = SILENT | {"type", "properties", "required", "additionalProperties"}
ARRAY = SILENT | {"type", "items"}
SCALAR = SILENT | {"type", "multipleOf"}
PYTHON: dict[str, Any] = {"integer": int, "number": int | float, "boolean": bool, "string": str}
# kept as their own text: digits, and members in their order, reach the destination unchanged
AS_TEXT = (Kind.NUMBER, Kind.JSON)


class NotTypable(Exception):  # noqa: N818  an answer, not an error
    """A schema has keywords that a typed decoder cannot check."""


class TypedRecords:
    """Decodes RECORD lines of one plan into objects with a field `f0`, `f1`, ... a column.

    Args:
        plan: The plan.
        keeps_text: Records keep their whole text too.

    Attributes:
        checks: For the columns that are kept as text: the decoder that checks them.

    Raises:
        NotTypable: the plan's schema needs the general path.
    """

    def __init__(self, plan: Plan, *, keeps_text: bool = False):
        schema = plan.schema
        if plan.validates and not schema.keys() <= OBJECT | {"$schema", "definitions", "$defs"}:
            raise NotTypable
        if plan.validates and schema.get("additionalProperties") not in (None, True, {}):
            raise NotTypable
        required = frozenset(schema.get("required") or ())
        if plan.validates and not required <= {c.name for c in plan.columns}:
            raise NotTypable
        fields: list[tuple[Any, ...]] = []
        names: dict[str, str] = {}
        self.checks: dict[int, msgspec.json.Decoder[Any]] = {}
        for index, column in enumerate(plan.columns[: plan.property_count]):
            field = f"f{index}"
            names[field] = column.name
            kind: Any = _python_type(column.schema, f"{field}_")
            default: Any = None
            if column.kind in AS_TEXT:
                self.checks[index] = msgspec.json.Decoder(kind)
                kind, default = Raw, NULL
            elif (column.kind is Kind.TEXT and kind not in (str, str | None)) or (
                column.kind is not Kind.JSON and kind == str | int | None
            ):
                raise NotTypable
            is_required = column.name in required and plan.validates
            fields.append((field, kind) if is_required else (field, kind, default))
        # required fields must come first in the order of definition only
        fields.sort(key=len)
        record = _struct("Record", fields, names)
        self.record_decoder = msgspec.json.Decoder(record)
        envelope = msgspec.defstruct(
            "Envelope",
            [
                ("record", Raw if keeps_text else record),
                ("time_extracted", str | None, None),
                ("version", int | None, None),
            ],
            gc=False,
        )
        self.decoder = msgspec.json.Decoder(envelope)


def _python_type(schema: Any, name: str) -> Any:
    """Return the Python type whose decoding checks a schema.

    Raises:
        NotTypable: there is none.
    """
    if schema in (True, {}):
        return Any
    if not isinstance(schema, Mapping):
        raise NotTypable
    for union in UNIONS[:2]:
        if union in schema:
            if schema.keys() - SILENT != {union}:
                raise NotTypable
            options = [o for o in schema[union] if o != {"type": "null"}]
            if len(options) != 1:
                raise NotTypable
            inner = _python_type(options[0], name)
            return inner if len(options) == len(schema[union]) else inner | None
    types = schema.get("type")
    if types is None:
        if schema.keys() <= SILENT:
            return Any
        raise NotTypable
    listed = [types] if isinstance(types, str) else list(types)
    found: Any = None
    for one in listed:
        if one == "null":
            continue
        if found is not None:
            raise NotTypable
        found = _one_type(one, schema, name)
    if found is None:
        return type(None)
    return found | None if "null" in listed else found


def _one_type(kind: str, schema: Mapping[str, Any], name: str) -> Any:
    if kind == "object":
        return _object(schema, name)
    if kind == "array":
        if not schema.keys() <= ARRAY:
            raise NotTypable
        items = schema.get("items", {})
        inner: Any = Any if items in ({}, True) else _python_type(items, name)
        return GenericAlias(list, (inner,))
    if kind not in PYTHON or not schema.keys() <= SCALAR:
        raise NotTypable
    if "multipleOf" in schema:
        raise NotTypable
    return PYTHON[kind]


def _object(schema: Mapping[str, Any], name: str) -> Any:
    if not schema.keys() <= OBJECT:
        raise NotTypable
    if schema.get("additionalProperties") not in (None, True, {}):
        raise NotTypable
    properties = schema.get("properties") or {}
    required = frozenset(schema.get("required") or ())
    if not required <= properties.keys():
        raise NotTypable
    if not properties:
        return dict[str, Any]
    fields: list[tuple[Any, ...]] = []
    names: dict[str, str] = {}
    for index, (key, part) in enumerate(properties.items()):
        field = f"f{index}"
        names[field] = key
        kind = _python_type(part, f"{name}{index}_")
        fields.append((field, kind) if key in required else (field, kind, None))
    fields.sort(key=len)
    return _struct(f"Nested_{name}", fields, names)


def _struct(name: str, fields: list[tuple[Any, ...]], names: dict[str, str]) -> Any:
    try:
        return msgspec.defstruct(name, fields, rename=names, gc=False)
    except ValueError as fault:  # a name with a quote or a control character
        raise NotTypable from fault
