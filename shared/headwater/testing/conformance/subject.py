"""A tap under test, and the server that stands for its vendor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Protocol

GROUP = "headwater.conformance"


class Vendor(Protocol):
    """A server that speaks a vendor's protocol.

    Attributes:
        url: Where it listens.
    """

    url: str

    def grow(self) -> None:
        """Add a record to the collection that is being read."""

    def shrink(self) -> None:
        """Take a record away that has been read."""

    def close(self) -> None:
        """Stop listening."""


@dataclass(frozen=True)
class Subject:
    """A tap, and how to put it to the test.

    A tap's package names its own in the entry point group `headwater.conformance`; from then on
    it is put through the whole table, by the tests and by `headwater check`.

    Args:
        tap: The tap's executable.
        serve: Starts the server that stands for the vendor; None: config names a real one.
        config: Returns the config for a URL of the API.
        streams: The streams to sync; none: those that the tap selects.
        counted: The path of a list whose total the API tells: what is missing there is noticed.
        limited: The vendor's own answer to too many requests, where it is not a 429.
    """

    tap: str
    serve: Callable[[], Vendor] | None
    config: Callable[[str], Mapping[str, Any]]
    streams: tuple[str, ...] = ()
    counted: str | None = None
    limited: Mapping[str, Any] = field(default_factory=dict)


def subjects() -> dict[str, Subject]:
    """Return the subjects that installed packages name, by tap."""
    return {entry.name: entry.load() for entry in metadata.entry_points(group=GROUP)}


def subject_of(tap: str) -> Subject | None:
    """Return the subject of a tap; None where no package names one."""
    for entry in metadata.entry_points(group=GROUP):
        if entry.name == tap:
            found: Subject = entry.load()
            return found
    return None
