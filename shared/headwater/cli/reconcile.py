"""What was reported, fetched, emitted and committed, side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = ("reported", "fetched", "emitted", "received", "invalid", "committed")


@dataclass(frozen=True)
class Reconciled:
    """The numbers of a run by stream; None where a plugin does not tell."""

    rows: Mapping[str, Mapping[str, int | None]]

    @classmethod
    def of(cls, tap: Path, target: Path) -> Reconciled:
        """Return what the summaries of both sides say."""
        ours, theirs = _streams(tap), _streams(target)
        names = [n for n, report in ours.items() if report.get("pages") or report.get("emitted")]
        names += [name for name in theirs if name not in names]
        return cls(
            {
                name: {
                    column: {**ours.get(name, {}), **theirs.get(name, {})}.get(column)
                    for column in COLUMNS
                }
                for name in names
            }
        )

    def faults(self) -> list[str]:
        """Return, in a sentence each, the streams whose numbers do not fit each other."""
        found = []
        for name, row in self.rows.items():
            received, committed = row["received"], row["committed"]
            if received is not None and committed is not None:
                missing = received - committed - (row["invalid"] or 0)
                if missing:
                    found.append(
                        f"stream '{name}': {received} records came in, {committed} are committed"
                    )
        return found

    def table(self) -> str:
        """Return the numbers as a table."""
        width = max([len("stream"), *map(len, self.rows)])
        lines = ["stream".ljust(width) + "".join(column.rjust(12) for column in COLUMNS)]
        for name, row in self.rows.items():
            cells = ("-" if row[c] is None else f"{row[c]:,}" for c in COLUMNS)
            lines.append(name.ljust(width) + "".join(cell.rjust(12) for cell in cells))
        return "\n".join(lines)


def _streams(place: Path) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(place.read_text(encoding="utf-8"))["streams"])
    except (OSError, ValueError, KeyError):
        return {}
