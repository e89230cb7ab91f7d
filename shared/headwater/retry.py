"""How often and how long to try: an immutable value, every decision a function of numbers."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter.

    Args:
        attempts: How many tries in all.
        first_wait: Seconds before the second try, at most; doubles each time.
        longest_wait: Seconds that one wait may take, unless the API asked for longer.
        total_wait: Seconds that all waits of one request may take together.
        jitter: Whether a wait is drawn between 0 and its length.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 300.0
    total_wait: float = 2 * 60 * 60.0
    jitter: bool = True

    def wait(self, attempt: int, waited: float, asked: float | None) -> float | None:
        """Return the seconds until the next try, or None when there is none.

        Args:
            attempt: The number of tries so far, 1 or more.
            waited: The seconds waited so far.
            asked: The seconds that the API asked for, if it did.
        """
        if attempt >= self.attempts:
            return None
        ceiling = min(self.longest_wait, self.first_wait * 2 ** (attempt - 1))
        drawn = random.uniform(0, ceiling) if self.jitter else ceiling  # noqa: S311  not a secret
        seconds = drawn if asked is None else asked + drawn * 0.1
        return seconds if waited + seconds <= self.total_wait else None
