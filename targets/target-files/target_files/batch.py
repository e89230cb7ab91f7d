"""Rows on their way to a file, in the form of its format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from headwater.loading import Plan, Rows
from headwater.loading.csv import to_lines
from headwater.messages.json import decode_exact, encode

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class Content(Protocol):
    """A format's rows; each has an index."""

    def __len__(self) -> int:
        """Return how many rows it holds."""

    def add(self, rows: Rows) -> None:
        """Take rows in."""

    def part(self, indexes: Sequence[int]) -> Any:
        """Return what the format's writer takes, for some rows."""

    def drop(self, index: int) -> None:
        """Leave a row out."""


class JSONLines:
    """Records as they came, metadata added at their end."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, rows: Rows) -> None:
        """Take rows in."""
        texts = rows.texts()
        if rows.metadata():
            names = [c.name for c in rows.plan.columns[rows.plan.property_count :]]
            first = rows.plan.property_count
            columns = [rows.column(first + n) for n in range(len(names))]
            texts = [
                _with_metadata(text, dict(zip(names, values, strict=True)))
                for text, *values in zip(texts, *columns, strict=True)
            ]
        self._texts += texts

    def part(self, indexes: Sequence[int]) -> list[bytes]:
        """Return the lines of some rows."""
        texts = self._texts
        return texts if len(indexes) == len(texts) else [texts[index] for index in indexes]

    def drop(self, index: int) -> None:
        """Leave a row out."""
        del self._texts[index]


def _with_metadata(text: bytes, metadata: dict[str, Any]) -> bytes:
    if b'"_sdc_' in text:
        return encode(metadata | {k: v for k, v in decode_exact(text).items() if v is not None})
    body = text.rstrip()[:-1].rstrip()
    return body + (b"" if body == b"{" else b",") + encode(metadata)[1:]


class CSVLines:
    """Rows as lines of CSV."""

    def __init__(self, plan: Plan) -> None:
        self._kinds = [column.kind for column in plan.columns]
        self._lines: list[str] = []

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, rows: Rows) -> None:
        """Take rows in."""
        self._lines += to_lines(rows, self._kinds)

    def part(self, indexes: Sequence[int]) -> list[str]:
        """Return the lines of some rows."""
        lines = self._lines
        return lines if len(indexes) == len(lines) else [lines[index] for index in indexes]

    def drop(self, index: int) -> None:
        """Leave a row out."""
        del self._lines[index]


class FilesBatch:
    """Rows of one plan, each with the folder of its partition.

    Args:
        plan: The plan.
        content: The rows.
        partition_by: The properties whose values name folders.
    """

    def __init__(self, plan: Plan, content: Content, partition_by: Sequence[str]):
        self.plan = plan
        self.content = content
        self._partition_by = partition_by
        names = [column.name for column in plan.columns]
        self._partition_columns = [names.index(name) for name in partition_by if name in names]
        self._folders: list[str] = []

    def __len__(self) -> int:
        return len(self.content)

    def add(self, rows: Rows) -> None:
        """Take rows in."""
        self.content.add(rows)
        if self._partition_columns:
            values = [rows.column(index) for index in self._partition_columns]
            self._folders += [
                hive_folder([self.plan.columns[i].name for i in self._partition_columns], parts)
                for parts in zip(*values, strict=True)
            ]

    def drop(self, index: int) -> None:
        """Leave a row out."""
        self.content.drop(index)
        if self._folders:
            del self._folders[index]

    def partitions(self) -> dict[str, Sequence[int]]:
        """Return the indexes of the rows of each folder."""
        if not self._folders:
            return {"": range(len(self.content))}
        found: dict[str, list[int]] = {}
        for index, folder in enumerate(self._folders):
            found.setdefault(folder, []).append(index)
        return dict(found)


def hive_folder(names: Sequence[str], values: Sequence[Any]) -> str:
    """Return `name=value/...`, written as Hive does: a null and what a path cannot hold too."""
    return "/".join(
        f"{_escaped(name)}={NO_VALUE if value in (None, '') else _escaped(value)}"
        for name, value in zip(names, values, strict=True)
    )


def _escaped(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "".join(
        f"%{ord(mark):02X}" if mark in "\"#%'*/:=?\\{}[]^" or ord(mark) < 32 else mark
        for mark in text
    )
