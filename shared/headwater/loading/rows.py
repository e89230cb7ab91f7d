"""Rows as CSV: the one form that every database reads in bulk.

A null is an empty field, an empty text is `""`; timestamps and JSON go as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from headwater.loading.plan import Column
from headwater.messages.json import encode
from headwater.schema.kinds import Kind

Cell = Callable[[Any], str]
# an escaped NUL, and not an escaped backslash before the text "u0000"
NUL_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is not str:
        value = _plain(value)
    text: str = value
    return '"' + text.replace('"', '""') + '"'


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def _json(value: Any) -> str:
    if value is None:
        return ""
    text = encode(value).decode()
    if "\\u0000" in text:
        text = NUL_ESCAPE.sub("\\1\ufffd", text)
    return '"' + text.replace('"', '""') + '"'


def _number(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is bool:
        return "1" if value else "0"
    if isinstance(value, (float, Decimal)) and value != value:
        return ""
    return str(value)


def _integer(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    # 1.0 is an integer by JSON Schema
    return str(int(value)) if value == int(value) else str(value)


def _boolean(value: Any) -> str:
    return "" if value is None else "true" if value else "false"


CELLS: dict[Kind, Cell] = {
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.JSON: _json,
    Kind.TEXT: _text,
    Kind.TIMESTAMP: _text,
    Kind.DATE: _text,
    Kind.TIME: _text,
}


def to_csv(columns: Sequence[Column], records: Iterable[dict[str, Any]]) -> bytes:
    """Return the records as CSV, a column each, without a header.

    NUL characters and lone surrogates, which no destination can hold, become U+FFFD.
    """
    plan = [(column.name, CELLS[column.kind]) for column in columns]
    text = "\n".join(
        ",".join([cell(record.get(name)) for name, cell in plan]) for record in records
    )
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode() + b"\n"
