"""Gives records the shape their schema and selection ask for; compiled once per stream.

What the SDK does per record and per field, walking the schema each time, is compiled here
into one function: names the schema lacks or the catalog deselects are dropped, values of
purely boolean properties become booleans, and, for records that do not come straight from
JSON, Python's dates, bytes and non-finite numbers become what the SDK makes of them.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from headwater.streams.catalog import Breadcrumb, Selection

Shape = Callable[[Any], Any]
LEAF = "keys_of_leaf"  # an attribute of shapes of objects below which nothing is shaped
NO_LEAF: frozenset[str] = frozenset()
EPOCH = dt.datetime.fromtimestamp(0, dt.timezone.utc)


class Shaper:
    """Shapes the records of one stream.

    Args:
        schema: The stream's whole schema.
        selection: What of it is selected.
        from_json: The records hold JSON's own types only, as a decoded response does.
        keep_in: The property that takes what the schema lacks; None: it is left out.

    Attributes:
        unknown: The names, with dots between levels, that records had and the schema has not.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        selection: Selection,
        *,
        from_json: bool,
        keep_in: str | None = None,
    ):
        self.unknown: set[str] = set()
        self._keep_in = keep_in
        self._selection = selection
        self._from_json = from_json
        self._shape = self._object(schema, (), "")

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the record in its shape; the record given may be changed on the way."""
        shaped: dict[str, Any] = self._shape(record)
        return shaped

    def _object(self, schema: Mapping[str, Any], at: Breadcrumb, path: str) -> Shape:
        known = schema.get("properties", {})
        is_open = bool(schema.get("additionalProperties"))
        kept = frozenset(name for name in known if self._selection[at + ("properties", name)])  # noqa: RUF005  mypy 3.10
        dropped = frozenset(known) - kept
        nested = [
            (name, shape, getattr(shape, LEAF, NO_LEAF))
            for name in kept
            if (shape := self._value(known[name], (*at, "properties", name), f"{path}{name}."))
        ]
        unknown, prefix = self.unknown, path
        keep_in = self._keep_in if not at else None
        finish = None if self._from_json else to_json

        def shape_object(record: dict[str, Any]) -> dict[str, Any]:
            if not record.keys() <= kept:
                if is_open:
                    record = {k: v for k, v in record.items() if k not in dropped}
                else:
                    extra = record.keys() - kept - dropped
                    unknown.update(prefix + k for k in extra)
                    others = {k: record[k] for k in sorted(extra)} if keep_in else None
                    record = {k: v for k, v in record.items() if k in kept}
                    if keep_in and others:
                        record[keep_in] = others
            for name, shape, leaf in nested:
                value = record.get(name)
                # an object that has nothing but what it may have stays as it is
                if value is None or (type(value) is dict and value.keys() <= leaf):
                    continue
                record[name] = shape(value)
            return finish(record) if finish else record

        if not nested and finish is None:
            setattr(shape_object, LEAF, kept)
        return shape_object

    def _value(self, schema: Mapping[str, Any], at: Breadcrumb, path: str) -> Shape | None:
        """Return what shapes a value of this schema; None where it stays as it is."""
        shapes: list[tuple[type, Shape]] = []
        if _has_type(schema, "object") and "properties" in schema:
            shapes.append((dict, self._object(schema, at, path)))
        items = schema.get("items")
        if _has_type(schema, "array") and isinstance(items, dict) and "prefixItems" not in schema:
            each = self._item(items, at, path)
            if each:
                shapes.append((list, _each(each)))
        if _is_only_boolean(schema):
            return _boolean
        if not shapes:
            return None
        leaf = getattr(shapes[0][1], LEAF, NO_LEAF)

        def shape_value(value: Any) -> Any:
            for kind, shape in shapes:
                if isinstance(value, kind):
                    return shape(value)
            return value

        if leaf:
            setattr(shape_value, LEAF, leaf)
        return shape_value

    def _item(self, schema: Mapping[str, Any], at: Breadcrumb, path: str) -> Shape | None:
        # the catalog cannot deselect inside an array's items
        everything = Shaper.__new__(Shaper)
        everything.unknown = self.unknown
        everything._keep_in = None
        everything._selection = Selection({})
        everything._from_json = self._from_json
        return everything._value({**schema}, at, path)


def _each(shape: Shape) -> Shape:
    def shape_list(values: list[Any]) -> list[Any]:
        return [None if value is None else shape(value) for value in values]

    return shape_list


def _boolean(value: Any) -> Any:
    if value is True or value is False:
        return value
    if isinstance(value, bytes):
        return value != b"\x00"
    if isinstance(value, (float, decimal.Decimal)):
        return value if math.isfinite(value) else None
    return value != 0


def _has_type(schema: Mapping[str, Any], name: str) -> bool:
    options: list[Any] = schema.get("anyOf") or [schema.get("type")]
    return any(name in (option or ()) for option in options)


def _is_only_boolean(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "boolean" or (
        isinstance(kind, list) and {*kind} in ({"boolean"}, {"boolean", "null"})
    )


def to_json(value: Any) -> Any:
    """Return a Python value as JSON's own types, in the forms that the SDK writes."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, dict):
        return {name: to_json(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(part) for part in value]
    if isinstance(value, (float, decimal.Decimal)):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)
        return moment.isoformat("T", timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return (EPOCH + value).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (dt.time, uuid.UUID)):
        return str(value)
    return str(value)
