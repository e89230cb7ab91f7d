"""Reads what a plugin wrote to standard output."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


def messages(output: bytes) -> list[dict[str, Any]]:
    """Return the messages of an output."""
    return [json.loads(line) for line in output.splitlines()]


def records(output: bytes) -> Counter[str]:
    """Return the number of RECORD messages by stream."""
    return Counter(m["stream"] for m in messages(output) if m["type"] == "RECORD")


def last_state(output: bytes) -> Any:
    """Return the value of the last STATE message."""
    return [m["value"] for m in messages(output) if m["type"] == "STATE"][-1]
