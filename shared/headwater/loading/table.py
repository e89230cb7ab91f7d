"""What SQL destinations share: a table's columns, how they grow, and batches of lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from headwater.errors import LoadError
from headwater.loading.csv import to_bytes, to_lines
from headwater.loading.plan import Plan
from headwater.loading.rows import Rows
from headwater.schema.kinds import Kind

LINES_AT_ONCE = 4000


@dataclass(frozen=True)
class TableColumn:
    """A column as it is in the destination.

    Args:
        property: The property it holds.
        name: Its identifier.
        kind: The kind of what it holds.
        type: The destination's own type.
    """

    property: str
    name: str
    kind: Kind
    type: str


@dataclass(frozen=True)
class Table:
    """A stream's table.

    Args:
        schema: The schema's name.
        name: The table's identifier.
        columns: A column for each of the plan's, in the plan's order.
        keys: The identifiers of the key columns.
        unnamed: The columns that are there and that the plan does not name.
    """

    schema: str
    name: str
    columns: tuple[TableColumn, ...]
    keys: tuple[str, ...]
    unnamed: tuple[str, ...] = ()

    @property
    def qualified(self) -> str:
        """Schema and name, quoted."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def others(self) -> list[str]:
        """The columns that are not keys."""
        return [column.name for column in self.columns if column.name not in self.keys]

    def column_list(self, prefix: str = "") -> str:
        """Return the columns, quoted, each with a prefix."""
        return ", ".join(prefix + quote(column.name) for column in self.columns)


class LineBatch:
    """Rows as lines of CSV; where the stream has keys, the last line of each.

    Args:
        plan: The plan.
        table: The table they go to.
        merges: A key has one row.
        has_doubles: The destination keeps numbers as doubles.
    """

    def __init__(self, plan: Plan, table: Table, *, merges: bool, has_doubles: bool = False):
        self.plan = plan
        self.table = table
        self.merges = merges
        self.has_doubles = has_doubles
        self.wide: dict[int, int] = {}
        self._kinds = [column.kind for column in table.columns]
        self._integers = [
            index
            for index, (ours, theirs) in enumerate(zip(plan.columns, self._kinds, strict=True))
            if ours.kind is Kind.INTEGER and theirs is Kind.INTEGER
        ]
        self._lines: list[str] = []
        self._by_key: dict[Any, str] = {}

    def __len__(self) -> int:
        return len(self._by_key) if self.merges else len(self._lines)

    def add(self, rows: Rows) -> None:
        """Take rows in."""
        lines = to_lines(rows, self._kinds, has_doubles=self.has_doubles)
        if self.merges:
            self._by_key.update(zip(rows.keys(), lines, strict=True))
        else:
            self._lines += lines
        for index in self._integers:
            self._measure(index, rows.column(index))

    def _measure(self, index: int, values: list[Any]) -> None:
        """Note integers beyond 64 bits."""
        try:
            largest = max(*values, -min(values) - 1)
        except (TypeError, ValueError):
            numbers = [value for value in values if isinstance(value, int)]
            largest = max((v if v >= 0 else -v - 1 for v in numbers), default=0)
        if largest >= 2**63:
            self.wide[index] = max(largest, self.wide.get(index, 0))

    def emptied(self) -> LineBatch:
        """Return an empty batch of the same plan."""
        return LineBatch(self.plan, self.table, merges=self.merges, has_doubles=self.has_doubles)

    def for_table(self, table: Table) -> None:
        """Go to this table from now on: one whose columns have grown."""
        self.table = table
        self._kinds = [column.kind for column in table.columns]

    def lines(self) -> list[str]:
        """Return all lines."""
        return list(self._by_key.values()) if self.merges else self._lines

    def drop(self, index: int) -> None:
        """Leave a line out."""
        if self.merges:
            del self._by_key[next(islice(self._by_key, index, None))]
        else:
            del self._lines[index]

    def values(self, line: str) -> dict[str, Any]:
        """Return a line's values by property, as texts."""
        (cells,) = csv.reader(io.StringIO(line))
        names = [column.property for column in self.table.columns]
        return {name: cell or None for name, cell in zip(names, cells, strict=True)}


def chunks(lines: Sequence[str]) -> Iterable[bytes]:
    """Yield lines as CSV, some thousand at a time."""
    for start in range(0, len(lines), LINES_AT_ONCE):
        yield to_bytes(lines[start : start + LINES_AT_ONCE])


def refused(lines: Sequence[str], attempt: Callable[[Sequence[str]], str | None]) -> list[Any]:
    """Return the index and the reason of each line that a destination refuses, by halving.

    Args:
        lines: The lines, of which at least one is refused.
        attempt: Tries lines without keeping them; returns why they are refused, or None.
    """
    found: list[tuple[int, str]] = []
    pending = [(0, len(lines))]
    while pending:
        start, end = pending.pop()
        reason = attempt(lines[start:end])
        if reason is None:
            continue
        if end - start == 1:
            found.append((start, reason))
        else:
            middle = (start + end) // 2
            pending += [(middle, end), (start, middle)]
    return sorted(found)


def identifiers_of(plan: Plan, naming: Any) -> dict[str, str]:
    """Return the identifier of each of a plan's properties."""
    found: dict[str, str] = naming.identifiers(column.name for column in plan.columns)
    return found


def select_rows(qualified: str, columns: Iterable[str]) -> str:
    """Return the query for a table's rows in the order in which they were fetched."""
    there = set(columns)
    order = next((c for c in ("fetched_at", "_sdc_extracted_at") if c in there), None)
    return f"SELECT * FROM {qualified}" + (f" ORDER BY {quote(order)}" if order else "")


def missing_table(stream: str) -> LoadError:
    """Return the error for a stream without a table."""
    return LoadError("it has no table here.", stream=stream, advice="Load the stream first.")


def quote(name: str) -> str:
    """Return an identifier in quotes."""
    return '"' + name.replace('"', '""').replace("\0", "") + '"'


def names(columns: Iterable[str]) -> str:
    """Return a list of quoted identifiers."""
    return ", ".join(map(quote, columns))
