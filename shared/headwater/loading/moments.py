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
WORDS = {Kind.TIMESTAMP: "date-time", Kind.DATE: "date", Kind.TIME: "time in UTC"}


def all_have_form(kind: Kind, values: Sequence[str]) -> bool:
    """Whether every text has the form of its kind (the calendar is not consulted)."""
    if not values:
        return True
    return MANY[kind].fullmatch("\n".join(values) + "\n") is not None


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
