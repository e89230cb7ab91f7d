"""State goes out only for what is committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headwater.errors import LoadError

LEDGER_KEY = "headwater"


class StateRelease:
    """Writes states, each once.

    Args:
        write: Writes one line to standard output.
    """

    def __init__(self, write: Callable[[str], None]):
        self._write = write
        self._written: str | None = None

    def release(self, state: str | None) -> None:
        """Write a state: everything before it is committed."""
        if state is not None and state != self._written:
            self._write(state)
            self._written = state


def ledger_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the ledger in a state: what our taps have written of each stream."""
    part = state.get(LEDGER_KEY)
    ledger = part.get("ledger") if isinstance(part, Mapping) else None
    return ledger if isinstance(ledger, Mapping) else {}


def compare_ledger(state: Mapping[str, Any], received: Mapping[str, int]) -> None:
    """Compare what the tap says it wrote before a state with what came in before it.

    Raises:
        LoadError: they differ.
    """
    for stream, entry in ledger_of(state).items():
        sent, came = entry.get("records"), received.get(stream, 0)
        if isinstance(sent, int) and sent != came:
            raise LoadError(
                f"the tap wrote {sent} records and {came} came in.",
                stream=stream,
                advice="Records were lost or added on the way; run again, or set "
                "'compare_ledger' to false where a mapper between the two filters records.",
            )
