"""Parquet, by pyarrow: decimals, timestamps and nested values as themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from headwater.clock import parse_rfc3339
from headwater.errors import ConfigError
from headwater.loading import Column, Kind, Plan, Rows
from headwater.messages.json import encode
from headwater.schema.kinds import kind_of, scale_of

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ImportError as missing:
    raise ConfigError(
        "Parquet needs pyarrow.", advice="Install headwater-target-files[parquet]."
    ) from missing

Convert = Callable[[Any], Any]
DIGITS = 38
MICROSECONDS = pa.timestamp("us", tz="UTC")
SIMPLE = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.TIMESTAMP: MICROSECONDS,
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
    Kind.TEXT: pa.string(),
}


class ParquetRows:
    """Rows as Arrow batches.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: Plan) -> None:
        self._columns = [_ArrowColumn(column) for column in plan.columns]
        self.schema = pa.schema([(c.name, c.type) for c in self._columns])
        self._batches: list[Any] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Rows) -> None:
        """Take rows in.

        Raises:
            ValueError: a value does not fit its column; the text names both.
        """
        arrays = [column.array(rows, index) for index, column in enumerate(self._columns)]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
        self._count += rows.count

    def part(self, indexes: Sequence[int]) -> Any:
        """Return a table of some rows."""
        table = pa.Table.from_batches(self._batches, schema=self.schema)
        return table if len(indexes) == self._count else table.take(list(indexes))

    def drop(self, index: int) -> None:
        """Leave a row out."""
        table = pa.Table.from_batches(self._batches, schema=self.schema)
        self._batches = pa.concat_tables([table[:index], table[index + 1 :]]).to_batches()
        self._count -= 1


def write_parquet(place: Path, table: Any, *, compression: str, row_group_rows: int) -> None:
    """Write a table to a file."""
    pq.write_table(table, place, compression=compression, row_group_size=row_group_rows)


class _ArrowColumn:
    def __init__(self, column: Column):
        self.name = column.name
        self._kind = column.kind
        self.type, self._convert = _type(column.kind, column.schema, column.scale)
        self._is_nested = column.kind is Kind.JSON and self.type != pa.string()
        self._is_exact = _has_decimal(self.type)

    def array(self, rows: Rows, index: int) -> Any:
        try:
            return self._array(rows, index)
        except (pa.ArrowException, OverflowError, ValueError, TypeError) as fault:
            raise ValueError(f"column '{self.name}': {fault}") from fault

    def _array(self, rows: Rows, index: int) -> Any:
        if self._is_nested:
            return self._nested(rows.decoded(index, exact=self._is_exact))
        values = rows.column(index)
        if self._kind is Kind.NUMBER:
            return self._numbers(values)
        if self._kind is Kind.TIMESTAMP:
            return _moments(values)
        if self._kind is Kind.DATE:
            return pa.array(values, type=pa.string()).cast(self.type)
        if self._kind is Kind.TIME:
            times = [None if v is None else CONVERT[Kind.TIME](v) for v in values]
            return pa.array(times, type=self.type)
        return pa.array(values, type=self.type)

    def _nested(self, values: list[Any]) -> Any:
        convert = self._convert
        if convert is not None:
            values = [None if v is None else convert(v) for v in values]
        return pa.array(values, type=self.type)

    def _numbers(self, texts: list[Any]) -> Any:
        if pa.types.is_decimal(self.type):
            return pa.array([None if t is None else Decimal(t) for t in texts], type=self.type)
        numbers = pa.array(texts, type=pa.string()).cast(self.type)
        if pc.any(pc.is_inf(numbers)).as_py():
            raise ValueError("a number is beyond a double")
        return numbers


def _has_decimal(type_: Any) -> bool:
    if pa.types.is_struct(type_):
        return any(_has_decimal(type_.field(index).type) for index in range(type_.num_fields))
    if pa.types.is_list(type_):
        return _has_decimal(type_.value_type)
    return bool(pa.types.is_decimal(type_))


def _moments(values: list[Any]) -> Any:
    try:
        return pa.array(values, type=pa.string()).cast(MICROSECONDS)
    except pa.ArrowInvalid:
        pass  # forms that Arrow does not read: without a zone, say
    return pa.array([None if v is None else parse_rfc3339(v) for v in values], type=MICROSECONDS)


def _type(kind: Kind, schema: Any, scale: int | None) -> tuple[Any, Convert | None]:
    """Return the Arrow type of values of a schema, and what turns a decoded value into one."""
    if kind is Kind.NUMBER:
        if scale is not None and scale < DIGITS:
            return pa.decimal128(DIGITS, scale), Decimal
        return pa.float64(), _number
    if kind is Kind.TEXT and _is_only_text(schema):
        return pa.string(), None
    if kind is not Kind.JSON:
        return SIMPLE[kind], CONVERT.get(kind)
    schema = _without_null(schema)
    types = schema.get("type", ())
    names = {types} if isinstance(types, str) else {*types} - {"null"}
    if names == {"object"} and schema.get("properties"):
        return _struct(schema["properties"])
    if names == {"array"} and isinstance(schema.get("items"), Mapping) and schema["items"]:
        items = schema["items"]
        inner, convert = _type(kind_of(items), items, scale_of(items))
        return pa.list_(inner), _each(convert) if convert else None
    return pa.string(), _json_text


def _is_only_text(schema: Any) -> bool:
    types = schema.get("type", ()) if isinstance(schema, Mapping) else ()
    return ({types} if isinstance(types, str) else {*types}) - {"null"} == {"string"}


def _struct(properties: Mapping[str, Any]) -> tuple[Any, Convert | None]:
    fields, converts = [], {}
    for name, schema in properties.items():
        type_, convert = _type(kind_of(schema), schema, scale_of(schema))
        fields.append(pa.field(name, type_))
        if convert:
            converts[name] = convert
    if not converts:
        return pa.struct(fields), None

    def convert_object(value: Any) -> Any:
        if value is None:
            return None
        return {
            name: converts[name](part) if name in converts and part is not None else part
            for name, part in value.items()
        }

    return pa.struct(fields), convert_object


def _without_null(schema: Any) -> Mapping[str, Any]:
    for union in ("anyOf", "oneOf"):
        options = [o for o in schema.get(union, ()) if o != {"type": "null"}]
        if len(options) == 1:
            return dict(options[0])
    return dict(schema)


def _each(convert: Convert) -> Convert:
    def convert_list(value: Any) -> Any:
        return value and [None if part is None else convert(part) for part in value]

    return convert_list


def _number(value: Any) -> float:
    number = float(value)
    if math.isinf(number):
        raise ValueError(f"{value!s:.40} is beyond a double")
    return number


def _json_text(value: Any) -> str | None:
    return None if value is None else encode(value).decode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


CONVERT: dict[Kind, Convert] = {
    Kind.TIMESTAMP: parse_rfc3339,
    Kind.DATE: lambda value: parse_rfc3339(value).date(),
    Kind.TIME: lambda value: parse_rfc3339(f"2000-01-01T{value}").time(),
    Kind.TEXT: _text,
}
