"""Rows as CSV: the one form that every database reads in bulk.

A null is an empty field, an empty text is `""`. NUL characters and lone surrogates, which no
destination can hold, become U+FFFD.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from headwater.loading.rows import Rows
from headwater.schema.kinds import Kind

Cells = Callable[[list[Any]], list[str]]
# an escaped NUL, and not an escaped backslash before the text "u0000"
NUL_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
SURROGATE_ESCAPE = re.compile(
    r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
SEPARATOR = "\x1f"
LONGEST_SAFE_DOUBLE = 300  # so many digits are below 1.8e308


def to_lines(rows: Rows, kinds: Sequence[Kind], *, has_doubles: bool = False) -> list[str]:
    """Return a line for each row, without its end.

    Args:
        rows: The rows.
        kinds: The kind that each column has in the destination.
        has_doubles: The destination keeps numbers as doubles: what they cannot hold becomes a
            cell that it refuses, instead of infinity.
    """
    columns = [
        cells_for(column.kind, kind, has_doubles=has_doubles)(rows.column(index))
        for index, (column, kind) in enumerate(zip(rows.plan.columns, kinds, strict=True))
    ]
    return list(map(",".join, zip(*columns, strict=True)))


def to_bytes(lines: Sequence[str]) -> bytes:
    """Return lines as UTF-8."""
    text = "\n".join(lines)
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode() + b"\n"


def cells_for(kind: Kind, destination: Kind, *, has_doubles: bool = False) -> Cells:
    """Return what makes cells of a column's values, for the kind its destination has."""
    if has_doubles and kind is Kind.NUMBER and destination is Kind.NUMBER:
        return _doubles
    if destination is Kind.JSON and kind is not Kind.JSON:
        return _as_json
    if destination is Kind.TEXT and kind not in (Kind.TEXT, Kind.JSON):
        return _as_text
    return CELLS[kind]


def _quoted(values: list[Any]) -> list[str]:
    if None in values:
        return ["" if v is None else '"' + v.replace('"', '""') + '"' for v in values]
    joined = SEPARATOR.join(values)
    if joined.count(SEPARATOR) != len(values) - 1:
        return ['"' + v.replace('"', '""') + '"' for v in values]
    # one pass over the column instead of one for each value
    escaped = joined.replace('"', '""').replace(SEPARATOR, f'"{SEPARATOR}"')
    return f'"{escaped}"'.split(SEPARATOR)


def _json(values: list[Any]) -> list[str]:
    if "\\u" in SEPARATOR.join(filter(None, values)):
        values = [None if value is None else clean_json(value) for value in values]
    return _quoted(values)


def clean_json(text: str) -> str:
    """Return JSON without escaped NUL characters and lone surrogates."""
    if "\\u0000" in text:
        text = NUL_ESCAPE.sub("\\1\ufffd", text)
    if "\\ud" in text or "\\uD" in text:
        text = SURROGATE_ESCAPE.sub(_keep_pair, text)
    return text


def _keep_pair(match: re.Match[str]) -> str:
    return match.group(0) if match.group(2) else f"{match.group(3)}\ufffd"


def _plain(values: list[Any]) -> list[str]:
    return ["" if value is None else value for value in values] if None in values else values


def _doubles(values: list[Any]) -> list[str]:
    cells = _plain(values)
    joined = ",".join(cells)
    longest = len(joined) > LONGEST_SAFE_DOUBLE and max(map(len, cells))
    if "e" in joined or "E" in joined or longest > LONGEST_SAFE_DOUBLE:
        return [f"{c} is beyond a double" if c and math.isinf(float(c)) else c for c in cells]
    return cells


def _integers(values: list[Any]) -> list[str]:
    return (
        ["" if v is None else str(v) for v in values] if None in values else list(map(str, values))
    )


def _booleans(values: list[Any]) -> list[str]:
    return [
        "" if v is None else "true" if v is True else "false" if v is False else v for v in values
    ]


def _as_text(values: list[Any]) -> list[str]:
    return _quoted(
        [None if v is None else v if isinstance(v, str) else json.dumps(v) for v in values]
    )


def _as_json(values: list[Any]) -> list[str]:
    return _quoted([None if v is None else json.dumps(v, ensure_ascii=False) for v in values])


CELLS: dict[Kind, Cells] = {
    Kind.BOOLEAN: _booleans,
    Kind.INTEGER: _integers,
    Kind.NUMBER: _plain,
    Kind.JSON: _json,
    Kind.TEXT: _quoted,
    Kind.TIMESTAMP: _plain,
    Kind.DATE: _plain,
    Kind.TIME: _plain,
}
