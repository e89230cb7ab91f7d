"""State goes out only for what is committed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from headwater.errors import LoadError

LEDGER_KEY = "headwater"


class StateRelease:
    """Keeps the last STATE back until everything before it is in the destination.

    Args:
        write: Writes one line to standard output.
    """

    def __init__(self, write: Callable[[str], None]):
        self._write = write
        self._pending: Mapping[str, Any] | None = None
        self._written: str | None = None
        self.last: Mapping[str, Any] | None = None

    def hold(self, value: Mapping[str, Any]) -> None:
        """Keep a state; an empty one never replaces a good one."""
        if value:
            self._pending = self.last = value

    def release(self) -> None:
        """Write the state that is held: everything before it is committed."""
        if self._pending is None:
            return
        text = json.dumps(self._pending, default=float)
        self._pending = None
        if text != self._written:
            self._write(text)
            self._written = text


def compare_ledger(state: Mapping[str, Any] | None, received: Mapping[str, int]) -> None:
    """Compare what the tap says it wrote with what came in.

    Raises:
        LoadError: they differ.
    """
    ledger = ((state or {}).get(LEDGER_KEY) or {}).get("ledger") or {}
    for stream, entry in ledger.items():
        sent, came = entry.get("records"), received.get(stream, 0)
        if isinstance(sent, int) and sent != came:
            raise LoadError(
                f"the tap wrote {sent} records and {came} came in.",
                stream=stream,
                advice="Records were lost or added on the way; run again, or set "
                "'compare_ledger' to false where a mapper between the two filters records.",
            )
