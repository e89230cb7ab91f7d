"""Checked records of one stream, seen by column.

Destinations load columns, not records: what is done to a value is chosen once for a column
and a few thousand records. In a column, numbers and JSON are texts (their digits and members
as they came), integers `int`, booleans `bool`, all others `str`; null is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any

from headwater.clock import parse_rfc3339
from headwater.loading.plan import Column, Plan
from headwater.messages.json import (
    decode,
    decode_exact,
    decode_lines,
    decode_lines_exact,
    encode,
)
from headwater.schema.kinds import Kind


@dataclass(frozen=True)
class Stamp:
    """What the `_sdc_*` columns of rows that came together have in common.

    Args:
        received_at: When they came, in RFC 3339.
        sequence: The same in epoch milliseconds.
        sync_started_at: When the target started, in epoch milliseconds.
    """

    received_at: str
    sequence: int
    sync_started_at: int


class Rows:
    """Records of one plan that fit it.

    Args:
        plan: The plan.
        count: How many.
        extracted_at: When each was extracted, where the tap said so.
        versions: The table version of each, where the tap said so.
        stamp: What metadata columns need; None where there are none.
    """

    def __init__(
        self,
        plan: Plan,
        count: int,
        extracted_at: Sequence[str | None],
        versions: Sequence[int | None],
        stamp: Stamp | None,
    ):
        self.plan = plan
        self.count = count
        self._extracted_at = extracted_at
        self._versions = versions
        self._stamp = stamp
        self._columns: dict[int, list[Any]] = {}

    def column(self, index: int) -> list[Any]:
        """Return the values of a column of the plan."""
        if index not in self._columns:
            is_property = index < self.plan.property_count
            values = self._property(index) if is_property else self._metadata(index)
            self._columns[index] = values
        return self._columns[index]

    def keys(self) -> list[Any]:
        """Return what identifies each row: equal exactly where the destination sees one key."""
        columns = [
            _comparable(self.plan.columns[index].kind, self.column(index))
            for index in self.plan.key_columns
        ]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))

    def texts(self) -> list[bytes]:
        """Return each record as JSON, as it came."""
        raise NotImplementedError

    def decoded(self, index: int, *, exact: bool) -> list[Any]:
        """Return the values of a JSON column.

        Args:
            index: The column.
            exact: Numbers with a fraction as `Decimal`, not as `float`.
        """
        read = decode_exact if exact else decode
        return [None if text is None else read(text) for text in self.column(index)]

    def one(self, index: int) -> Rows:
        """Return one of the rows, its columns only."""
        row = Rows(self.plan, 1, (), (), None)
        row._columns = {n: [self.column(n)[index]] for n in range(len(self.plan.columns))}
        return row

    def _property(self, index: int) -> list[Any]:
        raise NotImplementedError

    def _metadata(self, index: int) -> list[Any]:
        name = self.plan.columns[index].name
        if name == "_sdc_extracted_at":
            return list(self._extracted_at)
        if name == "_sdc_table_version":
            return list(self._versions)
        return [self.metadata().get(name)] * self.count

    def metadata(self) -> dict[str, Any]:
        """Return the metadata columns that all rows have in common."""
        if self._stamp is None:
            return {}
        return {
            "_sdc_received_at": self._stamp.received_at,
            "_sdc_batched_at": self._stamp.received_at,
            "_sdc_sequence": self._stamp.sequence,
            "_sdc_sync_started_at": self._stamp.sync_started_at,
            "_sdc_deleted_at": None,
        }


class TypedRows(Rows):
    """Rows from a typed decoder, numbers and JSON undecoded."""

    def __init__(self, plan: Plan, records: list[Any], texts: list[bytes] | None, **common: Any):
        super().__init__(plan, len(records), **common)
        self._records = records
        self._texts = texts
        self._joined: dict[int, bytes] = {}

    def texts(self) -> list[bytes]:
        """Return each record as JSON, as it came."""
        return self._texts or []

    def raw(self, index: int) -> bytes:
        """Return the JSON of a column of numbers or JSON, null included, a line each."""
        if index not in self._joined:
            # no newline can be in it: it was part of a line
            self._joined[index] = b"\n".join(map(attrgetter(f"f{index}"), self._records))
        return self._joined[index]

    def decoded(self, index: int, *, exact: bool) -> list[Any]:
        """Return the values of a JSON column, decoded in one call."""
        if index >= self.plan.property_count or index in self._columns:
            return super().decoded(index, exact=exact)
        return (decode_lines_exact if exact else decode_lines)(self.raw(index))

    def _property(self, index: int) -> list[Any]:
        kind = self.plan.columns[index].kind
        if kind in (Kind.NUMBER, Kind.JSON):
            texts = self.raw(index).decode().split("\n")
            return [None if t == "null" else t for t in texts] if "null" in texts else texts
        return list(map(attrgetter(f"f{index}"), self._records))


class DictRows(Rows):
    """Rows from decoded records."""

    def __init__(self, plan: Plan, records: list[dict[str, Any]], **common: Any):
        super().__init__(plan, len(records), **common)
        self._records = records

    def texts(self) -> list[bytes]:
        """Return each record as JSON."""
        return [encode(record) for record in self._records]

    def _property(self, index: int) -> list[Any]:
        column = self.plan.columns[index]
        return [_normal(record.get(column.name), column) for record in self._records]

    def _metadata(self, index: int) -> list[Any]:
        # a record that brings a metadata column of its own keeps it: one that a tap deleted, say
        values = super()._metadata(index)
        column = self.plan.columns[index]
        return [
            _normal(record[column.name], column) if record.get(column.name) is not None else value
            for record, value in zip(self._records, values, strict=True)
        ]


def _normal(value: Any, column: Column) -> Any:
    """Return a decoded value in the form that its kind has in a column."""
    if value is None:
        return None
    kind = column.kind
    if kind is Kind.JSON:
        return encode(value).decode()
    if kind is Kind.NUMBER:
        return number_text(value)
    if kind is Kind.INTEGER:
        if type(value) is int:
            return value
        if isinstance(value, (Decimal, float)) and value == value.__trunc__():
            return int(value)
        return str(value)
    if kind is Kind.BOOLEAN:
        return value if isinstance(value, bool) else str(value)
    return value if isinstance(value, str) else encode(value).decode()


def number_text(value: Any) -> str | None:
    """Return a number's digits; None for what is no number (NaN, infinity)."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    return repr(value) if isinstance(value, (int, float)) else str(value)


def _comparable(kind: Kind, values: list[Any]) -> list[Any]:
    if kind is Kind.NUMBER:
        return [None if value is None else Decimal(value) for value in values]
    if kind is Kind.TIMESTAMP:
        return [None if value is None else parse_rfc3339(value) for value in values]
    return values
