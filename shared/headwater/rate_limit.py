"""Keeps requests under a budget before the vendor complains."""

from __future__ import annotations

import bisect
import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

from headwater.clock import SYSTEM, Clock
from headwater.errors import ConfigError
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


SHORTEST_WAIT = 0.001
# how much later than it was sent a request may be counted by the API, at most
LATEST_ARRIVAL = 1.0


@dataclass(frozen=True)
class Turn:
    """What a bucket answers.

    Args:
        wait: Seconds after which there may be room; 0 where the request is counted in.
        at: When it was counted.
        cost: What it was counted for.
    """

    wait: float
    at: float = 0.0
    cost: int = 1


class Bucket(Protocol):
    """Where the requests of a budget are counted."""

    def take(self, windows: Sequence[Window], cost: int) -> Turn:
        """Count a request in, or say how long there is no room."""

    def settle(self, turn: Turn) -> None:
        """Count an answered request from now on: the API saw it at some moment up to now."""

    def close(self, seconds: float) -> None:
        """Have no room for so long."""


class MemoryBucket:
    """Counts the requests of this process."""

    def __init__(self, clock: Clock = SYSTEM):
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: list[list[float]] = []
        self._opens_at = 0.0

    def take(self, windows: Sequence[Window], cost: int) -> Turn:
        """Count a request in, or say how long there is no room."""
        with self._lock:
            now = self._clock.monotonic()
            if not self._sent:
                self._sent = [[] for _ in windows]
            wait = max(0.0, self._opens_at - now)
            for window, sent in zip(windows, self._sent, strict=True):
                wait = max(wait, room_in(window, sent, now, cost))
            if wait <= 0:
                for sent in self._sent:
                    sent.extend([now] * cost)
            return Turn(wait, now, cost)

    def settle(self, turn: Turn) -> None:
        """Count an answered request from now on."""
        with self._lock:
            now = self._clock.monotonic()
            for sent in self._sent:
                move(sent, turn, now)

    def close(self, seconds: float) -> None:
        """Have no room for so long."""
        with self._lock:
            self._opens_at = max(self._opens_at, self._clock.monotonic() + seconds)


class FileBucket:
    """Counts the requests of all processes that share a file: those of one account, say.

    Args:
        file: The file; made where it is not there.
    """

    def __init__(self, file: Path):
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def take(self, windows: Sequence[Window], cost: int) -> Turn:
        """Count a request in, or say how long there is no room."""
        with self._locked() as (file, kept):
            # processes share the wall clock, not the monotonic one
            now = time.time()
            sent: list[list[float]] = kept.get("sent", [])
            if len(sent) != len(windows):
                sent = [[] for _ in windows]
            wait: float = max(0.0, float(kept.get("opens_at", 0.0)) - now)
            for window, times in zip(windows, sent, strict=True):
                wait = max(wait, room_in(window, times, now, cost))
            if wait <= 0:
                for times in sent:
                    times.extend([now] * cost)
                self._write(file, {**kept, "sent": sent})
            return Turn(wait, now, cost)

    def settle(self, turn: Turn) -> None:
        """Count an answered request from now on."""
        with self._locked() as (file, kept):
            for times in kept.get("sent", ()):
                move(times, turn, time.time())
            self._write(file, kept)

    def close(self, seconds: float) -> None:
        """Have no room for so long, in all processes."""
        with self._locked() as (file, kept):
            opens_at = max(kept.get("opens_at", 0.0), time.time() + seconds)
            self._write(file, {**kept, "opens_at": opens_at})

    @contextmanager
    def _locked(self) -> Iterator[tuple[TextIO, dict[str, Any]]]:
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                kept = json.loads(file.read() or "{}")
            except ValueError:
                kept = {}  # a process died while it wrote
            yield file, kept

    @staticmethod
    def _write(file: TextIO, kept: dict[str, Any]) -> None:
        file.seek(0)
        file.truncate()
        file.write(json.dumps(kept))
        file.flush()


class RedisBucket:
    """Counts the requests of a fleet, in Redis.

    Args:
        url: Redis' URL.
        name: What the budget is kept under.
    """

    def __init__(self, url: str, name: str):
        try:
            import redis
        except ImportError as fault:
            raise ConfigError(
                "a budget in Redis needs its client.", advice="Install headwater[redis]."
            ) from fault
        self._redis: Any = redis.Redis.from_url(url)
        self._name = f"headwater:{name}"

    def take(self, windows: Sequence[Window], cost: int) -> Turn:
        """Count a request in, or say how long there is no room."""
        with self._redis.lock(f"{self._name}:lock", timeout=10):
            now = time.time()
            closed = self._redis.get(f"{self._name}:opens_at")
            wait = max(0.0, float(closed) - now) if closed else 0.0
            for index, window in enumerate(windows):
                key = f"{self._name}:{index}"
                self._redis.zremrangebyscore(key, "-inf", now - window.seconds)
                sent = [score for _, score in self._redis.zrange(key, 0, -1, withscores=True)]
                wait = max(wait, room_in(window, sent, now, cost))
            if wait <= 0:
                for index, window in enumerate(windows):
                    key = f"{self._name}:{index}"
                    self._redis.zadd(key, {uuid.uuid4().hex: now for _ in range(cost)})
                    self._redis.expire(key, int(window.seconds) + 1)
            return Turn(wait, now, cost)

    def settle(self, turn: Turn) -> None:
        """Count an answered request from now on."""
        later = settled(turn, time.time())
        with self._redis.lock(f"{self._name}:lock", timeout=10):
            for key in self._redis.scan_iter(f"{self._name}:[0-9]*"):
                members = self._redis.zrangebyscore(key, turn.at, turn.at, start=0, num=turn.cost)
                if members:
                    self._redis.zadd(key, dict.fromkeys(members, later))

    def close(self, seconds: float) -> None:
        """Have no room for so long, in the whole fleet."""
        self._redis.set(f"{self._name}:opens_at", time.time() + seconds, ex=int(seconds) + 1)


def room_in(window: Window, sent: list[float], now: float, cost: int) -> float:
    """Return the seconds until a window has room for a cost; forget what has left it.

    Args:
        window: The window.
        sent: When what it counts was sent, oldest first; changed.
        now: The moment.
        cost: What is wanted.

    Raises:
        ValueError: it never has: one request costs more than the window holds.
    """
    if cost > window.requests:
        raise ValueError(f"a request of cost {cost} does not fit a budget of {window.requests}")
    del sent[: bisect.bisect_right(sent, now - window.seconds)]
    if len(sent) + cost <= window.requests:
        return 0.0
    # when enough of the oldest have left
    return window.seconds - (now - sent[len(sent) + cost - window.requests - 1])


def settled(turn: Turn, now: float) -> float:
    """Return the latest moment at which the API can have counted an answered request."""
    return min(now, turn.at + LATEST_ARRIVAL)


def move(sent: list[float], turn: Turn, now: float) -> None:
    """Count a turn at its latest moment instead of the one at which it was sent."""
    start = bisect.bisect_left(sent, turn.at)
    end = start
    while end < len(sent) and end - start < turn.cost and sent[end] == turn.at:
        end += 1
    later = settled(turn, now)
    del sent[start:end]
    place = bisect.bisect_right(sent, later)
    sent[place:place] = [later] * (end - start)


class Budget:
    """Declared windows, shared by all threads of a run, or by all who share a bucket.

    Args:
        windows: The budgets that hold at once; none: only `pause` closes it.
        bucket: Where requests are counted.
        clock: Time.
    """

    def __init__(self, *windows: Window, bucket: Bucket | None = None, clock: Clock = SYSTEM):
        self._windows = windows
        self._clock = clock
        self._bucket: Bucket = bucket or MemoryBucket(clock)
        self._turns = threading.local()

    def acquire(self, scope: str = "", cost: int = 1) -> None:  # noqa: ARG002  one budget for all
        """Wait until a request may be sent, and count it."""
        while (turn := self._bucket.take(self._windows, cost)).wait > 0:
            # what rounding leaves of a wait is no reason to ask again at once
            self._clock.sleep(max(turn.wait, SHORTEST_WAIT))
        self._turns.last = turn

    def observe(self, response: Response) -> None:  # noqa: ARG002  that it came is enough
        """Learn that this thread's request has been counted by the API."""
        turn: Turn | None = getattr(self._turns, "last", None)
        if turn is not None and self._windows:
            self._turns.last = None
            self._bucket.settle(turn)

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long."""
        self._bucket.close(seconds)


class HeaderLimiter:
    """One budget that the vendor's headers tell, for an API with one set of credentials.

    Args:
        budget: The headers, and what they have said.
        declared: A declared budget that holds as well.
    """

    def __init__(self, budget: HeaderBudget, declared: Budget | None = None):
        self._budget = budget
        self._declared = declared

    def acquire(self, scope: str = "", cost: int = 1) -> None:
        """Wait until a request may be sent."""
        self._budget.gate(scope).wait()
        if self._declared:
            self._declared.acquire(scope, cost)

    def observe(self, response: Response) -> None:
        """Learn what is left."""
        self._budget.observe(response, response.request.scope)
        if self._declared:
            self._declared.observe(response)

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long."""
        self._budget.gate("").close(seconds)
        if self._declared:
            self._declared.pause(seconds)


@dataclass
class HeaderBudget:
    """What a vendor's headers say is left, for each resource it counts apart.

    Args:
        remaining: The header that says how many requests are left.
        reset: The header that says when the budget is full again, in epoch seconds.
        resource: The header that names the resource, if the vendor has several.
        reserve: How many requests to leave unused (never the whole of a small limit).
        limit: The header that says how large the budget is.
        is_relative: `reset` counts seconds from now instead of giving the moment.
        clock: Time.
    """

    remaining: str
    reset: str
    resource: str | None = None
    limit: str | None = None
    reserve: int = 0
    is_relative: bool = False
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
            seconds = reset if self.is_relative else reset - self.clock.now().timestamp()
            if seconds > 0:
                self.gate(scope).close(seconds + 1)


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None
