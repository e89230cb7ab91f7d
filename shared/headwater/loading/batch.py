"""Records that go to the destination together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from headwater.loading.plan import Plan


@dataclass
class Batch:
    """Checked records of one stream, in the order in which they came.

    Args:
        plan: How they are loaded.
    """

    plan: Plan
    records: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0

    def unique(self) -> list[dict[str, Any]]:
        """Return the last record of each key; all of them where the stream has no keys."""
        keys = self.plan.keys
        if not keys:
            return self.records
        if len(keys) == 1:
            name = keys[0]
            return list({_hashable(record[name]): record for record in self.records}.values())
        return list(
            {
                tuple(_hashable(record[name]) for name in keys): record for record in self.records
            }.values()
        )


def _hashable(value: Any) -> Any:
    return repr(value) if isinstance(value, (dict, list)) else value
