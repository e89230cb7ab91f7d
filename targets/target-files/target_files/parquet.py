"""Parquet, by pyarrow."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from headwater.clock import parse_rfc3339
from headwater.errors import ConfigError, LoadError
from headwater.loading import Kind, Plan
from headwater.messages.json import encode


def write_parquet(place: Path, plan: Plan, records: list[dict[str, Any]]) -> None:
    """Write records as one Parquet file; nested values are JSON text.

    Raises:
        ConfigError: pyarrow is not installed.
        LoadError: a value does not fit its column's type.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as fault:
        raise ConfigError(
            "Parquet needs pyarrow.", advice="Install headwater-target-files[parquet]."
        ) from fault
    types = {
        Kind.BOOLEAN: pa.bool_(),
        Kind.INTEGER: pa.int64(),
        Kind.NUMBER: pa.float64(),
        Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    }
    arrays = []
    fields = []
    for column in plan.columns:
        kind = types.get(column.kind, pa.string())
        values = [_value(record.get(column.name), column.kind) for record in records]
        fields.append(pa.field(column.name, kind))
        try:
            arrays.append(pa.array(values, type=kind))
        except (pa.ArrowException, OverflowError, ValueError) as fault:
            raise LoadError(f"column '{column.name}': {fault}.", stream=plan.stream) from fault
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), place)


def _value(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind is Kind.TIMESTAMP:
        return parse_rfc3339(value)
    if kind is Kind.NUMBER:
        return float(value)
    if kind is Kind.JSON or not isinstance(value, (str, int, bool, float, Decimal)):
        return encode(value).decode()
    return value
