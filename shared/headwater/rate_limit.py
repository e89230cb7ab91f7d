"""Keeps requests under a budget before the vendor complains."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from headwater.clock import SYSTEM, Clock
from headwater.http.message import Response


@dataclass(frozen=True)
class Window:
    """A declared budget: so many requests in so many seconds."""

    requests: int
    seconds: float


class Gate:
    """Closed until a moment; several causes may close it, the latest opening counts.

    All threads that share a budget wait at its gate.
    """

    def __init__(self, clock: Clock = SYSTEM):
        self._clock = clock
        self._opens_at = 0.0
        self._lock = threading.Lock()

    def close(self, seconds: float) -> None:
        """Stay closed for at least so long."""
        with self._lock:
            self._opens_at = max(self._opens_at, self._clock.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds until it opens; 0 when it is open."""
        return max(0.0, self._opens_at - self._clock.monotonic())

    def wait(self) -> None:
        """Return once it is open."""
        while (seconds := self.remaining) > 0:
            self._clock.sleep(seconds)


class Budget:
    """Declared windows, shared by all threads of a run.

    Args:
        windows: The budgets that hold at once; none: only `pause` closes it.
        clock: Time.
    """

    def __init__(self, *windows: Window, clock: Clock = SYSTEM):
        self._windows = windows
        self._clock = clock
        self._gate = Gate(clock)
        self._lock = threading.Lock()
        self._sent: list[deque[float]] = [deque() for _ in windows]

    def acquire(self, scope: str = "") -> None:  # noqa: ARG002  one budget for all scopes
        """Wait until a request may be sent, and count it."""
        while True:
            self._gate.wait()
            with self._lock:
                wait = self._wait_needed()
                if wait <= 0:
                    now = self._clock.monotonic()
                    for sent in self._sent:
                        sent.append(now)
                    return
            self._clock.sleep(wait)

    def observe(self, response: Response) -> None:
        """Declared windows learn nothing from a response."""

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long."""
        self._gate.close(seconds)

    def _wait_needed(self) -> float:
        now = self._clock.monotonic()
        wait = 0.0
        for window, sent in zip(self._windows, self._sent, strict=True):
            while sent and now - sent[0] >= window.seconds:
                sent.popleft()
            if len(sent) >= window.requests:
                wait = max(wait, window.seconds - (now - sent[0]))
        return wait


@dataclass
class HeaderBudget:
    """What a vendor's headers say is left, for each resource it counts apart.

    Args:
        remaining: The header that says how many requests are left.
        reset: The header that says when the budget is full again, in epoch seconds.
        resource: The header that names the resource, if the vendor has several.
        reserve: How many requests to leave unused (never the whole of a small limit).
        limit: The header that says how large the budget is.
        clock: Time.
    """

    remaining: str
    reset: str
    resource: str | None = None
    limit: str | None = None
    reserve: int = 0
    clock: Clock = SYSTEM
    _gates: dict[str, Gate] = field(default_factory=dict)

    def gate(self, scope: str) -> Gate:
        """Return the gate of a resource."""
        return self._gates.setdefault(scope, Gate(self.clock))

    def observe(self, response: Response, scope: str) -> None:
        """Close the resource's gate until its reset when only the reserve is left."""
        headers = response.headers
        left = _integer(headers.get(self.remaining))
        reset = _integer(headers.get(self.reset))
        if left is None or reset is None:
            return
        if self.resource and headers.get(self.resource):
            scope = headers[self.resource]
        limit = _integer(headers.get(self.limit)) if self.limit else None
        # a reserve meant for 5,000 an hour must not close a budget of 30 a minute for good
        reserve = min(self.reserve, limit // 2) if limit is not None else self.reserve
        if left <= reserve:
            seconds = reset - self.clock.now().timestamp()
            if seconds > 0:
                self.gate(scope).close(seconds + 1)


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None
