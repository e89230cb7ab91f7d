"""Values of CSV and XML, which are texts, as the types that the schema gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

TEXT_FORMATS = frozenset({"csv", "xml"})
TRUE, FALSE = frozenset({"true", "1", "yes", "t"}), frozenset({"false", "0", "no", "f"})


class FromTexts:
    """Gives the values of records their types.

    A text that is not of its type stays one: the target refuses it, and names it.

    Args:
        schema: The records' schema.
    """

    def __init__(self, schema: Mapping[str, Any]):
        self._readers = {
            name: reader
            for name, part in schema.get("properties", {}).items()
            if (reader := _reader(part))
        }

    def __call__(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the records; those given are changed."""
        for name, read in self._readers.items():
            for record in records:
                value = record.get(name)
                if isinstance(value, str):
                    record[name] = read(value)
        return records


def _reader(schema: Any) -> Callable[[str], Any] | None:
    types = schema.get("type", ()) if isinstance(schema, Mapping) else ()
    names = {types} if isinstance(types, str) else {*types}
    return next((READERS[n] for n in READERS if n in names and "string" not in names), None)


def _integer(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text


def _number(text: str) -> Any:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


def _boolean(text: str) -> Any:
    word = text.strip().lower()
    return True if word in TRUE else False if word in FALSE else text


READERS = {"integer": _integer, "number": _number, "boolean": _boolean}
