"""Time as a value that tests can replace."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """What the library asks of time."""

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


SYSTEM = SystemClock()


def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC as `2026-01-31T09:30:00Z`, with microseconds only if there are any."""
    text = moment.astimezone(timezone.utc).isoformat()
    return text.replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Return the moment that a date or date-time in ISO 8601 names; without a zone it is UTC.

    Raises:
        ValueError: the text is neither.
    """
    text = text.strip()
    if text.endswith(("Z", "z")):
        text = text[:-1] + "+00:00"
    # Python 3.10's fromisoformat takes 3 or 6 digits of a second and no others
    head, dot, tail = text.partition(".")
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[:digits][:6]:0<6}{tail[digits:]}"
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def parse_moment(value: str | float) -> datetime:
    """Return the moment that a text (ISO 8601) or a number (epoch seconds or milliseconds) names.

    Raises:
        ValueError: it names none.
    """
    if isinstance(value, str):
        text = value.strip()
        if not text.lstrip("-").replace(".", "", 1).isdigit() or len(text) == 4:
            return parse_rfc3339(text)
        value = float(text)
    # seconds reach this number in the year 5138
    seconds = value / 1000 if abs(value) >= 1e11 else value
    return datetime.fromtimestamp(float(seconds), timezone.utc)


def format_moment(moment: datetime, form: str) -> str | int:
    """Return a moment as an API wants it.

    Args:
        moment: The moment.
        form: `rfc3339`, `date`, `epoch`, `epoch_ms`, or a format of strftime.
    """
    if form == "rfc3339":
        return rfc3339(moment)
    if form == "date":
        return moment.astimezone(timezone.utc).date().isoformat()
    if form == "epoch":
        return int(moment.timestamp())
    if form == "epoch_ms":
        return int(moment.timestamp() * 1000)
    return moment.astimezone(timezone.utc).strftime(form)
