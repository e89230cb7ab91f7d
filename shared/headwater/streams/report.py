"""What one stream did in a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class StreamReport:
    """The numbers of a stream, for progress, the summary and the ledger.

    Attributes:
        fetched: Records that came from the API.
        emitted: Records written as messages.
        pages: Pages fetched.
        reported: The total that the API named, where it named one.
        skipped: Why parts of the stream were passed over, by reason.
        seconds: How long it took, the streams below it included.
        complete: Whether every fetch of the stream ended with proof.
        unknown: Names of properties that came and are not in the schema.
        drift: The differences to the schema and to the last run.
    """

    fetched: int = 0
    emitted: int = 0
    pages: int = 0
    reported: int | None = None
    skipped: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    complete: bool = False
    unknown: set[str] = field(default_factory=set)
    drift: list[dict[str, str]] = field(default_factory=list)

    def skip(self, what: str, reason: str) -> None:
        """Note a part of the stream that the API has nothing for."""
        self.skipped.setdefault(reason, []).append(what)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a value for JSON."""
        return {
            "fetched": self.fetched,
            "emitted": self.emitted,
            "pages": self.pages,
            "reported": self.reported,
            "seconds": round(self.seconds, 3),
            "complete": self.complete,
            "skipped": self.skipped,
            "unknown_properties": sorted(self.unknown),
            "drift": self.drift,
        }
