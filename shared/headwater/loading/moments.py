"""Dates and times as text: whether a destination may read them as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headwater.clock import parse_rfc3339
from headwater.schema.kinds import Kind

DATE = r"(?!0000)\d{4}-\d\d-\d\d"
CLOCK = r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
ZONE = r"(?: ?(?:Z|z|[+-]\d\d(?::?\d\d)?))?"
# words such as "now" or "infinity", which databases would take and change, match none of these
FORMS = {
    Kind.TIMESTAMP: rf"{DATE}(?:[Tt ]{CLOCK}{ZONE})?",
    Kind.DATE: DATE,
    Kind.TIME: rf"{CLOCK}(?:Z|z|\+00(?::?00)?)?",
}
ONE = {kind: re.compile(form) for kind, form in FORMS.items()}
MANY = {kind: re.compile(rf"(?:{form}\n)*") for kind, form in FORMS.items()}
DIGITS_AS_0 = bytes(ord("0") if chr(n).isdigit() and n < 128 else n for n in range(256))
YEAR_0 = "\n0000"
WORDS = {Kind.TIMESTAMP: "date-time", Kind.DATE: "date", Kind.TIME: "time in UTC"}


def all_have_form(kind: Kind, values: Sequence[str]) -> bool:
    """Whether every text has the form of its kind (the calendar is not consulted)."""
    if not values:
        return True
    joined = "\n".join(values) + "\n"
    return _are_alike(kind, values, joined) or MANY[kind].fullmatch(joined) is not None


def _are_alike(kind: Kind, values: Sequence[str], joined: str) -> bool:
    """Whether all are written as the first one is: most columns have one form, told at once."""
    if not joined.isascii() or not ONE[kind].fullmatch(values[0]) or YEAR_0 in f"\n{joined}":
        return False
    first = values[0].encode().translate(DIGITS_AS_0)
    return joined.encode().translate(DIGITS_AS_0) == (first + b"\n") * len(values)


def is_moment(kind: Kind, value: object) -> bool:
    """Whether a value is a date or time of its kind that the calendar and the clock know."""
    if not isinstance(value, str) or not ONE[kind].fullmatch(value):
        return False
    text = value if kind is not Kind.TIME else f"2000-01-01T{value}"
    try:
        parse_rfc3339(text.replace(" ", "T", 1) if " " in text[:11] else text)
    except ValueError:
        return text[17:19] == "60"  # a leap second: the destination decides
    return True
